"""The page on features can be followed, and then holds what it says."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Service

PAGE = Path(__file__).parent.parent.parent / "docs" / "features.md"
# Each command that is answered with an error ends the script.
FOLLOW = 'set -euo pipefail\ncurl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def test_its_commands_work(service: Service, admin: httpx.Client):
    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    assert "URL=http://127.0.0.1:8000;" in script
    key = admin.headers["Authorization"].removeprefix("Bearer ")
    done = subprocess.run(
        ["bash", "-c", FOLLOW + script.replace("http://127.0.0.1:8000", service.url)],
        env={"PATH": os.environ["PATH"], "KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    running = admin.get("/api/v1/experiments", params={"status": "running"}).json()["experiments"]
    assert {one["key"] for one in running} == {
        "summer", "autumn", "one-page", "trust-badge", "2031-first-half",
    }  # fmt: skip
    features = admin.get("/api/v1/features").json()["features"]
    assert {one["key"] for one in features} == {"banner", "new-cart", "gift-wrap"}
    assert admin.get("/api/v1/segments/testers").json()["revision"] == 2
    for verb in ("cart-upsell/start", "express/start"):
        assert admin.post(f"/api/v1/experiments/{verb}").status_code == 200
    units = [_assigned(admin, f"user-{number}") for number in range(300)]
    _check_layer(units)
    _check_holdout(units)
    _check_segments(units)
    _check_banner(admin)


def _assigned(admin: httpx.Client, unit: str) -> dict[str, dict[str, Any]]:
    asked = {"unit_id": unit, "attributes": {"country": "AT" if unit < "user-2" else "FR"}}
    found = admin.post("/api/v1/assignments", json=asked).json()["assignments"]
    return {one["experiment"]: one for one in found}


def _check_layer(units: list[dict[str, dict[str, Any]]]) -> None:
    shares = [[unit[key]["in_experiment"] for key in ("one-page", "trust-badge")] for unit in units]
    assert [True, True] not in shares
    assert all(any(share[index] for share in shares) for index in (0, 1))
    for unit in units:
        if unit["one-page"]["in_experiment"]:
            assert unit["trust-badge"]["reason"] == "LAYER_EXCLUDED"


def _check_holdout(units: list[dict[str, dict[str, Any]]]) -> None:
    """It was started after all but two, which alone it keeps its units out of."""
    held = [unit for unit in units if unit["2031-first-half"]["variant"] == "held_out"]
    assert held
    for unit in held:
        assert unit["cart-upsell"]["reason"] == "HOLDOUT"
        assert unit["express"]["reason"] == "HOLDOUT"
        assert unit["summer"]["reason"] != "HOLDOUT"
    others = {unit["cart-upsell"]["reason"] for unit in units if unit not in held}
    assert others == {"SPLIT", "PREREQUISITE_UNMET"}


def _check_segments(units: list[dict[str, dict[str, Any]]]) -> None:
    reasons = {f"user-{number}": unit["express"]["reason"] for number, unit in enumerate(units)}
    assert reasons["user-1"] == "TARGETING_MISMATCH"
    french = {reason for unit, reason in reasons.items() if unit >= "user-2"}
    assert french == {"TARGETING_MISMATCH", "HOLDOUT"}
    assert "SPLIT" in reasons.values()


def _check_banner(admin: httpx.Client) -> None:
    context = {"targetingKey": "user-42", "country": "FR", "team": "shop"}
    flag = admin.post("/ofrep/v1/evaluate/flags/banner", json={"context": context}).json()
    assert (flag["value"], flag["variant"]) == ({"text": "Preview"}, "staff")
    asked = {"unit_id": "user-42", "attributes": {"country": "FR", "team": "shop"}}
    found = admin.post("/api/v1/assignments", json=asked).json()["assignments"]
    reasons = {one["experiment"]: one["reason"] for one in found}
    assert (reasons["autumn"], reasons["summer"]) == ("FEATURE_TAKEN", "FEATURE_TAKEN")
    asked["attributes"] = {"country": "FR"}
    found = admin.post("/api/v1/assignments", json=asked).json()["assignments"]
    reasons = {one["experiment"]: one["reason"] for one in found}
    assert (reasons["autumn"], reasons["summer"]) == ("SPLIT", "FEATURE_TAKEN")
