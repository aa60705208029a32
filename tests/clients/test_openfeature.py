"""OpenFeature's public SDKs with their public OFREP providers, against the running service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationDetails

from api import create_app
from experiments.settings import Settings
from tests.clients.openfeature_flags import (
    ASSIGN,
    FLAGS,
    UNITS,
    Script,
    assigned,
    javascript_type,
    key_of,
    start,
)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def shop(service) -> Iterator[httpx.Client]:
    """An environment with a flag of each type and one for the French."""
    with service.client("admin", f"shop-{uuid4().hex[:8]}") as admin:
        for flag, (_, control, other, _) in FLAGS.items():
            start(admin, flag, control, other)
        start(admin, "french", "plain", "tricolore", audience={"country": "FR"})
        time.sleep(1.0)
        yield admin


@pytest.fixture(scope="session")
def scripts(npm_install: Callable[[Path], Path]) -> Path:
    return npm_install(HERE / "openfeature")


@pytest.fixture
def server_sdk(node: Path, scripts: Path) -> Iterator[Script]:
    script = Script(node, scripts / "server.mjs")
    yield script
    script.close()


@pytest.fixture
def web_sdk(node: Path, scripts: Path) -> Iterator[Script]:
    script = Script(node, scripts / "web.mjs")
    yield script
    script.close()


PythonClient = Callable[[str], OpenFeatureClient]


@pytest.fixture
def python_client(service) -> Iterator[PythonClient]:
    """A client of the Python SDK that sends this key."""
    providers = []

    def make(key: str) -> OpenFeatureClient:
        provider = OFREPProvider(
            service.url, headers_factory=lambda: {"Authorization": f"Bearer {key}"}
        )
        providers.append(provider)
        domain = uuid4().hex
        api.set_provider(provider, domain)
        return api.get_client(domain)

    yield make
    api.clear_providers()
    for provider in providers:
        provider.session.close()


def ask_python(
    client: OpenFeatureClient, flag: str, context: EvaluationContext
) -> FlagEvaluationDetails[Any]:
    kind, _, _, default = FLAGS[flag]
    details: FlagEvaluationDetails[Any] = getattr(client, f"get_{kind}_details")(
        flag, default, context
    )
    return details


@pytest.mark.parametrize("flag", FLAGS)
def test_python_gets_every_type(service, shop, python_client: PythonClient, flag: str):
    client = python_client(key_of(service, shop, "server"))
    _, control, other, _ = FLAGS[flag]
    seen = set()
    for unit in UNITS:
        given = ask_python(client, flag, EvaluationContext(unit))
        variant = assigned(shop, flag, unit)["variant"]
        assert given.error_code is None, given.error_message
        assert (given.variant, given.reason) == (variant, "SPLIT")
        assert given.value == (control if variant == "off" else other)
        assert given.flag_metadata["experimentKey"] == flag
        assert given.flag_metadata["inExperiment"] is True
        seen.add(variant)
    assert seen == {"off", "on"}


def test_python_outside_the_audience_and_beyond(service, shop, python_client: PythonClient):
    client = python_client(key_of(service, shop, "client"))

    def ask(flag: str, context: EvaluationContext | None) -> FlagEvaluationDetails[str]:
        return client.get_string_details(flag, "none", context)

    outside = ask("french", EvaluationContext("user-1", {"country": "DE"}))
    assert (outside.value, outside.variant, outside.reason) == ("plain", "off", "DEFAULT")
    assert outside.flag_metadata["inExperiment"] is False
    inside = ask("french", EvaluationContext("user-1", {"country": "FR"}))
    assert inside.reason == "SPLIT"
    for unknown in ("nothing", "a/b", "title?x=1", "with space", "french/"):
        missing = ask(unknown, EvaluationContext("user-1"))
        assert (missing.value, missing.error_code) == ("none", ErrorCode.FLAG_NOT_FOUND), unknown
    keyless = ask("title", None)
    assert (keyless.value, keyless.error_code) == ("none", ErrorCode.TARGETING_KEY_MISSING)
    mistyped = client.get_boolean_details("title", False, EvaluationContext("user-1"))
    assert (mistyped.value, mistyped.error_code) == (False, ErrorCode.TYPE_MISMATCH)


def test_python_with_a_wrong_key(python_client: PythonClient):
    client = python_client("nonsense")
    given = client.get_string_details("title", "none", EvaluationContext("user-1"))
    assert (given.value, given.error_code) == ("none", ErrorCode.GENERAL)
    assert given.error_message == "unauthorized"


def test_javascript_on_a_server(service, shop, server_sdk: Script):
    server_sdk("start", url=service.url, key=key_of(service, shop, "server"))

    def ask(kind: str, flag: str, fallback: Any, **context: Any) -> dict[str, Any]:
        found: dict[str, Any] = server_sdk(
            "details", type=kind, flag=flag, fallback=fallback, context=context
        )
        return found

    for flag, (_, control, other, default) in FLAGS.items():
        for unit in UNITS[:6]:
            given = ask(javascript_type(flag), flag, default, targetingKey=unit)
            variant = assigned(shop, flag, unit)["variant"]
            assert "errorCode" not in given, given
            assert (given["variant"], given["reason"]) == (variant, "SPLIT")
            assert given["value"] == (control if variant == "off" else other)
            assert given["flagMetadata"]["experimentKey"] == flag
    outside = ask("string", "french", "none", targetingKey="user-1", country="DE")
    assert (outside["value"], outside["variant"], outside["reason"]) == ("plain", "off", "DEFAULT")
    assert outside["flagMetadata"]["inExperiment"] is False
    for unknown in ("nothing", "a/b", "title?x=1", "with space"):
        missing = ask("string", unknown, "none", targetingKey="user-1")
        assert (missing["value"], missing["errorCode"]) == ("none", "FLAG_NOT_FOUND"), unknown
    keyless = ask("string", "title", "none")
    assert (keyless["value"], keyless["errorCode"]) == ("none", "TARGETING_KEY_MISSING")


def test_javascript_on_a_server_with_a_wrong_key(service, server_sdk: Script):
    server_sdk("start", url=service.url, key="nonsense")
    given = server_sdk(
        "details", type="string", flag="title", fallback="none", context={"targetingKey": "user-1"}
    )
    assert (given["value"], given["errorCode"]) == ("none", "GENERAL")


def test_the_web_client_reads_every_type(service, shop, web_sdk: Script):
    unit = "user-3"
    context = {"targetingKey": unit, "country": "DE"}
    web_sdk(
        "start", url=service.url, key=key_of(service, shop, "client"), context=context,
        pollInterval=0,
    )  # fmt: skip
    for flag, (_, control, other, default) in FLAGS.items():
        given = web_sdk("details", type=javascript_type(flag), flag=flag, fallback=default)
        variant = assigned(shop, flag, unit)["variant"]
        assert "errorCode" not in given, given
        assert (given["variant"], given["reason"]) == (variant, "SPLIT")
        assert given["value"] == (control if variant == "off" else other)
    outside = web_sdk("details", type="string", flag="french", fallback="none")
    assert (outside["value"], outside["reason"]) == ("plain", "DEFAULT")
    missing = web_sdk("details", type="string", flag="nothing", fallback="none")
    assert (missing["value"], missing["errorCode"]) == ("none", "FLAG_NOT_FOUND")
    assert [one["status"] for one in web_sdk("requests")] == [200]


def test_the_web_client_polls_and_sees_changes(service, admin: httpx.Client, web_sdk: Script):
    start(admin, "french", "plain", "tricolore", audience={"country": "FR"})
    time.sleep(1.0)
    key = key_of(service, admin, "client")
    context = {"targetingKey": "user-1", "country": "DE"}
    web_sdk("start", url=service.url, key=key, context=context, pollInterval=50)

    def french() -> dict[str, Any]:
        found: dict[str, Any] = web_sdk("details", type="string", flag="french", fallback="none")
        return found

    assert french()["reason"] == "DEFAULT"
    same = web_sdk("answered", status=304)
    assert same["sent"] == same["etag"]
    # The provider still sends the ETag of the earlier evaluation with the new attribute.
    web_sdk("context", context={**context, "country": "FR"})
    inside = french()
    assert (inside["reason"], inside["value"]) == (
        "SPLIT",
        assigned(admin, "french", "user-1", country="FR")["value"],
    )
    web_sdk("answered", status=304)
    admin.post("/api/v1/experiments/french/ship", json={"variant": "on"})
    changed = web_sdk("event", event="PROVIDER_CONFIGURATION_CHANGED")
    assert changed["flags"] == ["french"]
    assert (french()["reason"], french()["value"]) == ("TARGETING_MATCH", "tricolore")


def test_the_web_client_whose_key_is_revoked_keeps_what_it_has(
    service, admin: httpx.Client, web_sdk: Script
):
    start(admin, "title", "Welcome", "Hello")
    time.sleep(1.0)
    key = key_of(service, admin, "client")
    web_sdk("start", url=service.url, key=key, context={"targetingKey": "user-1"}, pollInterval=50)
    before = web_sdk("details", type="string", flag="title", fallback="none")
    _, _, environment, selector, _ = key.split("_")
    service.evenhand("key", "revoke", selector, "--env", environment)
    web_sdk("event", event="PROVIDER_STALE")
    assert web_sdk("details", type="string", flag="title", fallback="none") == before


def test_the_web_client_with_a_wrong_key_does_not_start(service, web_sdk: Script):
    refused = web_sdk.try_to(
        "start", url=service.url, key="nonsense", context={"targetingKey": "u"}, pollInterval=0
    )
    assert "error" in refused
    assert web_sdk("status") == "FATAL"


def test_ten_thousand_units_get_the_same_everywhere(
    service, admin: httpx.Client, server_sdk: Script, python_client: PythonClient
):
    start(admin, "split", "left", "right", traffic=0.8)
    time.sleep(1.0)
    units = [f"{uuid4()}{'😀' * (number % 2)}" for number in range(10_000)]
    key = key_of(service, admin, "server")
    headers = {"Authorization": f"Bearer {key}"}

    app = create_app(Settings.from_env(service.env))
    with app.test_client() as http:
        answers = [
            http.post(ASSIGN, json={"unit_id": unit, "experiments": ["split"]}, headers=headers)
            for unit in units
        ]
    app.extensions["evenhand"].close()
    assignments = [answer.json["assignments"][0] for answer in answers]
    expected = [
        [one["variant"] or "off", one["value"], one["in_experiment"]] for one in assignments
    ]
    assert {tuple(one) for one in expected} == {
        ("off", "left", True), ("on", "right", True), ("off", "left", False),
    }  # fmt: skip

    server_sdk("start", url=service.url, key=key)
    assert server_sdk("variants", flag="split", units=units, together=8) == expected

    client = python_client(key)
    for unit, wanted in zip(units[:500], expected[:500], strict=True):
        given = client.get_string_details("split", "none", EvaluationContext(unit))
        assert [given.variant, given.value, given.flag_metadata["inExperiment"]] == wanted


DOCUMENTED = {"python": ("python", 0, 1), "server": ("js", 0, 2), "web": ("js", 1, 2)}


@pytest.mark.parametrize("sdk", DOCUMENTED)
def test_the_documented_code_evaluates_and_logs(
    service, admin: httpx.Client, node: Path, scripts: Path, sdk: str
):
    start(admin, "button", "grey", "green")
    time.sleep(1.0)
    language, setting_up, hook = DOCUMENTED[sdk]
    page = (HERE.parent.parent / "docs" / "openfeature.md").read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    code = f"{blocks[hook]}\n{blocks[setting_up]}"
    command = {
        "python": [sys.executable, "-c", code],
        "js": [str(node), "--input-type=module", "--eval", code],
    }[language]
    kind = "client" if sdk == "web" else "server"
    settings = {"EVENHAND_URL": service.url, "EVENHAND_KEY": key_of(service, admin, kind)}
    done = subprocess.run(
        command,
        cwd=scripts,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    given = assigned(admin, "button", "user-42")
    assert done.stdout.strip() == given["value"]
    report = admin.get("/api/v1/experiments/button/results").json()
    assert report["units"] == {"off": 0, "on": 0, given["variant"]: 1}
