"""Segments over HTTP: what they may be, who goes by them, what keeps them from changing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.functional.definitions import (
    BANNER,
    EUROPE,
    IN_EUROPE,
    experiment,
    made,
    move,
    places,
    post,
    refused,
)

URL = "/api/v1/segments/europe"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({}, "SEGMENT_AMBIGUOUS"),
        ({"condition": {}, "attribute": "id"}, "SEGMENT_AMBIGUOUS"),
        ({"condition": {}, "values": ["ann"]}, "SEGMENT_AMBIGUOUS"),
        ({"condition": {"$where": 1}}, "OPERATOR_UNKNOWN"),
        ({"condition": {"$savedGroup": {"id": "nobody"}}}, "GROUP_UNKNOWN"),
        ({"condition": [1]}, "VALIDATION_FAILED"),
        ({"attribute": "id", "values": "ann"}, "VALIDATION_FAILED"),
        ({"attribute": "id", "values": [str(n) for n in range(20_001)]}, "VALIDATION_FAILED"),
        ({"key": "/", "condition": {}}, "VALIDATION_FAILED"),
    ],
)
def test_what_is_wrong_is_named(admin: httpx.Client, document: dict[str, Any], code: str):
    assert refused(post(admin, "segments", **{"key": "s", **document})) == (422, code)


def test_units_are_assigned_by_segment(admin: httpx.Client):
    made(admin, "segments", **EUROPE)
    made(admin, "segments", key="staff", attribute="id", values=["ann"])
    experiment(admin, audience={**IN_EUROPE, "id": {"$notInGroup": "staff"}})
    move(admin, "test", "start")

    def reason(unit: str, country: str) -> str:
        asked = {"unit_id": unit, "attributes": {"country": country}, "experiments": ["test"]}
        answer = admin.post("/api/v1/assignments", json=asked)
        told: str = answer.json()["assignments"][0]["reason"]
        return told

    assert reason("bob", "CH") == "SPLIT"
    assert reason("bob", "US") == "TARGETING_MISMATCH"
    assert reason("ann", "CH") == "TARGETING_MISMATCH"
    exposures = [
        {"type": "exposure", "experiment": "test", "variant": variant, "unit_id": "bob"}
        for variant in ("off", "on")
    ]
    verdicts = admin.post("/api/v1/events", json={"events": exposures}).json()["results"]
    assert {one["status"] for one in verdicts} == {"stored"}


def test_a_segment_is_fixed_while_an_audience_goes_by_it(admin: httpx.Client):
    made(admin, "segments", **EUROPE)
    made(admin, "segments", key="young", condition={"age": {"$lt": 30}, **IN_EUROPE})
    experiment(admin, audience={"$savedGroup": {"id": "young"}})
    wider = {"condition": {"country": {"$in": ["CH", "FR", "DE"]}}}
    assert admin.patch(URL, json=wider).status_code == 200
    move(admin, "test", "start")
    changed = admin.patch(URL, json=EUROPE)
    assert refused(changed) == (409, "SEGMENT_IN_USE")
    assert "the audience of test" in changed.json()["detail"]
    assert admin.patch(URL, json={"name": "Europe"}).status_code == 200
    assert refused(admin.delete(URL)) == (409, "SEGMENT_IN_USE")
    move(admin, "test", "stop", "archive")
    assert admin.patch(URL, json={"condition": {"country": "CH"}}).status_code == 200


def test_a_segment_is_not_deleted_while_anybody_names_it(admin: httpx.Client):
    made(admin, "segments", **EUROPE)
    made(admin, "segments", key="young", condition={"age": {"$lt": 30}, **IN_EUROPE})
    experiment(admin, audience=IN_EUROPE)
    made(admin, "features", **BANNER, rules=[{"value": True, "condition": {"$not": IN_EUROPE}}])
    users = [
        ("segments", "young", {"condition": {"age": {"$lt": 30}}}),
        ("features", "banner", {"rules": []}),
        ("experiments", "test", {"audience": {}}),
    ]
    for kind, key, without in users:
        answer = admin.delete(URL)
        assert refused(answer) == (409, "SEGMENT_IN_USE")
        assert f"the {kind.removesuffix('s')} {key!r}" in answer.json()["detail"]
        assert admin.patch(f"/api/v1/{kind}/{key}", json=without).status_code == 200
    assert admin.delete(URL).status_code == 204


def test_a_segment_must_stay_readable_where_it_is_named(admin: httpx.Client):
    made(admin, "segments", key="staff", attribute="id", values=["ann"])
    experiment(admin, audience={"id": {"$inGroup": "staff"}})
    no_list = {"attribute": None, "values": [], "condition": {"team": "us"}}
    assert refused(admin.patch("/api/v1/segments/staff", json=no_list)) == (409, "SEGMENT_IN_USE")
    made(admin, "segments", **EUROPE)
    changed = admin.patch(URL, json={"condition": IN_EUROPE})
    assert refused(changed) == (422, "CONDITION_INVALID")
    made(admin, "segments", key="swiss", condition={"language": "rm", **IN_EUROPE})
    back = admin.patch(URL, json={"condition": {"$savedGroup": {"id": "swiss"}}})
    assert refused(back) == (422, "CONDITION_INVALID")
    assert places(back)[0].startswith("condition.")
