"""Default deny: every route is walked with no key, a wrong one and each kind."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from api import create_app
from api.auth import declared_access
from experiments.definitions.errors import Invalid
from experiments.settings import Settings

API = ("/api/", "/ofrep/")  # what programs call; the rest are pages


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("app")
    return create_app(Settings(f"sqlite:///{folder}/e.db", folder, secret_key="for tests"))


def test_every_route_declares_who_may_call_it(app):
    closed = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if declared_access(app.view_functions[rule.endpoint]) is None
    ]
    # Flask's own route for static files is not used: the console serves its own.
    assert closed in ([], ["/static/<path:filename>"])


def test_making_the_app_opens_nothing(app):
    assert not app.extensions["evenhand"].database.engine.pool.checkedin()
    assert not app.extensions["evenhand"].settings.data_dir.joinpath("e.db").exists()


def test_every_route_refuses_before_it_looks_or_validates(app, service):
    key = service.key("client")
    wrong = key[:-4] + ("0000" if not key.endswith("0000") else "1111")
    walked = 0
    for rule in app.url_map.iter_rules():
        kinds = declared_access(app.view_functions[rule.endpoint])
        if not kinds or not rule.rule.startswith(API) or "client_key" in rule.arguments:
            continue
        path = re.sub(r"<[^<>]+>", "no-such-thing", rule.rule)
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            walked += 1
            for headers, status, code in (
                ({}, 401, "KEY_MISSING"),
                ({"Authorization": "Bearer nonsense"}, 401, "KEY_UNKNOWN"),
                ({"X-API-Key": wrong}, 401, "KEY_UNKNOWN"),
                ({"X-API-Key": key}, 403, "KIND_FORBIDDEN"),
            ):
                if status == 403 and "client" in kinds:
                    continue
                answer = httpx.request(method, service.url + path, headers=headers, content="{")
                assert (answer.status_code, answer.json()["code"]) == (status, code), path
                assert answer.headers["Content-Type"] == "application/problem+json"
    assert walked > 15


def test_every_route_with_the_key_in_its_address_refuses_alike(app, service):
    client, admin = service.key("client"), service.key("admin")
    wrong = client[:-4] + ("0000" if not client.endswith("0000") else "1111")
    routes = [rule for rule in app.url_map.iter_rules() if "client_key" in rule.arguments]
    addresses = {rule.rule: rule.methods - {"OPTIONS", "HEAD"} for rule in routes}
    assert len(addresses) == 3
    addresses["/track?client_key=<client_key>"] = {"POST"}
    addresses["/api/v1/events?client_key=<client_key>"] = {"POST"}
    for address, methods in addresses.items():
        for method in methods:
            for key, status, code in (
                ("nonsense", 401, "KEY_UNKNOWN"),
                (wrong, 401, "KEY_UNKNOWN"),
                (admin, 403, "KIND_FORBIDDEN"),
            ):
                path = address.replace("<client_key>", key)
                answer = httpx.request(
                    method,
                    service.url + path,
                    content="{",
                    headers={"Authorization": f"Bearer {client}"},  # does not stand in for it
                )
                assert (answer.status_code, answer.json()["code"]) == (status, code), path
                assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["//api/v1/experiments", "/api/v1/../v1/experiments", "/api%2fv1/"]
)
def test_odd_paths_open_nothing(service, path: str):
    answer = httpx.get(service.url + path, follow_redirects=True)
    assert answer.status_code in {401, 404}


def test_a_revoked_key_is_refused_within_a_second(service):
    client = service.client("server")
    assert client.post("/api/v1/assignments", json={"unit_id": "u"}).status_code == 200
    selector = client.headers["Authorization"].split("_")[3]
    service.evenhand("key", "revoke", selector)
    time.sleep(1.0)
    for _ in range(10):  # whichever worker answers
        answer = httpx.post(
            f"{service.url}/api/v1/assignments", json={"unit_id": "u"}, headers=client.headers
        )
        assert answer.json().get("code") == "KEY_EXPIRED"


def test_browsers_of_any_site_may_evaluate_and_log_and_nothing_else(service):
    flags = "/ofrep/v1/evaluate/flags"
    ours = ("/api/v1/assignments", "/api/v1/events", flags, f"{flags}/button")
    key = service.key("client")
    growthbook = (f"/api/features/{key}", f"/sub/{key}", f"/api/eval/{key}", "/track")
    for path in (*ours, *growthbook):
        preflight = httpx.options(service.url + path, headers={"Origin": "https://shop.example"})
        assert preflight.headers["Access-Control-Allow-Origin"] == "*"
        allowed = set(preflight.headers["Access-Control-Allow-Headers"].split(", "))
        assert {"authorization", "x-api-key", "content-type", "if-none-match"} <= allowed
        exposed = set(preflight.headers["Access-Control-Expose-Headers"].split(", "))
        assert {"ETag", "Retry-After"} <= exposed
        assert "Access-Control-Allow-Credentials" not in preflight.headers
    other = httpx.options(f"{service.url}/api/v1/experiments")
    assert "Access-Control-Allow-Origin" not in other.headers


def test_a_service_without_a_secret_does_not_start(tmp_path):
    with pytest.raises(Invalid, match="EVENHAND_SECRET_KEY"):
        create_app(Settings(f"sqlite:///{tmp_path}/e.db", tmp_path))
