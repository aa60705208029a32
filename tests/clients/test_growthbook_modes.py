"""Keys whose payload is encrypted, hashed or refused: the SDKs still say what our own API says."""

from __future__ import annotations

import hashlib
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from growthbook import GrowthBook
from growthbook.growthbook import feature_repo

from tests.clients.growthbook_shop import ARMS, SCRIPTS, Shop, open_shop, run_node, unit
from tests.conftest import Service

UNITS = [
    {**unit(number), "email": f"user{number % 9}@shop.example", "tags": [f"t{number % 4}", "all"]}
    for number in range(300)
]
SECURE = ("email", "tags")
SECURE_AUDIENCE = {
    "$or": [
        {"email": {"$in": ["user1@shop.example", "user2@shop.example"]}},
        {"email": "user3@shop.example"},
        {"tags": {"$elemMatch": {"$eq": "t1"}}, "email": {"$nin": ["user4@shop.example"]}},
    ],
    "email": {"$ne": "user5@shop.example"},
    "$not": {"tags": {"$in": ["t3"]}},
    "country": {"$in": ["FR", "DE"]},
}


@pytest.fixture(scope="session")
def scripts(npm_install: Any) -> Path:
    return npm_install(SCRIPTS)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """The Python SDK keeps payloads for all of a process."""
    yield
    feature_repo.clear_cache()
    if feature_repo.http is not None:
        feature_repo.http.clear()


def hashed(attributes: dict[str, Any], salt: str) -> dict[str, Any]:
    """The attributes as an app gives them to its SDK."""

    def sha256(value: str) -> str:
        return hashlib.sha256((salt + value).encode()).hexdigest()

    email, tags = attributes["email"], attributes["tags"]
    return {**attributes, "email": sha256(email), "tags": [sha256(tag) for tag in tags]}


def by_python(shop: Shop, units: list[dict[str, Any]], decryption_key: str) -> list[str | None]:
    sdk = GrowthBook(api_host=shop.url, client_key=shop.key, decryption_key=decryption_key)
    sdk.load_features()
    found: list[str | None] = []
    for attributes in units:
        sdk.set_attributes({**attributes})  # `destroy` empties them
        result = sdk.eval_feature("hero").experimentResult
        found.append(result.key if result and result.inExperiment else None)
    sdk.destroy()
    return found


@pytest.mark.parametrize("payload", ["plain", "encrypted"])
@pytest.mark.parametrize("secure", [(), SECURE], ids=["raw", "hashed"])
def test_both_sdks_assign_as_we_do(
    service: Service,
    admin: httpx.Client,
    environment: str,
    node: Path,
    scripts: Path,
    payload: str,
    secure: tuple[str, ...],
):
    shop = open_shop(
        service,
        admin,
        environment,
        payload=payload,
        secure_attributes=secure,
        audience=SECURE_AUDIENCE,
    )
    secrets = shop.secrets()
    ours = [shop.assigned(one) for one in UNITS]
    assert {None, *(arm["key"] for arm in ARMS)} == set(ours)
    units = [hashed(one, secrets["salt"]) for one in UNITS] if secure else UNITS
    assert by_python(shop, units, secrets["decryption_key"] or "") == ours
    request = {
        "host": shop.url,
        "clientKey": shop.key,
        "decryptionKey": secrets["decryption_key"] or "",
        "features": ["hero"],
        "units": units,
    }
    found = run_node(node, scripts / "assign.mjs", request)["hero"]
    assert [variant for _value, _rule, variant in found] == ours


def test_an_encrypted_stream_tells_what_changes(
    service: Service, admin: httpx.Client, environment: str, node: Path, scripts: Path
):
    shop = open_shop(service, admin, environment, payload="encrypted", audience={}, traffic=1.0)
    (first,) = [arm["value"] for arm in ARMS if arm["key"] == shop.assigned({"id": "u1"})]
    other = next(arm for arm in ARMS if arm["value"] != first)
    command = [node, "--experimental-eventsource", scripts / "watch.mjs", shop.url, shop.key]
    page = subprocess.Popen(
        [*command, "hero", "u1", shop.secrets()["decryption_key"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in page.stdout or ()])
    reader.start()
    try:
        assert lines.get(timeout=30).strip() == first
        shop.ship(other["key"])
        assert lines.get(timeout=30).strip() == other["value"]
    finally:
        page.kill()
        reader.join()
        with page:
            pass  # closes what was open to it


def test_a_remote_key_serves_remote_evaluation_in_both_sdks(
    service: Service, admin: httpx.Client, environment: str, node: Path, scripts: Path
):
    shop = open_shop(service, admin, environment, payload="remote")
    units = [unit(number) for number in range(30)]
    value_of = {None: ARMS[0]["value"], **{arm["key"]: arm["value"] for arm in ARMS}}
    ours = [value_of[shop.assigned(one)] for one in units]
    request = {"host": shop.url, "clientKey": shop.key, "feature": "hero", "units": units}
    assert run_node(node, scripts / "remote.mjs", request) == ours
    seen: list[str] = []
    for attributes in units:
        sdk = GrowthBook(
            attributes=attributes, api_host=shop.url, client_key=shop.key, remote_eval=True
        )
        sdk.load_features()
        seen.append(sdk.get_feature_value("hero", "fallback"))
        sdk.destroy()
    assert seen == ours
