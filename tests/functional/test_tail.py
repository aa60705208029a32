"""Events are watched as they come in, whichever worker takes them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from experiments.definitions.errors import Unavailable
from experiments.events import Tail
from tests.conftest import ROOT, Service, StartService

TAIL = "/api/v1/events/tail"


@contextlib.contextmanager
def watching(client: httpx.Client, **query: Any) -> Iterator[Iterator[dict[str, Any]]]:
    with client.stream("GET", TAIL, params=query, timeout=30) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == ": watching"
        yield (json.loads(line[6:]) for line in lines if line.startswith("data: "))


@pytest.fixture
def shop(admin: httpx.Client) -> httpx.Client:
    """An admin of an environment in which the experiment `checkout` runs."""
    variants = [{"key": "blue", "weight": 0.5}, {"key": "red", "weight": 0.5}]
    metric = {"key": "buy", "kind": "conversion", "event": "buy"}
    assert admin.post("/api/v1/metrics", json=metric).status_code == 201
    experiment = {
        "key": "checkout",
        "variants": variants,
        "metrics": [{"metric": "buy", "role": "goal"}],
    }
    assert admin.post("/api/v1/experiments", json=experiment).status_code == 201
    assert admin.post("/api/v1/experiments/checkout/start").status_code == 200
    return admin


def exposure(unit_id: str = "u1", **fields: Any) -> dict[str, Any]:
    named = {} if "ids" in fields else {"unit_id": unit_id}
    return {"type": "exposure", "experiment": "checkout", "variant": "blue", **named, **fields}


def outcome(event_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "outcome", "event": "buy", "event_id": event_id, "unit_id": "u1", **fields}


def send(client: httpx.Client, *items: Any) -> list[dict[str, Any]]:
    # Each on a connection of its own, so that any worker may take it.
    answer = httpx.post(
        f"{client.base_url}/api/v1/events", json={"events": items}, headers=client.headers
    )
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def test_every_verdict_is_seen_with_its_reason(shop: httpx.Client) -> None:
    with watching(shop) as seen:
        items = [
            exposure(overridden=True),
            exposure(overridden=True),
            outcome("e1", value=7),
            outcome("e1", value=8),
            outcome("e2", value="7"),
            "no object",
        ]
        told = send(shop, *items)
        found = [next(seen) for _ in items]
    assert [one["verdict"] for one in found] == [
        *("stored", "duplicate", "stored", "conflict", "rejected", "rejected")
    ]
    assert [one["verdict"] for one in found] == [one["status"] for one in told]
    assert [one["mark"] for one in found] == ["OVERRIDDEN"] * 2 + [None] * 4
    assert [one["error"] and one["error"]["code"] for one in found] == [
        *(None, None, None, "EVENT_ID_CONFLICT", "FIELD_TYPE", "ITEM_NOT_OBJECT")
    ]
    selector = shop.headers["Authorization"].split("_")[3]
    assert {one["key"] for one in found} == {selector}
    first = found[0]
    assert (first["type"], first["experiment"], first["variant"]) == (
        "exposure",
        "checkout",
        "blue",
    )
    assert first["ids"] == {"id": "u1"}
    assert first["at"] == first["received_at"]
    assert (found[2]["event"], found[2]["value"]) == ("buy", 7.0)


def test_all_workers_are_heard_and_other_environments_are_not(
    shop: httpx.Client, service: Service
) -> None:
    assert len(service.workers()) == 2
    with service.client("admin", "elsewhere") as elsewhere, watching(shop) as seen:
        for number in range(40):
            send(elsewhere, outcome(f"x{number}"))
            send(shop, outcome(f"e{number}"))
        assert [next(seen)["event_id"] for _ in range(40)] == [f"e{n}" for n in range(40)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"type": "exposure"}, ["a", "b"]),
        ({"experiment": "checkout"}, ["a", "b"]),
        ({"event": "buy"}, ["c", "d"]),
        ({"unit": "u2"}, ["b"]),
        ({"unit": "device:d1"}, ["b"]),
        ({"unit": "device:u1"}, []),
        ({"verdict": "rejected"}, ["d"]),
        ({"verdict": "stored", "type": "outcome"}, ["c"]),
    ],
)
def test_a_watcher_chooses(shop: httpx.Client, query: dict[str, str], expected: list[str]) -> None:
    with watching(shop, seconds=1, **query) as seen:
        send(
            shop,
            exposure(event_id="a"),
            exposure(event_id="b", ids={"id": "u2", "device": "d1"}),
            outcome("c"),
            outcome("d", value="7"),
        )
        assert [one["event_id"] for one in seen] == expected


def test_a_watcher_says_what_it_wants_in_known_words(shop: httpx.Client) -> None:
    for query in ({"verdict": "good"}, {"type": "x"}, {"seconds": 0}, {"colour": "red"}):
        assert shop.get(TAIL, params=query).status_code == 422, query


def test_streams_are_bounded_and_end_with_their_key(
    start_service: StartService, new_sqlite: Callable[[], str]
) -> None:
    service = start_service(new_sqlite(), workers=1, EVENHAND_THREADS="4")
    with service.client("server") as client, watching(client) as seen:
        full = client.get(TAIL)
        assert (full.status_code, full.json()["code"]) == (503, "STREAMS_FULL")
        assert int(full.headers["Retry-After"]) > 0
        pipes = Path(service.env["EVENHAND_DATA_DIR"]) / "tail"
        assert len(list(pipes.iterdir())) == 1
        service.evenhand("key", "revoke", client.headers["Authorization"].split("_")[3])
        assert list(seen) == []
    with service.client("server") as client, watching(client, seconds=1) as seen:
        assert list(seen) == []


def test_what_a_reader_left_behind_is_cleared_away(shop: httpx.Client, service: Service) -> None:
    environment = shop.headers["Authorization"].split("_")[2]
    script = "import sys; from experiments.events import Tail; from pathlib import Path;"
    script += "import os, signal; Tail(Path(sys.argv[1]), sys.argv[2]);"
    script += "os.kill(os.getpid(), signal.SIGKILL)"
    folder = Path(service.env["EVENHAND_DATA_DIR"]) / "tail"
    subprocess.run([sys.executable, "-c", script, str(folder), environment], cwd=ROOT, check=False)
    assert len(list(folder.glob(f"{environment}.*"))) == 1
    send(shop, outcome("e1"))
    assert not list(folder.glob(f"{environment}.*"))


def test_what_is_too_much_is_counted_and_long_lines_are_cut(
    shop: httpx.Client, service: Service
) -> None:
    environment = shop.headers["Authorization"].split("_")[2]
    tail = Tail(Path(service.env["EVENHAND_DATA_DIR"]) / "tail", environment)
    try:
        sent = 0
        for batch in range(6):  # of more than the pipe holds
            named = {f"t{n}": "é" * 256 for n in range(8)}
            items = [outcome(f"{batch}-{n}", properties={}) for n in range(1000)]
            items[0] = {"type": "outcome", "event": "buy", "event_id": f"long-{batch}"} | {
                "ids": named
            }
            send(shop, *items)
            sent += len(items)
        found = list(all_of(tail))
        assert found[0]["event_id"] == "long-0"
        assert found[0]["ids"] == {"t0": "é" * 30}
        assert len(found) < sent
        for number in range(200):  # until each worker has said what it could not show
            send(shop, outcome(f"last-{number}"))
            sent += 1
            found += all_of(tail, 0.1)
            assert found[-1]["event_id"] == f"last-{number}"
            if sum(one.get("missed", 1) for one in found) == sent:
                return
        pytest.fail("events are neither shown nor counted")
    finally:
        tail.close()


def all_of(tail: Tail, seconds: float = 0.5) -> Iterator[dict[str, Any]]:
    while told := tail.read(seconds):
        yield from told


def test_a_folder_that_holds_no_pipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "tail").write_text("in the way")
    with pytest.raises(Unavailable, match="no pipe can be made"):
        Tail(tmp_path / "tail", "production")


@pytest.mark.parametrize("there", [False, True])
def test_the_command_shows_a_line_for_each_event(
    shop: httpx.Client, service: Service, *, there: bool
) -> None:
    environment = shop.headers["Authorization"].split("_")[2]
    key = shop.headers["Authorization"].removeprefix("Bearer ")
    where = ["--url", service.url] if there else ["--env", environment]
    command = [sys.executable, "-m", "experiments.cli", "tail", "--unit", "u1", *where]
    with subprocess.Popen(
        command,
        env={**service.env, "EVENHAND_KEY": key, "PYTHONUNBUFFERED": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stderr.readline().startswith("Watching")
            send(shop, exposure("u2"), outcome("e1", value=7), outcome("e2", value="7"))
            send(shop, exposure(variant="\x1b[2J"))
            lines = [process.stdout.readline() for _ in range(3)]
        finally:
            process.terminate()
            watchdog.cancel()
    assert lines[0].split()[1:] == ["stored", "outcome", "buy", "id:u1", "7"]
    assert "FIELD_TYPE: value: send a number, this is a text" in lines[1]
    assert "checkout=\ufffd[2J" in lines[2]
    assert "UNKNOWN_VARIANT" in lines[2]


def test_the_command_says_why_the_service_refuses(service: Service) -> None:
    command = [sys.executable, "-m", "experiments.cli", "tail", "--url", service.url]
    done = subprocess.run(
        [*command, "--key", service.key("client")],
        env=service.env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "KIND_FORBIDDEN" in done.stderr
    assert "Traceback" not in done.stderr
