"""What the public cases do not show: why, exposures on the way, documents to store, addresses."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.assignment.context import Context, Overrides
from experiments.assignment.decide import Step
from experiments.assignment.features import FeatureResult, evaluate_feature, run
from experiments.assignment.payload import read_experiment, read_payload
from experiments.assignment.sticky import StickyDocument
from experiments.assignment.urls import UrlTarget, is_targeted, query_string_override

ARMS = {"variations": ["grey", "green"], "meta": [{"key": "grey"}, {"key": "green"}]}


def ask(features: dict[str, Any], key: str, context: Context) -> FeatureResult:
    return evaluate_feature(read_payload({"features": features}), key, context)


@pytest.mark.parametrize(
    ("experiment", "context", "step"),
    [
        ({"variations": ["one"]}, Context({"id": "u"}), Step.TOO_FEW_VARIATIONS),
        ({}, Context({"id": "u"}, Overrides(enabled=False)), Step.DISABLED),
        ({"urlPatterns": []}, Context({"id": "u"}), Step.URL),
        ({}, Context({"id": "u"}, Overrides(url="/?e=1")), Step.QUERY_STRING),
        ({"active": False}, Context({"id": "u"}, Overrides(variations={"e": 1})), Step.FORCED),
        ({"status": "draft"}, Context({"id": "u"}), Step.INACTIVE),
        ({}, Context({"id": 0}), Step.NO_UNIT),
        ({"filters": [{"seed": "l", "ranges": []}]}, Context({"id": "u"}), Step.FILTER),
        ({"namespace": ["n", 0, 0]}, Context({"id": "u"}), Step.NAMESPACE),
        ({"condition": {"a": 1}}, Context({"id": "u"}), Step.CONDITION),
        (
            {"parentConditions": [{"id": "nope", "condition": {"value": True}}]},
            Context({"id": "u"}),
            Step.PREREQUISITE,
        ),
        ({"hashVersion": 3}, Context({"id": "u"}), Step.HASH_VERSION),
        ({"coverage": 0}, Context({"id": "u"}), Step.COVERAGE),
        ({"force": 1}, Context({"id": "u"}, Overrides(qa_mode=True)), Step.FORCED_FOR_ALL),
        ({}, Context({"id": "u"}, Overrides(qa_mode=True)), Step.QA_MODE),
        ({"status": "stopped"}, Context({"id": "u"}), Step.STOPPED),
        ({}, Context({"id": "u"}), Step.HASH),
    ],
)
def test_the_step_that_decides(experiment: dict[str, Any], context: Context, step: Step):
    result = run(read_experiment({"key": "e", **ARMS, **experiment}), context)
    assert result.step is step
    forced = {Step.QUERY_STRING, Step.FORCED, Step.FORCED_FOR_ALL}
    assert result.in_experiment is (step is Step.HASH or step in forced)
    assert result.hash_used is (step is Step.HASH)


def test_a_holdout_is_seen_on_the_way_and_goes_on():
    holdout = {
        "rules": [
            {
                "key": "held",
                "hashVersion": 2,
                "variations": ["out", "in"],
                "weights": [0.1, 0.9],
            }
        ]
    }
    feature = {
        "defaultValue": "default",
        "rules": [
            {"force": "control", "parentConditions": [
                {"id": "$holdout", "condition": {"value": "out"}}]},
            {"key": "e", "hashVersion": 2, **ARMS},
        ],
    }  # fmt: skip
    features = {"$holdout": holdout, "f": feature}
    seen = {"out": 0, "in": 0}
    for number in range(300):
        found = ask(features, "f", Context({"id": f"u{number}"}))
        names = [one.spec.key for one in found.exposures]
        held = found.exposures[0].value
        seen[held] += 1
        assert (found.source, names) == (
            ("force", ["held"]) if held == "out" else ("experiment", ["held", "e"])
        )
    assert 10 < seen["out"] < 60


def test_a_forced_value_and_a_rollout_that_grows():
    features = {"f": {"defaultValue": 0, "rules": [{"force": 1, "coverage": 0.3, "seed": "r"}]}}
    forced = ask(features, "f", Context({"id": "u"}, Overrides(features={"f": 7})))
    assert (forced.value, forced.source) == (7, "override")
    units = [Context({"id": f"u{number}"}) for number in range(500)]
    before = {one.attributes["id"] for one in units if ask(features, "f", one).value}
    features["f"]["rules"][0]["coverage"] = 0.6
    after = {one.attributes["id"] for one in units if ask(features, "f", one).value}
    assert 100 < len(before) < 200
    assert before < after


def test_a_variation_is_kept_when_weights_and_attributes_change():
    def features(weights: list[float]) -> dict[str, Any]:
        rule = {"key": "e", "weights": weights, "condition": {"country": "FR"}, **ARMS}
        return {"f": {"defaultValue": "none", "rules": [rule]}}

    first = ask(features([1, 0]), "f", Context({"id": "u", "country": "FR"}, sticky={}))
    assert first.sticky_documents == (StickyDocument("id", "u", {"e__0": "grey"}),)
    kept = {one.key: one for one in first.sticky_documents}
    later = ask(features([0, 1]), "f", Context({"id": "u", "country": "DE"}, sticky=kept))
    assert (later.value, later.sticky_documents) == ("grey", ())
    assert later.result
    assert later.result.step is Step.STICKY
    assert ask(features([0, 1]), "f", Context({"id": "u", "country": "FR"})).value == "green"


def test_who_was_in_under_a_blocked_version_stays_out():
    rule = {"key": "e", "bucketVersion": 3, "minBucketVersion": 10**12, **ARMS}
    kept = {"id||u": StickyDocument("id", "u", {"e__2": "green"})}
    spec = read_experiment(rule)
    blocked = run(spec, Context({"id": "u"}, sticky=kept))
    assert (blocked.step, blocked.in_experiment, blocked.sticky_used) == (
        Step.BLOCKED, False, True,
    )  # fmt: skip
    assert run(spec, Context({"id": "v"}, sticky=kept)).in_experiment


@pytest.mark.parametrize(
    ("url", "kind", "pattern", "expected"),
    [
        ("https://example.com/home", "simple", "/home", True),
        ("https://example.com/home/", "simple", "/home", True),
        ("https://example.com/home/x", "simple", "/home", False),
        ("https://example.com/home/x", "simple", "/home/*", True),
        ("https://example.com/home", "simple", "example.com/*", True),
        ("https://shop.example.com/home", "simple", "*.example.com/home", True),
        ("https://example.com/home", "simple", "other.com/home", False),
        ("https://example.com/a?b=1&c=2", "simple", "/a?c=2", True),
        ("https://example.com/a?b=1", "simple", "/a?c=2", False),
        ("https://example.com/a#top", "simple", "/a#top", True),
        ("https://example.com/a#end", "simple", "/a#top", False),
        ("https://example.com/a.b", "simple", "/a.b", True),
        ("https://example.com/axb", "simple", "/a.b", False),
        ("https://example.com/post/12", "regex", "^/post/[0-9]+$", True),
        ("https://example.com/post/12", "regex", "^https://example", True),
        ("https://example.com/post/x", "regex", "^/post/[0-9]+$", False),
        ("https://example.com/post/x", "regex", "(", False),
        ("https://example.com/", "new", ".*", False),
        ("http://[", "simple", "/", False),
    ],
)
def test_url_targets(url: str, kind: str, pattern: str, expected: bool):
    assert is_targeted(url, [UrlTarget(kind, pattern)]) is expected
    assert is_targeted(url, [UrlTarget(kind, pattern, include=False)]) is not expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/?e=1abc", 1),
        ("https://example.com/?e=%31", None),
        ("https://example.com/?e=-1", None),
        ("https://example.com/?e=" + "9" * 10_000, None),
        ("https://example.com/?e=x&e=1", None),
        ("https://example.com/#?e=1", 1),
        ("https://example.com/?x=1#e=1", None),
    ],
)
def test_a_variation_by_query_string(url: str, expected: int | None):
    assert query_string_override("e", url, 2) == expected
