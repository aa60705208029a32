"""Ten thousand units: our own API, the Python SDK and the JavaScript SDK agree on every one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from growthbook import GrowthBook

from tests.clients.growthbook_shop import ARMS, SCRIPTS, Shop, open_shop, run_node, unit
from tests.conftest import Service

UNITS = [unit(number) for number in range(10_000)]


def by_python(payload: dict[str, Any]) -> list[str | None]:
    sdk = GrowthBook(features=payload["features"])
    found: list[str | None] = []
    for attributes in UNITS:
        sdk.set_attributes(attributes)
        result = sdk.eval_feature("hero").experimentResult
        found.append(result.key if result and result.inExperiment else None)
    sdk.destroy()
    return found


async def by_http(shop: Shop) -> list[str | None]:
    waiting = iter(enumerate(UNITS))
    found: dict[int, str | None] = {}

    async def ask(client: httpx.AsyncClient) -> None:
        for number, attributes in waiting:
            body = {"unit_id": attributes["id"], "attributes": attributes, "experiments": ["hero"]}
            answer = (await client.post("/api/v1/assignments", json=body)).json()
            found[number] = answer["assignments"][0]["variant"]

    headers = shop.admin.headers
    async with httpx.AsyncClient(base_url=shop.url, headers=headers, timeout=60) as client:
        await asyncio.gather(*(ask(client) for _ in range(8)))
    return [found[number] for number in range(len(UNITS))]


def test_everybody_agrees(
    service: Service,
    admin: httpx.Client,
    environment: str,
    node: Path,
    npm_install: Any,
):
    shop = open_shop(service, admin, environment)
    payload = httpx.get(f"{shop.url}/api/features/{shop.key}").json()
    ours = asyncio.run(by_http(shop))
    request = {"host": shop.url, "clientKey": shop.key, "feature": "hero", "units": UNITS}
    script = npm_install(SCRIPTS) / "assign.mjs"
    assert by_python(payload) == ours
    assert run_node(node, script, request) == ours
    assert set(ours) == {None, *(arm["key"] for arm in ARMS)}
