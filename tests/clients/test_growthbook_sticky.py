"""What sticks: the JavaScript SDK with a store of its own, and the service with the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from experiments.sticky import kept_documents
from experiments.store.database import Database
from tests.clients.growthbook_shop import SCRIPTS, run_node
from tests.conftest import Service, StartService

ARMS = [
    {"key": "plain", "weight": 0.4, "value": "a"},
    {"key": "bold", "weight": 0.3, "value": "b"},
    {"key": "loud", "weight": 0.3, "value": "c"},
]
IDS = [f"{name}{number}" for number in range(15) for name in ("user-", "日本")]
MORE = [f"new-{number}" for number in range(20)]
Kept = tuple[str | None, bool]  # the variant, and whether it was kept from before


def units(ids: list[str], country: str, **attributes: Any) -> list[dict[str, Any]]:
    return [{"id": one, "country": country, **attributes} for one in ids]


class Shop:
    """The experiment `hero` for the French, which sticks; and both ways to be assigned in it."""

    def __init__(self, service: Service, node: Path, script: Path) -> None:
        self.admin = service.client()
        self.key = service.key("client")
        self.url = service.url
        self._node, self._script = node, script
        self.documents: dict[str, Any] = {}

    def open(self, **fields: Any) -> None:
        body = {"key": "hero", "variants": ARMS, "audience": {"country": "FR"}, **fields}
        self.post("experiments", body)
        self.post("experiments/hero/start", {})

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.admin.post(f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        time.sleep(1.0 if path.startswith("experiments") else 0)  # until all workers see it
        found: dict[str, Any] = answer.json()
        return found

    def assignment(self, attributes: dict[str, Any]) -> dict[str, Any]:
        body = {"unit_id": attributes["id"], "attributes": attributes, "experiments": ["hero"]}
        found: dict[str, Any] = self.post("assignments", body)["assignments"][0]
        return found

    def by_service(self, asking: list[dict[str, Any]]) -> list[Kept]:
        found = [self.assignment(one) for one in asking]
        assert all("sticky" not in one for one in found)
        return [(one["variant"], one["reason"] in {"STICKY", "BLOCKED"}) for one in found]

    def by_sdk(self, asking: list[dict[str, Any]]) -> list[Kept]:
        request = {
            "host": self.url,
            "clientKey": self.key,
            "feature": "hero",
            "documents": self.documents,
            "units": asking,
        }
        answer = run_node(self._node, self._script, request)
        self.documents = answer["documents"]
        return [(variant, kept) for variant, kept in answer["found"]]

    def both(self, asking: list[dict[str, Any]]) -> list[Kept]:
        found = self.by_service(asking)
        assert self.by_sdk(asking) == found
        return found


@pytest.fixture
def open_shop(
    start_service: StartService, node: Path, npm_install: Callable[[Path], Path]
) -> Callable[[str], Shop]:
    script = npm_install(SCRIPTS) / "stick.mjs"
    return lambda url: Shop(start_service(url), node, script)


def stored(url: str, unit_type: str, ids: list[str]) -> dict[str, Any]:
    database = Database(url)
    with database.read() as connection:
        found = kept_documents(connection, "production", unit_type, ids)
    database.dispose()
    return {one.key: one.to_document() for one in found}


def variants(found: list[Kept]) -> list[str | None]:
    return [variant for variant, _ in found]


def test_a_variant_is_kept_until_the_units_are_randomised_anew(
    open_shop: Callable[[str], Shop], database_url: str
):
    shop = open_shop(database_url)
    shop.open(sticky={})
    first = shop.both(units(IDS, "FR"))
    assert set(first) == {(arm["key"], False) for arm in ARMS}
    assert stored(database_url, "id", IDS) == shop.documents
    kept = [(variant, True) for variant, _ in first]
    assert shop.both(units(IDS, "FR")) == kept
    assert shop.both(units(IDS, "DE")) == kept
    assert set(shop.both(units(MORE, "DE"))) == {(None, False)}
    for one, (variant, _) in zip(units(IDS, "DE"), first, strict=True):
        flag = shop.admin.post(
            "/ofrep/v1/evaluate/flags/hero", json={"context": {"targetingKey": one["id"], **one}}
        ).json()
        assert (flag["variant"], flag["metadata"]["assignmentReason"]) == (variant, "STICKY")
        remote = shop.admin.post(f"/api/eval/{shop.key}", json={"attributes": one}).json()
        [track] = remote["features"]["hero"]["rules"][0]["tracks"]
        assert (track["result"]["key"], track["result"]["stickyBucketUsed"]) == (variant, True)
    shop.post("experiments/hero/rerandomise", {})
    anew = shop.both(units(IDS, "FR"))
    assert set(anew) == {(arm["key"], False) for arm in ARMS}
    assert variants(anew) != variants(first)
    shop.post("experiments/hero/rerandomise", {"block_earlier": True})
    # Who met a variant before may not enter again; the others may, and stick anew.
    assert set(shop.by_service(units(IDS, "FR"))) == {(None, True)}
    assert set(variants(shop.by_sdk(units(IDS, "FR")))) == {None}
    entered = shop.both(units(MORE, "FR"))
    assert set(entered) == {(arm["key"], False) for arm in ARMS}
    assert shop.both(units(MORE, "DE")) == [(variant, True) for variant, _ in entered]
    assert stored(database_url, "id", IDS + MORE) == shop.documents


def test_what_was_kept_in_a_dry_run_ends_with_it(
    open_shop: Callable[[str], Shop], new_sqlite: Callable[[], str]
):
    shop = open_shop(new_sqlite())
    shop.post("experiments", {"key": "shy", "variants": ARMS, "sticky": {}})
    shop.post("experiments/shy/start", {"dry_run": True})

    def given(ids: list[str]) -> list[str]:
        answers = [
            shop.post("assignments", {"unit_id": one, "experiments": ["shy"]}) for one in ids
        ]
        return [one["assignments"][0]["reason"] for one in answers]

    assert given(IDS) == ["SPLIT"] * len(IDS)
    assert given(IDS) == ["STICKY"] * len(IDS)
    shop.post("experiments/shy/start", {})
    assert given(IDS) == ["SPLIT"] * len(IDS)
    assert given(IDS) == ["STICKY"] * len(IDS)


def test_a_hold_back_goes_by_the_hash(
    open_shop: Callable[[str], Shop], new_sqlite: Callable[[], str]
):
    shop = open_shop(new_sqlite())
    shop.open(sticky={})
    # Beside one that still sticks, so that the service goes on reading what is kept.
    shop.post("experiments", {"key": "other", "variants": ARMS, "sticky": {}})
    shop.post("experiments/other/start", {})
    before = variants(shop.both(units(IDS, "FR")))
    shop.post("experiments/hero/ship", {"variant": "bold", "holdback": 0.1})
    after = variants(shop.both(units(IDS, "FR")))
    assert set(after) == {"plain", "bold"}
    assert after.count("plain") < before.count("plain")


def test_an_anonymous_visitor_keeps_the_variant_as_a_user(
    open_shop: Callable[[str], Shop], database_url: str
):
    shop = open_shop(database_url)
    shop.open(sticky={"fallback": "device"})
    devices = [f"device-{number}" for number in range(30)]
    anonymous = [{"device": one, "country": "FR"} for one in devices]
    met: list[str] = []
    for one in anonymous:
        remote = shop.admin.post(f"/api/eval/{shop.key}", json={"attributes": one}).json()
        [track] = remote["features"]["hero"]["rules"][0]["tracks"]
        assert track["result"]["hashAttribute"] == "device"
        met.append(track["result"]["key"])
    assert shop.by_sdk(anonymous) == [(variant, False) for variant in met]
    assert set(met) == {arm["key"] for arm in ARMS}
    known = [{**one, "id": IDS[number]} for number, one in enumerate(anonymous)]
    kept: list[Kept] = [(variant, True) for variant in met]
    assert shop.both(known) == kept
    elsewhere = [{**one, "device": "another", "country": "DE"} for one in known]
    assert shop.both(elsewhere) == kept
    expected = stored(database_url, "id", IDS) | stored(database_url, "device", devices)
    assert expected == shop.documents


@contextmanager
def taken(url: str) -> Iterator[None]:
    """Keep everybody from writing what sticks; on PostgreSQL from reading it as well."""
    database = Database(url)
    try:
        if database.engine.dialect.name == "sqlite":
            with database.write():
                yield
        else:
            with psycopg.connect(url) as connection:
                connection.execute("LOCK TABLE sticky_assignments IN ACCESS EXCLUSIVE MODE")
                yield
    finally:
        database.dispose()


def test_without_the_store_the_hash_answers_and_says_so(
    open_shop: Callable[[str], Shop], database_url: str
):
    shop = open_shop(database_url)
    shop.open(sticky={})
    plain = {"key": "loose", "variants": ARMS, "audience": {"country": "FR"}}
    shop.post("experiments", plain)
    shop.post("experiments/loose/start", {})
    before = shop.assignment({"id": "user-0", "country": "FR"})
    assert "sticky" not in before
    new = {"unit_id": "user-1", "attributes": {"country": "FR"}}
    with taken(database_url):
        both = {one["experiment"]: one for one in shop.post("assignments", new)["assignments"]}
        flag = shop.admin.post(
            "/ofrep/v1/evaluate/flags/hero",
            json={"context": {"targetingKey": "user-1", "country": "FR"}},
        )
    assert (both["hero"]["reason"], both["hero"]["sticky"]) == ("SPLIT", "unavailable")
    assert "sticky" not in both["loose"]
    assert flag.json()["variant"] == both["hero"]["variant"]
    assert stored(database_url, "id", ["user-1"]) == {}
    again = shop.assignment({"id": "user-1", "country": "FR"})
    assert "sticky" not in again
    assert (again["variant"], again["reason"]) == (both["hero"]["variant"], "SPLIT")
    assert shop.assignment({"id": "user-1", "country": "DE"})["reason"] == "STICKY"
