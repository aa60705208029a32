"""What was refused is looked up, mended, replayed and thrown away, over HTTP and by command."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from experiments.definitions.time import format_instant, now, parse_instant
from experiments.store.audit import list_audit
from experiments.store.database import Database
from tests.conftest import ROOT, Service, StartService

LETTERS = "/api/v1/dead-letters"


@dataclass
class Shop:
    """An admin of a service of its own."""

    service: Service
    admin: httpx.Client

    def send(self, *items: Any, **batch: Any) -> list[dict[str, Any]]:
        answer = self.admin.post("/api/v1/events", json={"events": items, **batch})
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    def letters(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.admin.get(LETTERS, params=query)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["dead_letters"]
        return found

    def replay(self, letter: dict[str, Any], **body: Any) -> dict[str, Any]:
        answer = self.admin.post(f"{LETTERS}/{letter['id']}/replay", json=body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()["result"]
        return result

    def start(self, key: str = "checkout", started_at: str = "") -> None:
        variants = [{"key": "blue", "weight": 0.5}, {"key": "red", "weight": 0.5}]
        experiment = {"key": key, "variants": variants, "metrics": []}
        experiment["metrics"] = [{"metric": "buy", "role": "goal"}]
        metric = {"key": "buy", "kind": "conversion", "event": "buy"}
        self.admin.post("/api/v1/metrics", json=metric)
        assert self.admin.post("/api/v1/experiments", json=experiment).status_code == 201
        begun = ["--started-at", started_at] if started_at else []
        self.service.evenhand("experiment", "start", key, *begun)

    def health(self, key: str = "checkout") -> dict[str, Any]:
        health: dict[str, Any] = self.admin.get(f"/api/v1/experiments/{key}/results").json()[
            "health"
        ]
        return health

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        database = Database(self.service.env["EVENHAND_DATABASE_URL"])
        try:
            with database.read() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(query)]
        finally:
            database.dispose()


@pytest.fixture
def shop(start_service: StartService, database_url: str) -> Iterator[Shop]:
    service = start_service(database_url)
    with service.client("admin") as admin:
        yield Shop(service, admin)


def exposure(unit_id: str = "u1", **fields: Any) -> dict[str, Any]:
    return {
        "type": "exposure",
        "experiment": "checkout",
        "variant": "blue",
        "unit_id": unit_id,
        **fields,
    }


def outcome(unit_id: str = "u1", **fields: Any) -> dict[str, Any]:
    return {"type": "outcome", "event": "buy", "unit_id": unit_id, **fields}


def test_letters_are_listed_by_code_key_and_time_in_pages(shop: Shop) -> None:
    selector = shop.admin.headers["Authorization"].split("_")[3]
    shop.send(*(outcome(value="7", event_id=f"e{n}") for n in range(3)))
    shop.send({}, exposure())
    assert {letter["key"] for letter in shop.letters()} == {selector}
    assert sorted(letter["code"] for letter in shop.letters()) == [
        *["FIELD_TYPE"] * 3,
        "TYPE_UNKNOWN",
        "UNKNOWN_EXPERIMENT",
    ]
    assert len(shop.letters(code="FIELD_TYPE")) == 3
    assert len(shop.letters(key=selector)) == 5
    assert shop.letters(key="0" * 16) == []
    newest = shop.letters()[0]["received_at"]
    assert len(shop.letters(since=newest)) == 2
    later = format_instant(parse_instant(newest) + 1)
    assert shop.letters(since=later) == []
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({} if cursor is None else {"cursor": cursor})}
        page = shop.admin.get(LETTERS, params=query).json()
        assert page["total"] == 5
        seen += page["dead_letters"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == shop.letters()
    assert shop.admin.get(LETTERS, params={"cursor": "x"}).status_code == 422
    one = shop.admin.get(f"{LETTERS}/{shop.letters(code='TYPE_UNKNOWN')[0]['id']}").json()
    assert (one["code"], one["body"]) == ("TYPE_UNKNOWN", "{}")
    assert shop.admin.get(f"{LETTERS}/none-such").json()["code"] == "DEAD_LETTER_NOT_FOUND"


def test_a_replay_counts_as_of_the_time_when_it_came_and_only_once(shop: Shop) -> None:
    (refused,) = shop.send(exposure())
    assert refused["error"]["code"] == "UNKNOWN_EXPERIMENT"
    (letter,) = shop.letters()
    again = shop.replay(letter)
    assert (again["status"], again["error"]["code"]) == ("rejected", "UNKNOWN_EXPERIMENT")
    assert shop.letters() == [letter]
    shop.start()
    assert shop.replay(letter)["status"] == "stored"
    assert shop.letters() == []
    gone = shop.admin.post(f"{LETTERS}/{letter['id']}/replay", json={})
    assert (gone.status_code, gone.json()["code"]) == (404, "DEAD_LETTER_NOT_FOUND")
    ((at, received_at, mark),) = shop.rows("SELECT first_at, received_at, mark FROM exposures")
    assert at == received_at == parse_instant(letter["received_at"])
    assert mark == "NOT_RUNNING"  # it came before the start
    database = Database(shop.service.env["EVENHAND_DATABASE_URL"])
    with database.read() as connection:
        (entry,) = list_audit(connection, "production", "dead_letter", letter["id"])
    database.dispose()
    assert (entry.verb, entry.after) == ("replay", {"status": "stored", "corrected": False})
    assert entry.actor.startswith("key:")


def test_a_mended_item_takes_the_place_of_the_refused_one(shop: Shop) -> None:
    shop.send(outcome(value="7", event_id="order-1"))
    (letter,) = shop.letters()
    still = shop.replay(letter, item=outcome(value=True, event_id="order-1"))
    assert (still["status"], still["error"]["code"]) == ("rejected", "FIELD_TYPE")
    assert shop.letters() == [letter]
    mended = outcome(value=7, event_id="order-1")
    assert shop.replay(letter, item=mended) == {
        "index": 0,
        "event_id": "order-1",
        "status": "stored",
    }
    assert shop.letters() == []
    assert shop.send(mended)[0]["status"] == "duplicate"
    # The same refused item once more: the mended one is there already, and the letter leaves.
    shop.send(outcome(value="7", event_id="order-1"))
    (letter,) = shop.letters()
    other = shop.replay(letter, item=outcome(value=8, event_id="order-1"))
    assert (other["status"], other["error"]["code"]) == ("conflict", "EVENT_ID_CONFLICT")
    assert shop.letters() == [letter]
    assert shop.replay(letter, item=mended)["status"] == "duplicate"
    assert shop.letters() == []
    assert shop.rows("SELECT value FROM outcomes") == [(7.0,)]


def test_a_letter_takes_the_reason_of_its_last_replay(shop: Shop) -> None:
    shop.send(exposure(variant="green"))
    (letter,) = shop.letters()
    assert letter["code"] == "UNKNOWN_EXPERIMENT"
    shop.start()
    assert shop.replay(letter)["error"]["code"] == "UNKNOWN_VARIANT"
    (moved,) = shop.letters()
    assert moved["code"] == "UNKNOWN_VARIANT"
    assert "blue, red" in moved["detail"]
    assert moved["received_at"] == letter["received_at"]


def test_the_skew_of_then_is_corrected_by_its_sent_at(shop: Shop) -> None:
    hour = 3_600_000_000
    slow = now() - hour  # the client's clock is an hour late
    shop.send(exposure(timestamp=format_instant(slow)), sent_at=format_instant(slow))
    (letter,) = shop.letters()
    shop.start()
    assert shop.replay(letter, sent_at=format_instant(slow))["status"] == "stored"
    ((at, client_at),) = shop.rows("SELECT first_at, client_at FROM exposures")
    assert client_at == slow
    assert at == parse_instant(letter["received_at"])


def test_a_letter_is_discarded_for_good(shop: Shop) -> None:
    shop.send({}, outcome(value="7"))
    (letter,) = shop.letters(code="TYPE_UNKNOWN")
    assert shop.admin.delete(f"{LETTERS}/{letter['id']}").status_code == 204
    assert shop.admin.delete(f"{LETTERS}/{letter['id']}").status_code == 404
    assert [one["code"] for one in shop.letters()] == ["FIELD_TYPE"]


def test_the_report_counts_those_that_name_the_experiment_by_reason(shop: Shop) -> None:
    shop.send(exposure("early"))
    shop.start()
    shop.send(exposure(), exposure("u2", variant="green"), exposure("u3", variant="grey"))
    shop.send(exposure("u4", colour=1), outcome(value="7"), {"experiment": "other"})
    health = shop.health()
    assert health["dead_letters"] == {
        "count": 3,
        "by_code": {"FIELD_UNKNOWN": 1, "UNKNOWN_VARIANT": 2},
    }
    assert health["rejected_events"] == 5
    said = "naming the experiment: FIELD_UNKNOWN 1, UNKNOWN_VARIANT 2"
    assert said in " ".join(shop.service.evenhand("report", "checkout").split())
    page = shop.admin.get("/experiments/checkout").text
    assert "1 × FIELD_UNKNOWN and 2 × UNKNOWN_VARIANT" in page
    assert (
        "1 × FIELD_UNKNOWN 和 2 × UNKNOWN_VARIANT"
        in shop.admin.get("/experiments/checkout?lang=zh").text
    )


def test_many_are_replayed_and_discarded_by_command(shop: Shop, tmp_path: Path) -> None:
    shop.send(*(exposure(f"u{n}") for n in range(250)))
    shop.send(exposure("odd", variant="green"), outcome(value="7", event_id="order-1"), {})
    shop.start()
    evenhand = shop.service.evenhand
    listed = evenhand("dead-letters", "list", "--code", "UNKNOWN_EXPERIMENT", "--limit", "1000")
    assert len(listed.splitlines()) == 251
    done = evenhand("dead-letters", "replay", "--code", "UNKNOWN_EXPERIMENT")
    assert done.splitlines() == ["250 stored", "1 rejected UNKNOWN_VARIANT"]
    assert "no such" in evenhand("dead-letters", "replay", "--code", "UNKNOWN_EXPERIMENT")
    (letter,) = shop.letters(code="FIELD_TYPE")
    body = json.loads(evenhand("dead-letters", "show", letter["id"]))
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps({**body, "value": 7}))
    done = evenhand("dead-letters", "replay", letter["id"], "--body", str(mended))
    assert done == "stored\n"
    assert shop.rows("SELECT count(*) FROM exposures") == [(250,)]
    (letter,) = shop.letters(code="TYPE_UNKNOWN")
    assert evenhand("dead-letters", "discard", letter["id"]) == "1 discarded\n"
    assert evenhand("dead-letters", "discard", "--all", "--yes") == "1 discarded\n"
    assert shop.letters() == []
    assert shop.rows(
        "SELECT verb, count(*) FROM audit WHERE subject = 'dead_letter' GROUP BY verb ORDER BY verb"
    ) == [("discard", 2), ("replay", 252)]


@pytest.mark.parametrize(
    "words",
    [("replay",), ("discard",), ("replay", "x", "--all"), ("replay", "--body", "-", "--all")],
)
def test_a_command_says_what_it_is_to_do_it_to(
    words: tuple[str, ...], new_sqlite: Callable[[], str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli", "dead-letters", *words],
        env={"EVENHAND_DATABASE_URL": new_sqlite(), "EVENHAND_DATA_DIR": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "ID" in done.stderr


def test_replays_at_the_same_time_store_an_event_without_an_id_once(shop: Shop) -> None:
    shop.send(outcome(value="7"))
    (letter,) = shop.letters()
    mended = {"item": outcome(value=7)}  # neither an id nor a time: nothing else tells a retry
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _REPLAY, shop.service.url, letter["id"]],
                    env={**shop.service.env, "KEY": shop.admin.headers["Authorization"]},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for _ in range(4)
        ]
        told = json.dumps(mended).encode()
        answers = [process.communicate(told)[0].decode() for process in processes]
    assert sorted(answers) == ["200", "404", "404", "404"]
    assert shop.rows("SELECT value FROM outcomes") == [(7.0,)]


_REPLAY = """
import os, sys, httpx
answer = httpx.post(
    f"{sys.argv[1]}/api/v1/dead-letters/{sys.argv[2]}/replay",
    content=sys.stdin.read(), headers={"Authorization": os.environ["KEY"]}, timeout=60,
)
print(answer.status_code, end="")
"""


def test_replays_while_the_same_events_come_in_store_each_once(shop: Shop) -> None:
    bad = [{"n": n} for n in range(20)]
    exposures = [exposure(f"u{n}") for n in range(200)]
    shop.send(*bad, *exposures)
    assert len(shop.letters(limit=1000)) == 220
    # Before they came, so that what is replayed and what is sent are the same rows.
    shop.start(started_at=format_instant(now() - 3_600_000_000))

    def send_again(seed: int) -> None:
        order = random.Random(seed)
        for _ in range(10):
            some = order.sample(exposures, 60) + order.sample(bad, 5)
            with httpx.Client(headers=shop.admin.headers) as client:
                answer = client.post(
                    f"{shop.service.url}/api/v1/events", json={"events": some}, timeout=60
                )
            assert answer.status_code == 200, answer.text

    def replay(_: int) -> None:
        shop.service.evenhand("dead-letters", "replay", "--all")

    with ThreadPoolExecutor(5) as pool:
        sending = pool.map(send_again, range(3))
        replaying = pool.map(replay, range(2))
        list(sending)
        list(replaying)
    assert shop.rows("SELECT count(*) FROM exposures") == [(200,)]
    assert {letter["code"] for letter in shop.letters(limit=1000)} == {"TYPE_UNKNOWN"}
    assert len(shop.letters(limit=1000)) == 20
