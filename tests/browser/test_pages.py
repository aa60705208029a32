"""The pages over HTTP: what they tell to send works, who may read them, how errors look."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from api.docs_examples import BODIES
from tests.browser.conftest import commands
from tests.conftest import Service
from tests.unit.console.page_tree import check

Send = Callable[[str], httpx.Response]


@pytest.fixture
def visitor(service: Service) -> Iterator[httpx.Client]:
    """Somebody with a browser and no key."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


def page(client: httpx.Client, path: str, **query: str) -> httpx.Response:
    return client.get(path, params=query, follow_redirects=True)


def test_following_the_pages_leads_from_nothing_to_a_report(
    admin: httpx.Client, send: Send
) -> None:
    """Each page says what to send next; sending exactly that brings the next page."""
    metric, experiment = commands(check(page(admin, "/").text))
    assert send(metric).status_code == 201
    assert send(experiment).status_code == 201
    path = "/experiments/new-checkout"
    for title, status in (
        ("Not started", 200),
        ("No exposures yet", 200),
        ("Exposures, but no outcomes", 200),
    ):
        assert admin.get(f"/api/v1{path}/results").status_code == 200  # a page waits less long
        tree = check(page(admin, path).text)
        assert title in [one.text for one in tree.all("h2")]
        (command,) = commands(tree)
        answer = send(command)
        assert answer.status_code == status, answer.text
        results = answer.json().get("results", [])
        assert all(result["status"] == "stored" for result in results), answer.text
    assert admin.get(f"/api/v1{path}/results").status_code == 200
    tree = check(page(admin, path).text)
    assert not commands(tree)
    assert "Keep running" in tree.all("section", class_="decision")[0].text


def test_the_list_shows_each_experiment_with_its_last_report(
    admin: httpx.Client, trial: str
) -> None:
    before = check(page(admin, "/experiments").text).all("tbody")[0].text
    assert before == "Banner on the home page banner Running – No report yet"
    assert admin.get(f"/api/v1/experiments/{trial}/results").status_code == 200
    after = check(page(admin, "/experiments").text).all("tbody")[0].text
    assert after.startswith("Banner on the home page banner Running 300 Keep running")
    assert "less than a minute ago" in after


def test_the_language_is_remembered(admin: httpx.Client, trial: str) -> None:
    address = f"/experiments/{trial}"
    assert 'lang="en"' in page(admin, address).text
    assert 'lang="zh-Hans"' in page(admin, address, lang="zh").text
    remembered = page(admin, address)
    assert check(remembered.text).all("html")[0].attributes["lang"] == "zh-Hans"
    assert remembered.headers["Content-Language"] == "zh-Hans"


def test_pages_ask_strangers_to_log_in(visitor: httpx.Client) -> None:
    response = visitor.get("/experiments?lang=zh")
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=")
    assert check(page(visitor, "/experiments").text).all("input", id="key")


def test_a_key_becomes_a_session_and_is_not_kept(
    service: Service, visitor: httpx.Client, environment: str
) -> None:
    key = service.key("admin", environment)
    response = visitor.post("/login", data={**form(visitor), "key": key})
    assert response.status_code == 303
    assert response.headers["Location"] == "/experiments"
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert key.rsplit("_", 1)[1] not in cookie
    assert environment in page(visitor, "/experiments").text
    token = check(page(visitor, "/experiments").text).all("input", name="csrf_token")[0]
    kept = dict(visitor.cookies)
    visitor.post("/logout", data={"csrf_token": token.attributes["value"]})
    assert visitor.get("/experiments").status_code == 302
    assert kept


@pytest.mark.parametrize(
    ("kind", "word"), [("client", "not an admin key"), (None, "not known here")]
)
def test_other_keys_do_not_log_in(
    service: Service, visitor: httpx.Client, environment: str, kind: str | None, word: str
) -> None:
    key = "nonsense" if kind is None else service.key(kind, environment)
    response = visitor.post("/login", data={**form(visitor), "key": key})
    assert response.status_code == 401
    tree = check(response.text)
    assert word in tree.all("p", role="alert")[0].text
    assert key not in response.text


def test_forms_from_elsewhere_are_refused(
    service: Service, visitor: httpx.Client, environment: str
) -> None:
    key = service.key("admin", environment)
    for path, fields in (("/login", {"key": key}), ("/logout", {"csrf_token": "é"})):
        response = visitor.post(path, data=fields)
        assert response.status_code == 403
        assert "FORM_EXPIRED" in check(response.text).text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_logging_in_never_leads_elsewhere(
    service: Service, visitor: httpx.Client, environment: str, target: str
) -> None:
    fields = {**form(visitor), "next": target, "key": service.key("admin", environment)}
    assert visitor.post("/login", data=fields).headers["Location"] == "/experiments"


def form(visitor: httpx.Client) -> dict[str, str]:
    tree = check(visitor.get("/login").text)
    return {one.attributes["name"]: one.attributes.get("value", "") for one in tree.all("input")}


def test_errors_are_pages_for_people(
    service: Service, admin: httpx.Client, environment: str
) -> None:
    missing = admin.get("/experiments/none-such?lang=zh")
    assert missing.status_code == 404
    assert missing.headers["Content-Type"].startswith("text/html")
    assert "EXPERIMENT_NOT_FOUND" in check(missing.text).text
    with service.client("client", environment) as client:
        refused = client.get("/experiments")
    assert refused.status_code == 403
    assert "KIND_FORBIDDEN" in check(refused.text).text


def test_pages_carry_the_policy_and_keep_out_of_shared_caches(admin: httpx.Client) -> None:
    headers = admin.get("/experiments").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "private" in headers["Cache-Control"]
    sheet = admin.get(check(admin.get("/experiments").text).all("link")[0].attributes["href"])
    assert sheet.headers["Content-Type"].startswith("text/css")
    assert admin.get("/console/../views.py").status_code == 404


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reference_holds_every_operation_and_schema(
    visitor: httpx.Client, language: str
) -> None:
    document = visitor.get("/openapi.json").json()
    tree = check(page(visitor, "/docs", lang=language).text)
    ids = {one.attributes["id"] for one in tree.all() if "id" in one.attributes}
    links = [one.attributes["href"] for one in tree.all("a")]
    assert all(link[1:] in ids for link in links if link.startswith("#"))
    shown = {re.sub(r"\s+", " ", one.text) for one in tree.all("h3")}
    operations = {
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert operations <= shown
    with_body = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if "requestBody" in item[method]
    }
    assert with_body == set(BODIES)


def test_every_example_of_the_reference_works(visitor: httpx.Client, send: Send) -> None:
    tree = check(page(visitor, "/docs").text)
    examples = {
        article.all("h3")[0].text: commands(article)[0]
        for article in tree.all("article")
        if commands(article)
    }
    experiment = "/api/v1/experiments/{key}"
    flags = "/ofrep/v1/evaluate/flags"
    kinds = [f"/api/v1/{kind}" for kind in ("metrics", "segments", "layers", "features")]
    kinds.append("/api/v1/holdouts")
    order = [
        *(f"POST {kind}" for kind in kinds),
        *(f"PATCH {kind}/{{key}}" for kind in kinds),
        *(f"GET {kind}{rest}" for kind in kinds for rest in ("", "/{key}", "/{key}/history")),
        *("POST /api/v1/experiments", "GET /api/v1/experiments"),
        *(f"GET {experiment}", f"PATCH {experiment}", f"POST {experiment}/start"),
        *("POST /api/v1/assignments", f"POST {flags}", f"POST {flags}/{{key}}"),
        *("POST /api/v1/explain", f"POST {experiment}/simulate"),
        *("POST /api/v1/events", f"GET {experiment}/results"),
        *("GET /api/features/{client_key}", "POST /api/eval/{client_key}"),
        *("GET /sub/{client_key}", "POST /track"),
        *("POST /api/v1/power", "GET /api/v1/notices"),
        *("POST /api/v1/keys", "GET /api/v1/keys", "GET /api/v1/keys/{selector}"),
        "DELETE /api/v1/keys/{selector}",
        *(f"POST {experiment}/pause", f"POST {experiment}/resume"),
        *(f"POST {experiment}/rerandomise", f"POST {experiment}/stop"),
        *(f"POST {experiment}/clone", f"POST {experiment}/ship", f"POST {experiment}/archive"),
        f"GET {experiment}/history",
    ]
    for name in order:
        answer = send(examples.pop(name))
        assert answer.is_success, f"{name}: {answer.text}"
    for unused in ("layers", "features", "segments", "holdouts"):
        assert send(examples.pop(f"DELETE /api/v1/{unused}/{{key}}")).is_success, unused
    # What is left deletes things that are in use by now, and is refused for that reason only.
    for command in examples.values():
        assert send(command).status_code == 409
    assert set(examples) == {f"DELETE {experiment}", "DELETE /api/v1/metrics/{key}"}
