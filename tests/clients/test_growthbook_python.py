"""growthbook for Python and its tracking plugin, unchanged, against the running service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from growthbook import GrowthBook
from growthbook.growthbook import feature_repo
from growthbook.plugins import growthbook_tracking_plugin

from tests.clients.growthbook_shop import (
    ARMS,
    Shop,
    check_holdout,
    check_report,
    open_layered_shop,
    open_shop,
    purchases,
    unit,
)
from tests.conftest import Service

MakeVisitor = Callable[..., GrowthBook]


@pytest.fixture
def visitor() -> Iterator[MakeVisitor]:
    """Make an SDK for one unit, with its tracking plugin."""
    made: list[GrowthBook] = []
    before = set(threading.enumerate())

    def make(shop: Shop, attributes: dict, **options: object) -> GrowthBook:
        plugin = growthbook_tracking_plugin(ingestor_host=shop.url, batch_size=2)
        sdk = GrowthBook(
            attributes=attributes,
            api_host=shop.url,
            client_key=shop.key,
            plugins=[plugin],
            **options,
        )
        made.append(sdk)
        sdk.load_features()
        return sdk

    yield make
    for sdk in made:
        sdk.destroy(timeout=2)
    wait_for_others(before)
    feature_repo.clear_cache()
    if feature_repo.http is not None:
        feature_repo.http.clear()


def wait_for_others(before: set[threading.Thread]) -> None:
    """Wait for the threads that post batches: nothing of the SDK does."""
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
        assert not thread.is_alive(), thread


def test_the_sdk_alone_assigns_exposes_and_converts(
    service: Service, admin: httpx.Client, environment: str, visitor: MakeVisitor
):
    shop = open_shop(service, admin, environment)
    check_report(shop, sell(shop, visitor))


def test_the_sdk_alone_keeps_to_layers_and_holdouts(
    service: Service, admin: httpx.Client, environment: str, visitor: MakeVisitor
):
    shop = open_layered_shop(service, admin, environment)
    met = sell(shop, visitor)
    check_report(shop, met)
    check_holdout(shop, met)


def sell(shop: Shop, visitor: MakeVisitor) -> list[str | None]:
    """What each unit met while the SDK showed it around and sold."""
    before = set(threading.enumerate())
    met: list[str | None] = []
    for number in range(200):
        sdk = visitor(shop, unit(number))
        result = sdk.eval_feature("hero").experimentResult
        variant = result.key if result and result.inExperiment else None
        met.append(variant)
        for value in purchases(number)[variant] if variant else ():
            sdk.log_event("buy", {"value": value})
        sdk.destroy()
    wait_for_others(before)
    assert {arm["key"] for arm in ARMS} | {None} == set(met)
    return met


def test_remote_evaluation_agrees_and_exposes(
    service: Service, admin: httpx.Client, environment: str, visitor: MakeVisitor
):
    shop = open_shop(service, admin, environment)
    before = set(threading.enumerate())
    value_of = {None: ARMS[0]["value"], **{arm["key"]: arm["value"] for arm in ARMS}}
    assigned: list[str | None] = []
    for number in range(60):
        sdk = visitor(shop, unit(number), remote_eval=True)
        assigned.append(shop.assigned(unit(number)))
        assert sdk.get_feature_value("hero", "fallback") == value_of[assigned[-1]]
        sdk.destroy()
    wait_for_others(before)
    assert shop.report()["units"] == {arm["key"]: assigned.count(arm["key"]) for arm in ARMS}


def test_a_streaming_sdk_sees_a_change_within_two_seconds(
    service: Service, admin: httpx.Client, environment: str, visitor: MakeVisitor
):
    shop = open_shop(service, admin, environment, audience={}, traffic=1.0)
    sdk = visitor(shop, {"id": "u1"}, streaming=True)
    first = sdk.get_feature_value("hero", "fallback")
    assert first in {arm["value"] for arm in ARMS}
    other = next(arm for arm in ARMS if arm["value"] != first)
    shop.ship(other["key"])
    end = time.monotonic() + 2
    while sdk.get_feature_value("hero", "fallback") != other["value"]:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_second_look_costs_no_payload(
    service: Service,
    admin: httpx.Client,
    environment: str,
    visitor: MakeVisitor,
    monkeypatch: pytest.MonkeyPatch,
):
    shop = open_shop(service, admin, environment)
    get, statuses = feature_repo._get, []

    def watched(*arguments: Any) -> Any:
        answer = get(*arguments)
        statuses.append(answer.status)
        return answer

    monkeypatch.setattr(feature_repo, "_get", watched)
    sdk = visitor(shop, {"id": "u1"})
    feature_repo.cache.clear()  # the features, not the ETag
    sdk.load_features()
    assert statuses == [200, 304]
    assert sdk.get_features().keys() == {"hero"}
