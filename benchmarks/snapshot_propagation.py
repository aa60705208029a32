"""How long a change of an experiment takes to be seen by every worker of the service.

Four workers; an experiment is paused and resumed in turn. Sixty-four connections, which the
workers share, ask for an assignment until each has said the new thing; the slowest change counts,
from before it is asked for.

    .venv/bin/python benchmarks/snapshot_propagation.py
"""

import contextlib
import json
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from service import evenhand

WORKERS, CONNECTIONS, CHANGES = 4, 64, 10
BAR, PATIENCE = 1.0, 10.0  # seconds
KEY = "experiment-00"
BODY = json.dumps({"unit_id": "u", "experiments": [KEY]})


def ask(connection: HTTPConnection, path: str, key: str, body: str | None = None) -> dict:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1/{path}", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"not the answer wanted: {text[:600].decode(errors='replace')}")
    return json.loads(text)


def seconds_until_seen(
    admin: HTTPConnection, asking: list[HTTPConnection], key: str, verb: str, reason: str
) -> float:
    begun = time.perf_counter()
    ask(admin, f"experiments/{KEY}/{verb}", key)
    behind = asking
    while behind:
        behind = [
            one
            for one in behind
            if ask(one, "assignments", key, BODY)["assignments"][0]["reason"] != reason
        ]
        if time.perf_counter() - begun > PATIENCE:
            raise SystemExit(f"a worker has not seen a change for {PATIENCE:.0f} s")
    return time.perf_counter() - begun


def main() -> int:
    verbs = {"pause": "DISABLED", "resume": "SPLIT"}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        port, key, _ = stack.enter_context(evenhand(Path(name), WORKERS))

        def connect() -> HTTPConnection:
            return stack.enter_context(contextlib.closing(HTTPConnection("127.0.0.1", port, 30)))

        took = []
        for change in range(CHANGES):
            # Anew each time: a connection that rests for some seconds is closed by the service.
            admin, asking = connect(), [connect() for _ in range(CONNECTIONS)]
            verb, reason = list(verbs.items())[change % len(verbs)]
            took.append(seconds_until_seen(admin, asking, key, verb, reason))
    name = f"a change seen by {WORKERS} workers, slowest of {CHANGES}"
    print(f"  {name:<44}{max(took):>6.2f} s{'':>16}{BAR:>8.1f} s")
    return int(max(took) > BAR)


if __name__ == "__main__":
    sys.exit(main())
