"""The flags that every OpenFeature SDK is asked for, and the scripts that ask in JavaScript."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Service

ASSIGN = "/api/v1/assignments"
# type, the control's value, the other's, a default that is neither
FLAGS: dict[str, tuple[str, Any, Any, Any]] = {
    "dark": ("boolean", False, True, True),
    "title": ("string", "Welcome", "Grüezi 😀", "none"),
    "columns": ("integer", 3, 4, -1),
    "price": ("float", 1, 1.5, -1.0),  # a whole number beside a fraction
    "rate": ("float", 1.0, 2.0, -1.0),
    "banner": ("object", {"text": "Hi", "size": 1}, {"text": "Ho", "size": [2]}, {"text": ""}),
}
UNITS = [f"user-{number}" for number in range(12)]


def start(admin: httpx.Client, key: str, control: Any, other: Any, **fields: Any) -> None:
    variants = [
        {"key": "off", "weight": 0.5, "value": control},
        {"key": "on", "weight": 0.5, "value": other},
    ]
    created = admin.post("/api/v1/experiments", json={"key": key, "variants": variants, **fields})
    assert created.status_code == 201, created.text
    assert admin.post(f"/api/v1/experiments/{key}/start").status_code == 200


def key_of(service: Service, admin: httpx.Client, kind: str) -> str:
    """A key of this kind for the environment of an admin."""
    environment = admin.headers["Authorization"].split("_")[2]
    return service.key(kind, environment)


def assigned(admin: httpx.Client, flag: str, unit: str, **attributes: Any) -> dict[str, Any]:
    body = {"unit_id": unit, "experiments": [flag], "attributes": attributes}
    return admin.post(ASSIGN, json=body).json()["assignments"][0]


def javascript_type(flag: str) -> str:
    kind = FLAGS[flag][0]
    return "number" if kind in {"integer", "float"} else kind


class Script:
    """A script in Node that answers commands."""

    def __init__(self, node: Path, script: Path) -> None:
        self._process = subprocess.Popen(
            [node, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, do: str, **command: Any) -> Any:
        answer = self.try_to(do, **command)
        assert "error" not in answer, answer
        return answer["ok"]

    def try_to(self, do: str, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **command}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # the end of its input ends it
        assert self._process.wait(30) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()
