"""Layers over HTTP, and the shares that experiments take of them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.functional.definitions import ARMS, experiment, made, move, places, post, refused

URL = "/api/v1/layers/page"
SHARE = {"key": "page", "size": 0.25}


def test_an_experiment_takes_a_share_of_a_layer_of_its_own_units(admin: httpx.Client):
    unknown = post(admin, "experiments", key="test", variants=ARMS, layer=SHARE)
    assert (refused(unknown), places(unknown)) == ((422, "LAYER_UNKNOWN"), ["layer.key"])
    made(admin, "layers", key="page", unit_type="device")
    other = post(admin, "experiments", key="test", variants=ARMS, layer=SHARE)
    assert (refused(other), places(other)) == ((422, "LAYER_UNIT_TYPE"), ["layer.key"])
    assert experiment(admin, layer=SHARE, unit_type="device")["layer"] == SHARE
    assert admin.get("/api/v1/experiments/test").json()["layer"] == SHARE


@pytest.mark.parametrize(
    "layer", [{"key": "page", "size": 0}, {"key": "page", "size": 1.1}, {"key": "page"}, "page"]
)
def test_a_share_is_a_fraction(admin: httpx.Client, layer: Any):
    made(admin, "layers", key="page")
    answer = post(admin, "experiments", key="test", variants=ARMS, layer=layer)
    assert refused(answer) == (422, "VALIDATION_FAILED")


def test_a_layer_is_fixed_once_it_is_named(admin: httpx.Client):
    made(admin, "layers", key="page")
    assert admin.patch(URL, json={"unit_type": "device"}).json()["unit_type"] == "device"
    admin.patch(URL, json={"unit_type": "id"})
    experiment(admin, layer=SHARE)
    made(admin, "holdouts", key="quiet", size=0.1, layer="page")
    assert admin.patch(URL, json={"name": "The page"}).json()["name"] == "The page"
    for answer in (admin.patch(URL, json={"unit_type": "device"}), admin.delete(URL)):
        assert refused(answer) == (409, "LAYER_IN_USE")
        assert "'page' is named by quiet, test" in answer.json()["detail"]
    assert admin.patch("/api/v1/experiments/test", json={"layer": None}).json()["layer"] is None
    assert admin.patch("/api/v1/holdouts/quiet", json={"layer": None}).json()["layer"] is None
    assert admin.delete(URL).status_code == 204


def test_a_share_is_fixed_at_the_start(admin: httpx.Client):
    made(admin, "layers", key="page")
    experiment(admin, layer=SHARE)
    move(admin, "test", "start")
    for layer in (None, {"key": "page", "size": 0.5}):
        changed = admin.patch("/api/v1/experiments/test", json={"layer": layer})
        assert (refused(changed), places(changed)) == ((409, "LOCKED_AFTER_START"), ["layer"])
