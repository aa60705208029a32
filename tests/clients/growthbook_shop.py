"""An experiment for the GrowthBook SDKs to run, and what its report must then say."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Service

SCRIPTS = Path(__file__).parent / "growthbook"
ARMS = [
    {"key": "plain", "weight": 0.2, "value": "🙂"},
    {"key": "bold", "weight": 0.5, "value": "日本"},
    {"key": "loud", "weight": 0.3, "value": "!"},
]
TRAFFIC = 0.7
AUDIENCE = {"country": {"$in": ["FR", "DE"]}, "app": {"$vgte": "2.10.0"}}


@dataclass(frozen=True, slots=True)
class Shop:
    """An environment with the running experiment `hero` and a client key."""

    url: str
    admin: httpx.Client
    key: str

    def assigned(self, attributes: dict[str, Any]) -> str | None:
        """The variant that our own API gives."""
        body = {"unit_id": attributes["id"], "attributes": attributes, "experiments": ["hero"]}
        answer = self.admin.post("/api/v1/assignments", json=body).json()
        variant: str | None = answer["assignments"][0]["variant"]
        return variant

    def secrets(self) -> dict[str, Any]:
        """What the app is given beside the key: `decryption_key` and `salt`."""
        answer = self.admin.get(f"/api/v1/keys/{self.key.split('_')[3]}")
        assert answer.status_code == 200, answer.text
        secrets: dict[str, Any] = answer.json()
        return secrets

    def ship(self, variant: str) -> None:
        shipped = self.admin.post("/api/v1/experiments/hero/ship", json={"variant": variant})
        assert shipped.status_code == 200, shipped.text

    def report(self) -> dict[str, Any]:
        answer = self.admin.get("/api/v1/experiments/hero/results")
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report


def open_shop(
    service: Service,
    admin: httpx.Client,
    environment: str,
    *,
    payload: str = "plain",
    secure_attributes: tuple[str, ...] = (),
    **fields: Any,
) -> Shop:
    admin.post("/api/v1/metrics", json={"key": "buys", "kind": "conversion", "event": "buy"})
    admin.post("/api/v1/metrics", json={"key": "spent", "kind": "sum", "event": "buy"})
    experiment = {
        "key": "hero",
        "variants": ARMS,
        "traffic": TRAFFIC,
        "audience": AUDIENCE,
        "metrics": [{"metric": "buys", "role": "goal"}, {"metric": "spent", "role": "secondary"}],
        **fields,
    }
    created = admin.post("/api/v1/experiments", json=experiment)
    assert created.status_code == 201, created.text
    assert admin.post("/api/v1/experiments/hero/start").status_code == 200
    key = service.key("client", environment, payload=payload, secure_attributes=secure_attributes)
    time.sleep(1.0)  # until every worker has seen both
    return Shop(service.url, admin, key)


def unit(number: int) -> dict[str, Any]:
    """The attributes of one of many units: two in three are in the audience."""
    names = ("user-{}", "日本{}", "😀{}", "{}", "ünï-{}")
    return {
        "id": names[number % 5].format(number),
        "country": ("FR", "DE", "CH")[number % 3],
        "app": ("2.9.3", "2.10.0", "3.0")[number % 7 % 3],
    }


def purchases(number: int) -> dict[str, list[float]]:
    """What a unit buys in each variant: bolder ones sell to more units, for more."""
    return {
        "plain": [10.0] if number % 4 == 0 else [],
        "bold": [12.5, 1.0] if number % 2 == 0 else [],
        "loud": [float(number % 10)] if number % 3 else [],
    }


def run_node(node: Path, script: Path, request: dict[str, Any]) -> Any:
    done = subprocess.run(
        [node, script], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def check_report(shop: Shop, met: list[str | None]) -> None:
    """The report holds what the SDK did: who met what, who bought, for how much."""
    bought: dict[str, list[list[float]]] = {arm["key"]: [] for arm in ARMS}
    for number, variant in enumerate(met):
        if variant is not None:
            bought[variant].append(purchases(number)[variant])
    report = shop.report()
    assert report["units"] == {variant: len(units) for variant, units in bought.items()}
    assert report["crossovers"] == 0
    assert report["health"]["excluded_exposures"] == {}
    assert report["health"]["hash_disagreement"]["units"] == 0
    assert report["health"]["rejected_events"] == 0
    conversions = {one: [float(bool(each)) for each in all_] for one, all_ in bought.items()}
    sums = {one: [sum(each) for each in all_] for one, all_ in bought.items()}
    for metric, expected in (("buys", conversions), ("spent", sums)):
        (found,) = [one for one in report["metrics"] if one["metric"] == metric]
        for variant in found["variants"]:
            values = expected[variant["variant"]]
            assert variant["n"] == len(values)
            assert variant["mean"] == pytest.approx(sum(values) / len(values))
