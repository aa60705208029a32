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
METRICS = [{"metric": "buys", "role": "goal"}, {"metric": "spent", "role": "secondary"}]
AUDIENCE = {"country": {"$in": ["FR", "DE"]}, "app": {"$vgte": "2.10.0"}}


@dataclass(frozen=True, slots=True)
class Shop:
    """An environment with the running experiment `hero` and a client key."""

    url: str
    admin: httpx.Client
    key: str

    def assigned(self, attributes: dict[str, Any], experiment: str = "hero") -> str | None:
        """The variant that our own API gives."""
        body = {"unit_id": attributes["id"], "attributes": attributes, "experiments": [experiment]}
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

    def report(self, experiment: str = "hero") -> dict[str, Any]:
        answer = self.admin.get(f"/api/v1/experiments/{experiment}/results")
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
        "metrics": METRICS,
        **fields,
    }
    created = admin.post("/api/v1/experiments", json=experiment)
    assert created.status_code == 201, created.text
    assert admin.post("/api/v1/experiments/hero/start").status_code == 200
    key = service.key("client", environment, payload=payload, secure_attributes=secure_attributes)
    time.sleep(1.0)  # until every worker has seen both
    return Shop(service.url, admin, key)


def open_layered_shop(service: Service, admin: httpx.Client, environment: str) -> Shop:
    """The experiment has a part of a layer, and a holdout keeps units out of all of the layer."""
    admin.post("/api/v1/metrics", json={"key": "buys", "kind": "conversion", "event": "buy"})
    admin.post("/api/v1/metrics", json={"key": "spent", "kind": "sum", "event": "buy"})
    holdout = {"key": "quiet", "size": 0.2, "layer": "page", "metrics": METRICS}
    for path, document in (
        ("layers", {"key": "page"}),
        ("holdouts", holdout),
        ("experiments/quiet/start", {}),
    ):
        answer = admin.post(f"/api/v1/{path}", json=document)
        assert answer.is_success, answer.text
    return open_shop(service, admin, environment, layer={"key": "page", "size": 0.8})


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
    check_numbers(shop.report(), bought)


def check_holdout(shop: Shop, met: list[str | None]) -> None:
    """The holdout's report has all units that asked, and what they bought in the experiment."""
    bought: dict[str, list[list[float]]] = {"held_out": [], "open": []}
    for number, variant in enumerate(met):
        arm = shop.assigned(unit(number), "quiet")
        assert arm is not None
        assert arm == "open" or variant is None
        bought[arm].append(purchases(number)[variant] if variant else [])
    assert all(bought.values())
    check_numbers(shop.report("quiet"), bought)


def check_numbers(report: dict[str, Any], bought: dict[str, list[list[float]]]) -> None:
    assert report["units"] == {variant: len(units) for variant, units in bought.items()}
    assert report["crossovers"] == 0
    assert report["health"]["srm"]["flagged"] is False
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
