"""A body for every request of the reference. A test sends each of them to the service."""

from __future__ import annotations

from typing import Any

_ARMS = [{"key": "control", "weight": 0.5}, {"key": "treatment", "weight": 0.5}]
_ONE_KEY = "/api/v1/experiments/{key}"
_OFREP_CONTEXT = {"context": {"targetingKey": "user-1", "country": "CH"}}

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/metrics"): {"key": "purchase", "kind": "conversion", "event": "purchase"},
    ("PATCH", "/api/v1/metrics/{key}"): {"name": "Purchase within a week", "window_hours": 168},
    ("POST", "/api/v1/experiments"): {
        "key": "new-checkout",
        "variants": _ARMS,
        "metrics": [{"metric": "purchase", "role": "goal"}],
        "plan": {"planned_units": 20_000},
    },
    ("PATCH", _ONE_KEY): {"hypothesis": "One page brings more units to the end."},
    ("POST", f"{_ONE_KEY}/start"): {},
    ("POST", f"{_ONE_KEY}/pause"): {},
    ("POST", f"{_ONE_KEY}/resume"): {},
    ("POST", f"{_ONE_KEY}/stop"): {},
    ("POST", f"{_ONE_KEY}/ship"): {"variant": "treatment"},
    ("POST", f"{_ONE_KEY}/archive"): {},
    ("POST", "/api/v1/power"): {
        "kind": "conversion",
        "baseline": 0.1,
        "lift": 0.05,
        "units_per_day": 4_000,
    },
    ("POST", "/api/v1/assignments"): {
        "unit_id": "user-1",
        "attributes": {"country": "CH"},
        "experiments": ["new-checkout"],
        "log_exposure": True,
    },
    ("POST", "/api/v1/events"): {
        "events": [
            {
                "type": "outcome",
                "event_id": "order-1",
                "event": "purchase",
                "unit_id": "user-1",
                "value": 24.5,
            }
        ]
    },
    ("POST", "/api/v1/keys"): {
        "kind": "client",
        "name": "web shop",
        "payload": "encrypted",
        "secure_attributes": ["email"],
    },
    ("POST", "/api/eval/{client_key}"): {"attributes": {"id": "user-1", "country": "CH"}},
    ("POST", "/track"): {
        "events": [
            {
                "event_name": "purchase",
                "properties": {"value": 24.5},
                "attributes": {"id": "user-1"},
            }
        ]
    },
    ("POST", "/ofrep/v1/evaluate/flags"): _OFREP_CONTEXT,
    ("POST", "/ofrep/v1/evaluate/flags/{key}"): _OFREP_CONTEXT,
}
