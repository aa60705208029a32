"""The page that says why a unit got what it got, in both languages."""

from __future__ import annotations

import time

import httpx
import pytest

from experiments.assignment.hashing import bucket, seed_state
from tests.functional.definitions import experiment, move
from tests.unit.console.page_tree import check

PATH = "/experiments/french/explain"


@pytest.fixture
def french(admin: httpx.Client) -> httpx.Client:
    """Somebody who reads pages with an admin key, and an experiment that runs."""
    experiment(admin, key="french", audience={"country": "FR"}, unit_type="device")
    move(admin, "french", "start")
    time.sleep(1.0)
    return admin


def test_the_report_leads_to_the_form(french: httpx.Client):
    links = check(french.get("/experiments/french").text).all("a", href=PATH)
    assert [link.text for link in links] == ["Why did this unit get what it got?"]
    page = check(french.get(PATH).text)
    assert "Unit id (device)" in [one.text for one in page.all("label")]
    assert not page.all("ol", class_="trace")


@pytest.mark.parametrize(
    ("language", "titles", "outcomes"),
    [
        (
            "en",
            ["Type of unit", "State of the experiment", "Overrides", "Audience", "Hash"],
            ["goes on", "goes on", "goes on", "goes on", "decides"],
        ),
        (
            "zh",
            ["单元类型", "实验状态", "指定变体", "受众", "哈希"],
            ["继续", "继续", "继续", "继续", "由此决定"],
        ),
    ],
)
def test_the_steps_are_listed(
    french: httpx.Client, language: str, titles: list[str], outcomes: list[str]
):
    asked = {"unit": "u-1", "attributes": '{"country": "FR"}', "lang": language}
    answer = french.get(PATH, params=asked)
    assert answer.status_code == 200
    page = check(answer.text)
    (trace,) = page.all("ol", class_="trace")
    assert [one.text for one in trace.all("h3")] == titles
    assert [one.text for one in trace.all("span")] == outcomes
    position = bucket(seed_state("french"), "u-1")
    assert str(position) in [one.text for one in trace.all("dd")]
    variant = "off" if position < 0.5 else "on"
    assert [one.text for one in page.all("dd")][:3] == [
        variant,
        "false" if variant == "off" else "true",
        "SPLIT",
    ]


def test_the_part_of_the_audience_that_fails_is_named(french: httpx.Client):
    page = check(french.get(PATH, params={"unit": "u", "attributes": '{"country": "CH"}'}).text)
    (trace,) = page.all("ol", class_="trace")
    assert trace.all("li")[-1].all("dd")[1].text == '{"country": "FR"}'
    assert trace.all("li")[-1].all("dd")[2].text == "CH"


@pytest.mark.parametrize("text", ["{", "[1]", "7", '{"a": NaN}', "null", '{"a": "\\u0000"}'])
def test_what_is_no_json_is_said_and_stays_in_the_form(french: httpx.Client, text: str):
    answer = french.get(PATH, params={"unit": "u", "attributes": text})
    assert answer.status_code == 422
    page = check(answer.text)
    assert 'Write them as in {"country": "FR"}' in page.all("p", class_="problem")[0].text
    assert page.all("textarea")[0].text == text
    assert not page.all("ol", class_="trace")


@pytest.mark.parametrize("unit", ["", "u" * 257, "\x00"])
def test_what_is_no_unit_id_is_said(french: httpx.Client, unit: str):
    answer = french.get(PATH, params={"unit": unit})
    assert answer.status_code == 422
    problem = check(answer.text).all("p", class_="problem")[0].text
    assert problem == "A unit id has 1 to 256 characters."


def test_what_is_typed_stays_text(french: httpx.Client):
    typed = "<script>alert(1)</script>"
    answer = french.get(PATH, params={"unit": typed, "attributes": '{"country": "<b>"}'})
    assert answer.status_code == 200
    assert typed not in answer.text
    assert "<b>" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_only_who_may_read_pages_reads_it(french: httpx.Client):
    answer = httpx.get(f"{french.base_url}{PATH}")
    assert answer.status_code == 302
    assert "/login" in answer.headers["Location"]
    answer = french.get("/experiments/nothing/explain", params={"unit": "u"})
    assert answer.status_code == 404
