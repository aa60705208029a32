"""The exact requests that an empty page tells its reader to send, as curl commands."""

from __future__ import annotations

import json
import shlex
from typing import Any


def curl(method: str, url: str, body: dict[str, Any] | None = None, *, key: bool = True) -> str:
    """One request that can be pasted into a shell; the key comes from $EVENHAND_KEY."""
    verb = "" if method == "GET" else f"-X {method} "
    address = f'"{url}"' if "$" in url else shlex.quote(url)  # the shell fills in a variable
    lines = [f"curl {verb}{address}"]
    if key:
        lines.append('-H "Authorization: Bearer $EVENHAND_KEY"')
    if body is not None:
        lines.append('-H "Content-Type: application/json"')
        lines.append(f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)


def create_metric(base: str) -> str:
    body = {"key": "purchase", "kind": "conversion", "event": "purchase"}
    return curl("POST", f"{base}/api/v1/metrics", body)


def create_experiment(base: str) -> str:
    body = {
        "key": "new-checkout",
        "variants": [{"key": "control", "weight": 0.5}, {"key": "treatment", "weight": 0.5}],
        "metrics": [{"metric": "purchase", "role": "goal"}],
    }
    return curl("POST", f"{base}/api/v1/experiments", body)


def start(base: str, key: str) -> str:
    return curl("POST", f"{base}/api/v1/experiments/{key}/start", {})


def send_exposure(base: str, key: str, variant: str) -> str:
    exposure = {"type": "exposure", "experiment": key, "variant": variant, "unit_id": "user-1"}
    return curl("POST", f"{base}/api/v1/events", {"events": [exposure]})


def send_outcome(base: str, event: str) -> str:
    outcome = {"type": "outcome", "event": event, "event_id": "order-1", "unit_id": "user-1"}
    return curl("POST", f"{base}/api/v1/events", {"events": [outcome]})


def raise_traffic(base: str, key: str) -> str:
    return curl("PATCH", f"{base}/api/v1/experiments/{key}", {"traffic": 1.0})


def read_results(base: str, key: str) -> str:
    return curl("GET", f"{base}/api/v1/experiments/{key}/results")
