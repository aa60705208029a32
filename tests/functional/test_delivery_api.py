"""How an experiment reaches its units, as it is sent and answered over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.functional.definitions import ARMS, BANNER, experiment, made, move, post, refused

URL = "/api/v1/experiments/test"
DELIVERY = {
    "layer": {"key": "page", "size": 0.25},
    "sticky": {"bucket_version": 1, "min_bucket_version": 1, "fallback": "device"},
    "prerequisites": [{"feature": "banner", "condition": {"value": True}}],
    "overrides": {"on": ["ann"], "off": ["bob"]},
    "schedule": {
        "start_at": "2031-01-31T09:30:00Z",
        "stop_at": None,
        "ramp": [{"traffic": 0.1, "hours": 24}, {"traffic": 1.0, "hours": 0}],
        "roll_back": True,
    },
}
NOTHING = {
    "layer": None,
    "sticky": None,
    "prerequisites": [],
    "overrides": {},
    "schedule": {"start_at": None, "stop_at": None, "ramp": [], "roll_back": False},
    "holdout": None,
}


@pytest.fixture(autouse=True)
def named(admin: httpx.Client) -> None:
    made(admin, "layers", key="page")
    made(admin, "features", **BANNER)


def test_it_comes_back_as_it_was_sent(admin: httpx.Client):
    created = experiment(admin, **DELIVERY)
    assert {name: created[name] for name in DELIVERY} == DELIVERY
    assert created["holdout"] is None
    renamed = admin.patch(URL, json={"name": "T"}).json()
    assert {name: renamed[name] for name in DELIVERY} == DELIVERY
    plain = admin.patch(URL, json={name: NOTHING[name] for name in DELIVERY}).json()
    assert {name: plain[name] for name in NOTHING} == NOTHING


def test_left_out_it_is_plain(admin: httpx.Client):
    created = experiment(admin)
    assert {name: created[name] for name in NOTHING} == NOTHING


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"holdout": {}}, "HOLDOUT_FIXED"),
        ({"holdout": True}, "VALIDATION_FAILED"),
        ({"layer": {"key": "page"}}, "VALIDATION_FAILED"),
        ({"layer": {"key": "nowhere", "size": 0.1}}, "LAYER_UNKNOWN"),
        ({"overrides": {"on": [str(number) for number in range(1_001)]}}, "VALIDATION_FAILED"),
        ({"overrides": {"on": ["a\x00"]}}, "VALIDATION_FAILED"),
        ({"overrides": {"green": ["ann"]}}, "VARIANT_UNKNOWN"),
        ({"overrides": {"on": ["ann"], "off": ["ann"]}}, "OVERRIDE_TWICE"),
        ({"sticky": {"bucket_version": -1}}, "VALIDATION_FAILED"),
        ({"sticky": {"min_bucket_version": 1}}, "BUCKET_VERSION_INVALID"),
        ({"sticky": {"fallback": "id"}}, "FALLBACK_INVALID"),
        ({"schedule": {"start_at": "2031-01-31T09:30:00"}}, "VALIDATION_FAILED"),
        ({"schedule": {"start_at": "2031-01-31T09:30:00Z", "stop_at": "2031-01-31T09:30:00Z"}},
         "SCHEDULE_INVALID"),
        ({"schedule": {"ramp": [{"traffic": 0.5, "hours": 1}, {"traffic": 0.5, "hours": 1}]}},
         "RAMP_INVALID"),
        ({"prerequisites": [{"feature": "nothing", "condition": {}}]}, "PREREQUISITE_UNKNOWN"),
        ({"prerequisites": [{"feature": "banner"}]}, "VALIDATION_FAILED"),
        ({"audience": {"$savedGroup": {"id": "nobody"}}}, "GROUP_UNKNOWN"),
        ({"audience": {"$savedGroup": "nobody"}}, "CONDITION_INVALID"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(admin: httpx.Client, changes: dict[str, Any], code: str):
    experiment(admin)
    assert refused(admin.patch(URL, json=changes)) == (422, code)
    new = post(admin, "experiments", **{"key": "new", "variants": ARMS, **changes})
    assert refused(new) == (422, code)


def test_what_would_drop_units_is_fixed_at_the_start(admin: httpx.Client):
    experiment(admin, **{**DELIVERY, "schedule": {}})
    move(admin, "test", "start")
    for name in ("layer", "sticky", "prerequisites"):
        changed = admin.patch(URL, json={name: NOTHING[name]})
        assert refused(changed) == (409, "LOCKED_AFTER_START"), name
    for name in ("overrides", "schedule"):
        assert admin.patch(URL, json={name: NOTHING[name]}).status_code == 200, name
