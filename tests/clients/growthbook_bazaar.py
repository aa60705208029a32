"""An environment with one of everything that can decide about a feature."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.clients.growthbook_shop import ARMS as HERO
from tests.clients.growthbook_shop import AUDIENCE, TRAFFIC
from tests.conftest import Service

ARMS = [
    {"key": "off", "weight": 0.5, "value": "🙂"},
    {"key": "on", "weight": 0.5, "value": "日本"},
]
FLAG = [
    {"key": "no", "weight": 0.6, "value": False},
    {"key": "yes", "weight": 0.4, "value": True},
]
# The control in the middle: a hold-back leaves it a part of its range, with the winner around it.
THREE = [
    {"key": "low", "weight": 0.3, "value": 1},
    {"key": "mid", "weight": 0.4, "value": 2, "control": True},
    {"key": "top", "weight": 0.3, "value": 2.5},
]
IN_EUROPE = {"$savedGroup": {"id": "europe"}}
NEEDS_BANNER = [{"feature": "banner", "condition": {"value": True}}]

SEGMENTS: list[dict[str, Any]] = [
    {"key": "europe", "condition": {"geo.continent": "EU", "bot": {"$ne": True}}},
    {"key": "paying", "attribute": "plan", "values": ["team", "pro", "日本"]},
]
FEATURES: list[dict[str, Any]] = [
    {
        "key": "banner",
        "type": "boolean",
        "default": False,
        "rules": [
            {"id": "old-apps", "value": False, "condition": {"app": {"$vlt": "2.10.0"}}},
            {"id": "europeans", "value": True, "condition": IN_EUROPE},
            {"id": "a-third", "value": True, "coverage": 0.3, "salt": "dice"},
        ],
    },
    {
        "key": "teaser",
        "type": "string",
        "default": "none",
        "prerequisites": NEEDS_BANNER,
        "rules": [
            {
                "id": "some-devices",
                "value": "device",
                "coverage": 0.2,
                "unit_type": "device",
                "prerequisites": [{"feature": "left", "condition": {"value": {"$ne": "🙂"}}}],
            }
        ],
    },
    {
        "key": "page",
        "type": "json",
        "default": {"title": "t"},
        "rules": [{"id": "robots", "value": [], "condition": {"bot": True}}],
    },
    {
        "key": "note",
        "type": "json",
        "default": None,
        "prerequisites": NEEDS_BANNER,
        "rules": [{"id": "notes", "value": {"text": "n"}}],
    },
    {"key": "halted-defined", "type": "boolean", "default": True},
    {"key": "done-defined", "type": "number", "default": 0},
]
# In the order of their starts: a holdout keeps units out of what starts after it.
EXPERIMENTS: list[dict[str, Any]] = [
    {"key": "hero", "variants": HERO, "traffic": TRAFFIC, "audience": AUDIENCE},
    {
        "key": "quiet",
        "holdout": {},
        "variants": [{"key": "held_out", "weight": 0.1}, {"key": "open", "weight": 0.9}],
    },
    {
        "key": "quiet-screen",
        "holdout": {"layer": "screen"},
        "variants": [{"key": "held_out", "weight": 0.2}, {"key": "open", "weight": 0.8}],
    },
    {"key": "left", "variants": ARMS, "layer": {"key": "screen", "size": 0.4}, "traffic": 0.9},
    {
        "key": "right",
        "variants": THREE,
        "layer": {"key": "screen", "size": 0.35},
        "audience": {"$or": [IN_EUROPE, {"plan": {"$inGroup": "paying"}}]},
    },
    {"key": "needing", "variants": FLAG, "prerequisites": NEEDS_BANNER, "audience": IN_EUROPE},
    {"key": "paying-only", "variants": ARMS, "audience": {"$savedGroup": {"id": "paying"}}},
    {"key": "first-in-teaser", "feature": "teaser", "variants": ARMS, "audience": {"bot": True}},
    {"key": "then-in-teaser", "feature": "teaser", "variants": ARMS, "traffic": 0.5},
    {"key": "titles", "feature": "page", "variants": [
        {"key": "a", "weight": 0.5, "value": {"title": "a"}},
        {"key": "b", "weight": 0.5, "value": {"title": "b", "size": [1]}},
    ]},
    {"key": "halted", "variants": FLAG, "audience": IN_EUROPE},
    {"key": "halted-too", "feature": "halted-defined", "variants": FLAG, "audience": IN_EUROPE},
    {"key": "done", "variants": THREE, "audience": IN_EUROPE},
    {"key": "done-too", "feature": "done-defined", "variants": THREE, "audience": IN_EUROPE},
    {"key": "kept-back", "variants": THREE, "traffic": 0.5},
    {"key": "rehearsed", "variants": ARMS},
    {"key": "anew", "variants": THREE},
    {"key": "over", "variants": FLAG},
    {"key": "gadget", "variants": THREE, "unit_type": "device"},
    {"key": "tried", "variants": ARMS, "overrides": {"on": ["nobody-yet"]}},
]  # fmt: skip
MOVES: list[tuple[str, str, dict[str, Any]]] = [
    ("halted", "pause", {}),
    ("halted-too", "pause", {}),
    ("done", "ship", {"variant": "top"}),
    ("done-too", "ship", {"variant": "top"}),
    ("kept-back", "ship", {"variant": "low", "holdback": 0.25}),
    ("anew", "rerandomise", {"weights": {"low": 0.1, "mid": 0.1, "top": 0.8}}),
    ("over", "stop", {}),
]


def unit(number: int) -> dict[str, Any]:
    """The attributes of one of many units; some lack what the audiences look at."""
    names = ("user-{}", "日本{}", "😀{}", "{}", "ünï-{}")
    return {
        "id": names[number % 5].format(number),
        "country": ("FR", "DE", "CH")[number % 3],
        "app": ("2.9.3", "2.10.0", "3.0")[number % 7 % 3],
        "geo": {"continent": ("EU", "AS")[number % 11 % 2]},
        "plan": ("pro", "free", None, "日本")[number % 13 % 4],
        **({"bot": number % 34 == 0} if number % 17 == 0 else {}),
        **({"device": f"d-{number % 4_000}"} if number % 19 else {}),
    }


@dataclass(frozen=True, slots=True)
class Bazaar:
    """`winners` are the variants that are shipped, `controls` those of all experiments, by key."""

    url: str
    admin: httpx.Client
    environment: str
    key: str
    controls: dict[str, str]
    winners: dict[str, str] = field(default_factory=dict)

    def payload(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/api/features/{self.key}").json()
        return answer


def post(admin: httpx.Client, path: str, document: dict[str, Any]) -> None:
    answer = admin.post(f"/api/v1/{path}", json=document)
    assert answer.is_success, (path, answer.text)


def open_bazaar(service: Service, admin: httpx.Client, environment: str) -> Bazaar:
    post(admin, "layers", {"key": "screen"})
    for segment in SEGMENTS:
        post(admin, "segments", segment)
    # The teaser asks for what an experiment fills: that must be there first.
    later = {"teaser"}
    for feature in FEATURES:
        if feature["key"] not in later:
            post(admin, "features", feature)
    for experiment in EXPERIMENTS:
        if experiment["key"] == "first-in-teaser":
            for feature in FEATURES:
                if feature["key"] in later:
                    post(admin, "features", feature)
        post(admin, "experiments", experiment)
        dry = {"dry_run": True} if experiment["key"] == "rehearsed" else {}
        post(admin, f"experiments/{experiment['key']}/start", dry)
    for key, verb, terms in MOVES:
        post(admin, f"experiments/{key}/{verb}", terms)
    time.sleep(1.0)  # until every worker has seen it
    return Bazaar(
        service.url,
        admin,
        environment,
        service.key("server", environment),
        controls={
            one["key"]: next(
                (arm["key"] for arm in one["variants"] if arm.get("control")),
                one["variants"][0]["key"],
            )
            for one in EXPERIMENTS
        },
        winners={key: terms["variant"] for key, verb, terms in MOVES if verb == "ship"},
    )
