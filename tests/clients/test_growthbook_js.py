"""@growthbook/growthbook and its tracking plugin, unchanged, against the running service."""

from __future__ import annotations

import queue
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from tests.clients.growthbook_shop import (
    ARMS,
    SCRIPTS,
    Shop,
    check_holdout,
    check_report,
    open_layered_shop,
    open_shop,
    purchases,
    run_node,
    unit,
)
from tests.conftest import Service


@pytest.fixture(scope="session")
def scripts(npm_install) -> Path:
    return npm_install(SCRIPTS)


def test_the_sdk_alone_assigns_exposes_and_converts(
    service: Service, admin: httpx.Client, environment: str, node: Path, scripts: Path
):
    shop = open_shop(service, admin, environment)
    check_report(shop, sell(shop, node, scripts))


def test_the_sdk_alone_keeps_to_layers_and_holdouts(
    service: Service, admin: httpx.Client, environment: str, node: Path, scripts: Path
):
    shop = open_layered_shop(service, admin, environment)
    met = sell(shop, node, scripts)
    check_report(shop, met)
    check_holdout(shop, met)


def sell(shop: Shop, node: Path, scripts: Path) -> list[str | None]:
    """What each unit met while the SDK showed it around and sold."""
    units = [{"attributes": unit(n), "purchases": purchases(n)} for n in range(600)]
    request = {"host": shop.url, "clientKey": shop.key, "feature": "hero", "units": units}
    met: list[str | None] = run_node(node, scripts / "sell.mjs", request)
    assert {arm["key"] for arm in ARMS} | {None} == set(met)
    return met


def test_remote_evaluation_agrees_and_exposes(
    service: Service, admin: httpx.Client, environment: str, node: Path, scripts: Path
):
    shop = open_shop(service, admin, environment)
    units = [unit(number) for number in range(60)]
    request = {"host": shop.url, "clientKey": shop.key, "feature": "hero", "units": units}
    values = run_node(node, scripts / "remote.mjs", request)
    assigned = [shop.assigned(one) for one in units]
    value_of = {None: ARMS[0]["value"], **{arm["key"]: arm["value"] for arm in ARMS}}
    assert values == [value_of[variant] for variant in assigned]
    counts = {arm["key"]: assigned.count(arm["key"]) for arm in ARMS}
    assert shop.report()["units"] == counts


def test_a_streaming_page_sees_a_change_within_two_seconds(
    service: Service, admin: httpx.Client, environment: str, node: Path, scripts: Path
):
    shop = open_shop(service, admin, environment, audience={}, traffic=1.0)
    (first,) = [arm["value"] for arm in ARMS if arm["key"] == shop.assigned({"id": "u1"})]
    other = next(arm for arm in ARMS if arm["value"] != first)
    command = [node, "--experimental-eventsource", scripts / "watch.mjs"]
    lines: queue.Queue[str] = queue.Queue()
    with subprocess.Popen(
        [*command, shop.url, shop.key, "hero", "u1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as page:
        assert page.stdin is not None
        assert page.stdout is not None
        reader = threading.Thread(target=lambda: [lines.put(line) for line in page.stdout or ()])
        reader.start()
        assert lines.get(timeout=20).strip() == first
        shop.ship(other["key"])
        assert lines.get(timeout=2).strip() == other["value"]
        page.stdin.close()
        reader.join()
    assert page.returncode == 0
