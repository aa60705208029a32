"""What the tests of definitions have in common."""

from __future__ import annotations

from typing import Any

import httpx

ARMS = [
    {"key": "off", "weight": 0.5, "value": False},
    {"key": "on", "weight": 0.5, "value": True},
]
EUROPE = {"key": "europe", "condition": {"country": {"$in": ["CH", "FR"]}}}
IN_EUROPE = {"$savedGroup": {"id": "europe"}}
BANNER = {"key": "banner", "type": "boolean", "default": False}


def post(admin: httpx.Client, kind: str, /, **document: Any) -> httpx.Response:
    return admin.post(f"/api/v1/{kind}", json=document)


def made(admin: httpx.Client, kind: str, /, **document: Any) -> dict[str, Any]:
    answer = post(admin, kind, **document)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def experiment(admin: httpx.Client, **fields: Any) -> dict[str, Any]:
    return made(admin, "experiments", **{"key": "test", "variants": ARMS, **fields})


def move(admin: httpx.Client, key: str, *verbs: str) -> None:
    for verb in verbs:
        answer = admin.post(f"/api/v1/experiments/{key}/{verb}")
        assert answer.status_code == 200, answer.text


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Its status and code, after a look at how it is said."""
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["detail"]
    return answer.status_code, problem["code"]


def places(answer: httpx.Response) -> list[str]:
    """Where the mistakes are."""
    return [one["path"] for one in answer.json()["errors"]]
