"""Planning over HTTP and in the terminal: the same answers, refusals that say what to do."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.conftest import Service

POWER = "/api/v1/power"
RATE = {"kind": "conversion", "baseline": 0.1, "lift": 0.1, "basis": "fixed"}


def test_units_and_days_of_a_rate(admin: httpx.Client) -> None:
    response = admin.post(POWER, json={**RATE, "units_per_day": 4_000})
    assert response.status_code == 200
    answer = response.json()
    assert (answer["solved"], answer["units"], answer["days"]) == ("units", 29_498, 8)
    assert answer["units_per_variant"] == [14_749, 14_749]
    assert answer["inputs"]["power"] == 0.8


def test_a_server_key_may_ask_and_a_client_key_may_not(service: Service) -> None:
    with service.client("server") as server, service.client("client") as client:
        assert server.post(POWER, json=RATE).status_code == 200
        assert client.post(POWER, json=RATE).json()["code"] == "KIND_FORBIDDEN"


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"baseline": "0.1"}, "VALIDATION_FAILED", "baseline"),
        ({"lifts": 0.1}, "VALIDATION_FAILED", "lifts"),
        ({"basis": "bayesian"}, "VALIDATION_FAILED", "basis"),
        ({"shares": [0.5]}, "VALIDATION_FAILED", "shares"),
        ({"units": 1000, "power": 0.8}, "LEAVE_ONE_OUT", ""),
        ({"baseline": 1.5}, "BASELINE_INVALID", "baseline"),
    ],
)
def test_refusals_name_the_field(
    admin: httpx.Client, change: dict[str, object], code: str, path: str
) -> None:
    response = admin.post(POWER, json=RATE | change)
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == code
    assert path in {one["path"] for one in problem["errors"]}


def test_the_command_gives_the_same_answer(service: Service, admin: httpx.Client) -> None:
    options = ("--baseline", "0.1", "--lift", "0.1", "--shares", "0.6,0.4")
    printed = json.loads(service.evenhand("power", *options, "--json"))
    body = {"kind": "conversion", "baseline": 0.1, "lift": 0.1, "shares": [0.6, 0.4]}
    assert admin.post(POWER, json=body).json() == printed
    table = service.evenhand("power", *options, "--per-day", "1000")
    assert f"{printed['units']:,}" in table
    assert "← solved" in table.splitlines()[0]
    assert "confidence sequence, two-sided, alpha 0.05" in table
