"""Load POST /api/v1/assignments, and what it has to keep up with, on one core each.

Twenty live experiments, every other one behind an audience; random UUIDs as units. All of them
are asked for against an empty Flask view that is sent the same requests under the same settings
of gunicorn; one of them against the frontend API of Unleash 7 with one toggle, which a client
asks in its own way. The servers have one core and the client the other; they take turns, and the
median of the pairs' ratios counts: of answers for a second of the server's processor time, so that
whatever else runs on that core does not count. Last, how long a change takes to be seen by every
worker.

    .venv/bin/python benchmarks/http_assignment.py
"""

import contextlib
import json
import os
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

import http_load
import snapshot_propagation
import unleash
from http_load import Target, Turn, request
from service import EXPERIMENTS, evenhand

from api import gunicorn_config

UNITS, TURNS = 2_000, 15
EMPTY_BAR, UNLEASH_BAR = 1.0, 1.5
CLIENT_LIMIT = 0.9  # a client busier than that may have slowed a server


@contextlib.contextmanager
def empty_view(folder: Path) -> Iterator[tuple[int, int]]:
    port = http_load.unused_port()
    settings = {
        "bind": f"127.0.0.1:{port}",
        "worker-class": gunicorn_config.worker_class,
        "threads": gunicorn_config.threads,
        "keep-alive": gunicorn_config.keepalive,
        "config": os.devnull,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", *options, "empty_view:app"]
    up = f"http://127.0.0.1:{port}/"
    log = folder / "empty.log"
    with http_load.started(command, {}, up, log, Path(__file__).parent) as process:
        yield port, process.pid


def assignments(service: tuple[int, str, int], units: list[str], names: list[str] | None) -> Target:
    port, key, process = service
    asked = {} if names is None else {"experiments": names}
    bodies = [{"unit_id": unit, "attributes": {"country": "FR"}, **asked} for unit in units]
    headers = {"Authorization": f"Bearer {key}"}
    texts = [json.dumps(one).encode() for one in bodies]
    requests = [request("POST", "/api/v1/assignments", headers, one) for one in texts]
    return Target(port, requests, process)


def row(name: str, pairs: list[tuple[Turn, Turn]], bar: float) -> bool:
    """Print it; whether the bar is held."""
    mine, other = (median(turn.per_core for turn in column) for column in zip(*pairs, strict=True))
    low, ratio, high = quantiles([ours.per_core / theirs.per_core for ours, theirs in pairs], n=4)
    by_clock = median(ours.rate / theirs.rate for ours, theirs in pairs)
    print(f"  {name:<44}{mine:>8,.0f}{other:>10,.0f}{ratio:>8.2f}×{bar:>6.1f}×", end="")
    print(f"   {low:.2f}–{high:.2f}{by_clock:>12.2f}×")
    busiest = max(turn.busy for pair in pairs for turn in pair)
    if busiest > CLIENT_LIMIT:
        print(f"  the client's core was {busiest:.0%} busy: it may have slowed the faster one")
    return ratio >= bar


def main() -> int:
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        print("this needs Linux and two cores, one for the servers and one for the client")
        return 2
    rng = random.Random(1)
    units = [str(uuid.UUID(int=rng.getrandbits(128), version=4)) for _ in range(UNITS)]
    print(
        f"answers a second, medians of {TURNS} pairs of turns of {http_load.TURN:.0f} s, one core\n"
    )
    print(f"  {'':<44}{'ours':>8}{'theirs':>10}{'ratio':>9}{'bar':>7}   middle half  by the clock")
    held = True
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        service = stack.enter_context(evenhand(folder))
        port, process = stack.enter_context(empty_view(folder))
        every = assignments(service, units, None)
        pairs = http_load.alternate(every, Target(port, every.requests, process), TURNS)
        held &= row(f"{EXPERIMENTS} experiments / an empty Flask view", pairs, EMPTY_BAR)
        try:
            toggle = stack.enter_context(unleash.frontend(folder, units))
        except unleash.Missing as missing:
            print(f"  the comparison with Unleash is left out: {missing}")
        else:
            one = assignments(service, units, ["experiment-01"])
            pairs = http_load.alternate(one, toggle, TURNS)
            held &= row("one of them / one toggle of Unleash", pairs, UNLEASH_BAR)
    return int(not (held & (snapshot_propagation.main() == 0)))


if __name__ == "__main__":
    sys.exit(main())
