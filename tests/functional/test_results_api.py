"""One phase and one segment of a report: over HTTP, at the command line, on the page."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.conftest import Service
from tests.unit.console.page_tree import Element, check

RESULTS = "/api/v1/experiments/banner/results"
ARMS = [{"key": "plain", "weight": 0.5}, {"key": "bold", "weight": 0.5}]
VIP = {"key": "vip", "name": "Regular customers", "condition": {"plan": "pro"}}


def ok(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json()


def expose(admin: httpx.Client, units: range, **attributes: Any) -> None:
    events = [
        {
            "type": "exposure",
            "experiment": "banner",
            "variant": ("plain", "bold")[number % 2],
            "unit_id": f"u{number}",
            "attributes": attributes,
        }
        for number in units
    ]
    answer = ok(admin.post("/api/v1/events", json={"events": events}))
    assert {one["status"] for one in answer["results"]} == {"stored"}


@pytest.fixture(autouse=True)
def banner(admin: httpx.Client) -> None:
    """A dry run of 20 units, then a run of 60, of which the last 20 are regular customers."""
    ok(admin.post("/api/v1/metrics", json={"key": "buy", "kind": "conversion", "event": "buy"}))
    experiment = {
        "key": "banner",
        "assignment": "external",
        "variants": ARMS,
        "metrics": [{"metric": "buy", "role": "goal"}],
    }
    ok(admin.post("/api/v1/experiments", json=experiment))
    ok(admin.post("/api/v1/segments", json=VIP))
    ok(admin.post("/api/v1/experiments/banner/start", json={"dry_run": True}))
    expose(admin, range(20), plan="pro")
    ok(admin.post("/api/v1/experiments/banner/start", json={}))
    expose(admin, range(40), plan="free")
    expose(admin, range(40, 60), plan="pro")


def results(admin: httpx.Client, **query: Any) -> dict[str, Any]:
    return dict(ok(admin.get(RESULTS, params=query)))


def test_the_latest_phase_and_everybody_by_default(admin: httpx.Client) -> None:
    latest = results(admin)
    assert (latest["phase"], latest["phase_kind"], latest["segment"]) == (2, "main", None)
    assert latest["units"] == {"plain": 30, "bold": 30}
    assert latest["decision"]["rule"] == "waiting_for_days"
    assert results(admin, phase=2) == latest


def test_each_phase_and_each_segment_has_a_report_of_its_own(admin: httpx.Client) -> None:
    dry = results(admin, phase=1)
    assert (dry["phase"], dry["phase_kind"]) == (1, "dry_run")
    assert dry["units"] == {"plain": 10, "bold": 10}
    assert dry["decision"]["rule"] == "dry_run"
    assert dry["started_at"] < dry["ended_at"] <= results(admin)["started_at"]
    vip = results(admin, segment="vip")
    assert vip["segment"] == {"key": "vip", "name": "Regular customers"}
    assert (vip["phase"], vip["units"]) == (2, {"plain": 10, "bold": 10})
    assert vip["decision"]["rule"] == "segment"
    both = results(admin, segment="vip", phase=1)
    assert (both["phase"], both["units"]) == (1, {"plain": 10, "bold": 10})
    for query in ({}, {"phase": 1}, {"segment": "vip"}, {"segment": "vip", "phase": 1}):
        fresh = admin.get(RESULTS, params=query)
        stored = admin.get(RESULTS, params={**query, "stored": "true"})
        assert stored.json() == fresh.json() == results(admin, **query)
        known = admin.get(RESULTS, params=query, headers={"If-None-Match": fresh.headers["ETag"]})
        assert known.status_code == 304
    tags = {admin.get(RESULTS, params=one).headers["ETag"] for one in ({}, {"segment": "vip"})}
    assert len(tags) == 2


def test_a_hold_back_measures_what_is_shipped(admin: httpx.Client) -> None:
    ship = {"variant": "bold", "holdback": 0.5}
    ok(admin.post("/api/v1/experiments/banner/ship", json=ship))
    expose(admin, range(30))
    shipped = results(admin)
    assert (shipped["status"], shipped["phase"], shipped["phase_kind"]) == (
        "shipped",
        3,
        "holdback",
    )
    assert shipped["ended_at"] is None
    assert shipped["units"] == {"plain": 15, "bold": 15}
    assert shipped["decision"]["rule"] == "holdback"
    before = results(admin, phase=2)
    assert before["units"] == {"plain": 30, "bold": 30}
    assert before["ended_at"] is not None


def test_a_holdout_measures_all_launches(admin: httpx.Client) -> None:
    holdout = {
        "key": "quiet",
        "holdout": {},
        "variants": [{"key": "held_out", "weight": 0.1}, {"key": "open", "weight": 0.9}],
        "metrics": [{"metric": "buy", "role": "goal"}],
    }
    ok(admin.post("/api/v1/experiments", json=holdout))
    ok(admin.post("/api/v1/experiments/quiet/start", json={}))
    event = {"type": "exposure", "experiment": "quiet", "variant": "open", "unit_id": "u"}
    ok(admin.post("/api/v1/events", json={"events": [event]}))
    found = ok(admin.get("/api/v1/experiments/quiet/results"))
    assert (found["holdout"], found["phase_kind"]) == (True, "main")
    assert found["units"] == {"held_out": 0, "open": 1}
    assert found["decision"]["rule"] == "holdout"
    assert "nothing to ship" in found["decision"]["reason"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"phase": 3}, 404, "PHASE_NOT_FOUND"),
        ({"phase": 3, "stored": "true"}, 404, "PHASE_NOT_FOUND"),
        ({"segment": "none"}, 404, "SEGMENT_NOT_FOUND"),
        ({"segment": "none", "as_of": 1}, 404, "SEGMENT_NOT_FOUND"),
        ({"segment": "vip", "stored": "true"}, 404, "REPORT_NOT_FOUND"),
        ({"phase": 0}, 422, "VALIDATION_FAILED"),
        ({"phase": "last"}, 422, "VALIDATION_FAILED"),
    ],
)
def test_what_is_not_there_is_a_problem(
    admin: httpx.Client, query: dict[str, Any], status: int, code: str
) -> None:
    refused = admin.get(RESULTS, params=query)
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_pending_report_is_found_where_its_answer_says(admin: httpx.Client) -> None:
    expose(admin, range(60, 80), plan="pro")
    pending = admin.get(RESULTS, params={"wait": 0, "segment": "vip", "phase": 2})
    assert pending.status_code == 202
    made = results(admin, segment="vip")
    found = ok(admin.get(pending.headers["Location"]))
    assert found == made
    assert found["units"] == {"plain": 20, "bold": 20}


def test_another_definition_under_the_same_key_asks_for_another_report(
    admin: httpx.Client,
) -> None:
    before = results(admin, segment="vip")
    assert admin.delete("/api/v1/segments/vip").status_code == 204
    ok(admin.post("/api/v1/segments", json={**VIP, "condition": {"plan": "free"}}))
    after = results(admin, segment="vip")
    assert before["units"] == {"plain": 10, "bold": 10}
    assert after["units"] == {"plain": 20, "bold": 20}


def test_the_command_line_says_the_same(
    service: Service, admin: httpx.Client, environment: str
) -> None:
    part = ("banner", "--env", environment, "--phase", "2", "--segment", "vip")
    document = json.loads(service.evenhand("report", *part, "--json"))
    assert document == results(admin, phase=2, segment="vip")
    text = " ".join(service.evenhand("report", *part).split())
    assert "phase 2 (main), segment Regular customers" in text
    assert "Regular customers is a part of the units and does not decide" in text
    with pytest.raises(AssertionError, match="its phases are 1, 2"):
        service.evenhand("report", "banner", "--env", environment, "--phase", "7")


def shown(tree: Element) -> list[str]:
    return [one.text for one in tree.all("option") if "selected" in one.attributes]


def test_the_page_shows_what_was_chosen(admin: httpx.Client) -> None:
    path = "/experiments/banner"
    latest = check(admin.get(path).text)
    assert shown(latest)[0].startswith("2 · main, since ")
    assert shown(latest)[1] == "Everybody"
    (form,) = latest.all("form", class_="chooser")
    names = [one.attributes["name"] for one in form.all("select")]
    assert names == ["phase", "segment"]
    dry = check(admin.get(path, params={"phase": "1", "segment": ""}).text)
    assert dry.all("h2", id="decision")[0].text == "Dry run: nothing to decide"
    assert shown(dry)[0].startswith("1 · dry run, since ")
    vip = check(admin.get(path, params={"phase": "2", "segment": "vip", "lang": "zh"}).text)
    assert vip.all("h2", id="decision")[0].text == "分群不作决定"
    assert shown(vip)[1] == "Regular customers"
    links = [one.attributes["href"] for one in vip.all("a") if "segment=vip" in str(one.attributes)]
    assert len(links) == 3
    for query, code in (
        ({"phase": "7"}, "PHASE_NOT_FOUND"),
        ({"phase": "last"}, "PHASE_NOT_FOUND"),
        ({"segment": "none"}, "SEGMENT_NOT_FOUND"),
    ):
        missing = admin.get(path, params=query)
        assert missing.status_code == 404
        assert code in check(missing.text).text
