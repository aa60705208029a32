"""The page on features can be followed: its commands, in their order, on a service."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import httpx

from tests.conftest import Service

PAGE = Path(__file__).parent.parent.parent / "docs" / "features.md"
# Each command that is answered with an error ends the script.
FOLLOW = 'set -euo pipefail\ncurl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def test_its_commands_work(service: Service, admin: httpx.Client):
    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL))
    assert "URL=http://127.0.0.1:8000;" in script
    key = admin.headers["Authorization"].removeprefix("Bearer ")
    done = subprocess.run(
        ["bash", "-c", FOLLOW + script.replace("http://127.0.0.1:8000", service.url)],
        env={"PATH": os.environ["PATH"], "KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    running = admin.get("/api/v1/experiments", params={"status": "running"}).json()["experiments"]
    assert {one["key"] for one in running} == {
        "summer", "autumn", "one-page", "trust-badge", "2031-first-half",
    }  # fmt: skip
    features = admin.get("/api/v1/features").json()["features"]
    assert {one["key"] for one in features} == {"banner", "new-cart", "gift-wrap"}
    assert admin.get("/api/v1/segments/testers").json()["revision"] == 2
