"""A body for every request of the reference. A test sends each of them to the service."""

from __future__ import annotations

from typing import Any

_ARMS = [{"key": "control", "weight": 0.5}, {"key": "treatment", "weight": 0.5}]
_ONE_KEY = "/api/v1/experiments/{key}"
_OFREP_CONTEXT = {"context": {"targetingKey": "user-1", "country": "CH"}}

# The key in the address of an example; where none is named, that of the experiment.
KEYS = {
    "/api/v1/metrics": "purchase",
    "/api/v1/segments": "europe",
    "/api/v1/layers": "checkout",
    "/api/v1/features": "dark-mode",
    "/api/v1/holdouts": "untouched",
}

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/metrics"): {"key": "purchase", "kind": "conversion", "event": "purchase"},
    ("PATCH", "/api/v1/metrics/{key}"): {"name": "Purchase within a week", "window_hours": 168},
    ("POST", "/api/v1/experiments"): {
        "key": "new-checkout",
        "variants": _ARMS,
        "metrics": [{"metric": "purchase", "role": "goal"}],
        "plan": {"planned_units": 20_000},
    },
    ("POST", "/api/v1/segments"): {
        "key": "europe",
        "condition": {"country": {"$in": ["CH", "FR"]}},
    },
    ("PATCH", "/api/v1/segments/{key}"): {"name": "Swiss and French"},
    ("POST", "/api/v1/layers"): {"key": "checkout"},
    ("PATCH", "/api/v1/layers/{key}"): {"name": "The checkout"},
    ("POST", "/api/v1/features"): {
        "key": "dark-mode",
        "type": "boolean",
        "default": False,
        "rules": [{"value": True, "condition": {"$savedGroup": {"id": "europe"}}, "coverage": 0.1}],
    },
    ("PATCH", "/api/v1/features/{key}"): {"name": "Dark mode"},
    ("POST", "/api/v1/holdouts"): {"key": "untouched", "size": 0.05},
    ("PATCH", "/api/v1/holdouts/{key}"): {"hypothesis": "All our tests together pay."},
    ("PATCH", _ONE_KEY): {"hypothesis": "One page brings more units to the end."},
    ("POST", f"{_ONE_KEY}/start"): {},
    ("POST", f"{_ONE_KEY}/clone"): {"key": "checkout-button-2", "name": "Second try"},
    ("POST", f"{_ONE_KEY}/pause"): {},
    ("POST", f"{_ONE_KEY}/resume"): {},
    ("POST", f"{_ONE_KEY}/rerandomise"): {"weights": {"control": 0.4, "treatment": 0.6}},
    ("POST", f"{_ONE_KEY}/stop"): {},
    ("POST", f"{_ONE_KEY}/ship"): {"variant": "treatment"},
    ("POST", f"{_ONE_KEY}/archive"): {},
    ("POST", f"{_ONE_KEY}/simulate"): {
        "units": ["user-1", {"unit_id": "user-2", "attributes": {"country": "CH"}}],
        "attributes": {"country": "FR"},
    },
    ("POST", "/api/v1/explain"): {
        "experiment": "new-checkout",
        "unit_id": "user-1",
        "attributes": {"country": "CH"},
    },
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
