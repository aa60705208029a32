"""Generated requests to every operation of the OpenAPI document: no 5xx, no schema broken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api import create_app
from experiments.settings import Settings

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def key(service) -> str:
    """An admin of an environment with something in it to be found."""
    with service.client("admin", "contract") as admin:
        admin.post(
            "/api/v1/metrics", json={"key": "purchase", "kind": "conversion", "event": "buy"}
        )
        admin.post(
            "/api/v1/experiments",
            json={
                "key": "button",
                "variants": [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}],
                "metrics": [{"metric": "purchase", "role": "goal"}],
            },
        )
        admin.post("/api/v1/experiments/button/start")
        made = [
            ("segments", {"key": "button", "condition": {"country": "CH"}}),
            ("layers", {"key": "button"}),
            ("features", {"key": "button", "type": "string", "default": "grey"}),
            ("holdouts", {"key": "untouched", "size": 0.1}),
        ]
        for kind, document in made:
            assert admin.post(f"/api/v1/{kind}", json=document).status_code == 201, kind
        return admin.headers["Authorization"]


@pytest.fixture(scope="module")
def client_key(service) -> str:
    """A client of the same environment, for the routes that have the key in their address."""
    return service.key("client", "contract")


def operations() -> list:
    """Every operation of the document, which is made without starting anything."""
    nowhere = Settings("sqlite:////nowhere/e.db", Path("/nowhere"), secret_key="for tests")
    document = create_app(nowhere).test_client().get("/openapi.json").json
    found = schemathesis.openapi.from_dict(document).get_all_operations()
    return [pytest.param(one.ok(), id=one.ok().label) for one in found]


@pytest.mark.parametrize("operation", operations())
def test_every_operation_keeps_its_contract(operation, service, key: str, client_key: str):
    @given(operation.as_strategy())
    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def run(case) -> None:
        parameters = case.path_parameters or {}
        if "key" in parameters and len(str(parameters["key"])) % 2:
            # Half of the requests meet something that is there.
            parameters["key"] = "untouched" if "/holdouts" in operation.path else "button"
        if "client_key" in parameters and "/sub/" not in operation.path:  # a stream has no end
            parameters["client_key"] = client_key
        if "client_key" in (case.query or {}):
            case.query["client_key"] = client_key
        if "/events/tail" in operation.path:  # a stream has no end, unless one is asked for
            case.query = {**(case.query or {}), "seconds": 1}
        response = case.call(base_url=service.url, headers={"Authorization": key})
        case.validate_response(response, checks=CHECKS)

    run()


def test_the_document_names_every_route_of_the_api(service):
    app = create_app(Settings.from_env(service.env))
    routes = {
        re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/api/", "/ofrep/", "/sub/", "/track"))
    }
    assert routes == set(app.test_client().get("/openapi.json").json["paths"])
