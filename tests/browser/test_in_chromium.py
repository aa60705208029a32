"""The pages in a real browser, scripts switched off: width, keyboard, policy, logging in."""

from __future__ import annotations

import httpx
import pytest

from tests.browser.chromium import Chromium, Page
from tests.conftest import Service

PATHS = (
    "/experiments",
    "/experiments/{key}",
    "/experiments/{key}/explain",
    "/docs",
    "/login",
    "/experiments/none-such",
)


def signed_in(chromium: Chromium, admin: httpx.Client) -> Page:
    return chromium.open(headers={"Authorization": admin.headers["Authorization"]})


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_is_wider_than_a_small_phone(
    chromium: Chromium, service: Service, admin: httpx.Client, reported: str, language: str
) -> None:
    page = signed_in(chromium, admin)
    page.resize(360)
    for path in PATHS:
        page.go(f"{service.url}{path.format(key=reported)}?lang={language}")
        wide = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide == 0, path
        assert page.evaluate("document.styleSheets[0].cssRules.length") > 50
    assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]
    outside = [url for url in page.requested() if not url.startswith(service.url)]
    assert not outside
    refused = [text for text in page.complaints() if "404" not in text]  # the last path is none
    assert not refused


def test_everything_is_reached_by_keyboard_and_shows_its_focus(
    chromium: Chromium, service: Service, admin: httpx.Client, reported: str
) -> None:
    page = signed_in(chromium, admin)
    page.resize(1280)
    page.go(f"{service.url}/experiments/{reported}")
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility()).length"
    )
    assert wanted > 10
    page.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    reached = 1
    while reached < wanted:
        page.press("Tab")
        assert page.evaluate("document.activeElement !== document.body"), reached
        assert page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
            " && parseFloat(getComputedStyle(document.activeElement).outlineWidth) >= 2"
        ), page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        reached += 1
    small = page.evaluate(
        "[...document.querySelectorAll('button, summary, header a')]"
        ".filter(e => e.getBoundingClientRect().height < 20).map(e => e.textContent)"
    )
    assert not small


def test_a_person_logs_in_reads_a_report_and_logs_out(
    chromium: Chromium, service: Service, admin: httpx.Client, reported: str
) -> None:
    page = chromium.open()
    page.go(f"{service.url}/experiments/{reported}")
    assert page.evaluate("location.pathname") == "/login"
    page.evaluate("document.getElementById('key').focus()")
    page.type(admin.headers["Authorization"].removeprefix("Bearer "))
    page.press("Enter")
    page.wait_for("Page.loadEventFired")
    assert page.evaluate("location.pathname") == f"/experiments/{reported}"
    assert page.evaluate("document.querySelectorAll('svg.forest').length") == 2
    page.evaluate("document.querySelector('form button').focus()")
    page.press("Enter")
    page.wait_for("Page.loadEventFired")
    assert page.evaluate("location.pathname") == "/login"
    page.go(f"{service.url}/experiments")
    assert page.evaluate("location.pathname") == "/login"
    assert not page.complaints()


def test_a_reader_chooses_a_segment_by_keyboard(
    chromium: Chromium, service: Service, admin: httpx.Client, reported: str
) -> None:
    segment = {"key": "pro", "name": "Customers with a plan", "condition": {"plan": "pro"}}
    assert admin.post("/api/v1/segments", json=segment).status_code == 201
    results = admin.get(f"/api/v1/experiments/{reported}/results", params={"segment": "pro"})
    assert results.status_code == 200  # a page waits less long
    page = signed_in(chromium, admin)
    page.resize(360)
    page.go(f"{service.url}/experiments/{reported}?lang=zh")
    assert page.evaluate("document.getElementById('segment').value") == ""
    page.evaluate("document.getElementById('segment').focus()")
    page.press("ArrowDown")
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "显示"
    page.press("Enter")
    page.wait_for("Page.loadEventFired")
    assert page.evaluate("location.search") == "?segment=pro"
    assert page.evaluate("document.getElementById('decision').textContent.trim()") == "分群不作决定"
    assert page.evaluate("document.getElementById('segment').value") == "pro"
    assert page.evaluate(
        "document.documentElement.scrollWidth === document.documentElement.clientWidth"
    )
    assert not page.complaints()
