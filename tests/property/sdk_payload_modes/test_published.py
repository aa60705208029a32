"""Hashed attributes against a hashed payload: what the raw ones get, or the default."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.assignment.context import Context
from experiments.assignment.features import FeatureResult, evaluate_feature
from experiments.assignment.payload import read_payload
from experiments.sdk_payload_modes.client_fields import for_clients
from experiments.sdk_payload_modes.secure_attributes import hash_attributes, hashed

SALT = "5a17"
EMAILS = ["a@x", "b@x", "c@y"]
emails = st.sampled_from(EMAILS)
some_emails = st.lists(emails, max_size=3)
groups = st.sampled_from(["listed", "bare", "shown"])

secure_tests = st.recursive(
    emails
    | st.builds(lambda one: {"$eq": one}, emails)
    | st.builds(lambda one: {"$ne": one}, emails | st.none())
    | st.builds(lambda some: {"$in": some}, some_emails)
    | st.builds(lambda some: {"$nin": some}, some_emails)
    | st.builds(lambda yes: {"$exists": yes}, st.booleans())
    | st.sampled_from([{"$inGroup": "bare"}, {"$notInGroup": "listed"}])
    | st.sampled_from([{"$regex": "x$"}, {"$gt": "b"}, {"$ini": ["A@X"]}, {"$in": [7]}]),
    lambda inner: st.builds(
        lambda name, test: {name: test},
        st.sampled_from(["$not", "$elemMatch"]),
        inner.filter(lambda one: isinstance(one, dict)),
    ),
    max_leaves=3,
)
leaves = (
    st.builds(lambda test: {"email": test}, secure_tests)
    | st.builds(lambda country: {"country": country}, st.sampled_from(["FR", "DE"]))
    | st.builds(lambda group: {"country": {"$inGroup": group}}, groups)
    | st.just({"email.domain": "x"})
)
conditions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(
            lambda name, parts: {name: parts},
            st.sampled_from(["$and", "$or", "$nor"]),
            st.lists(inner, min_size=1, max_size=2),
        )
        | st.builds(lambda one: {"$not": one}, inner)
    ),
    max_leaves=4,
)


@st.composite
def rules(draw: st.DrawFn, before: list[str]) -> dict[str, Any]:
    rule: dict[str, Any] = draw(
        st.sampled_from(
            [
                {"variations": [0, 1], "key": "trial", "hashVersion": 2},
                {"variations": [0, 1], "key": "other", "hashAttribute": "email"},
                {"force": "forced"},
            ]
        )
    )
    rule = {**rule, "condition": draw(conditions)}
    if before and draw(st.booleans()):
        parent = {"id": draw(st.sampled_from(before)), "condition": {"value": "forced"}}
        rule["parentConditions"] = [{**parent, "gate": draw(st.booleans())}]
    return rule


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    features: dict[str, Any] = {}
    for key in ("one", "two", "three"):
        drawn = draw(st.lists(rules(list(features)), min_size=1, max_size=3))
        features[key] = {"defaultValue": "default", "rules": drawn}
    return {
        "status": 200,
        "features": features,
        "dateUpdated": "2026-01-01T00:00:00Z",
        "savedGroups": {
            "listed": draw(some_emails),
            "bare": draw(some_emails),
            "shown": ["FR"],
        },
    }


def seen(result: FeatureResult) -> tuple[Any, Any, Any]:
    ran = result.result
    if ran is None or not ran.in_experiment:
        return result.value, None, None
    return result.value, ran.spec.key, ran.value


@settings(max_examples=200, deadline=None)
@given(payloads(), st.none() | emails | some_emails, st.sampled_from(["FR", "DE", "b@x"]))
def test_nobody_gets_what_the_raw_attributes_would_not_give(
    payload: dict[str, Any], email: Any, country: str
):
    raw = {"id": "u1", "country": country, **({} if email is None else {"email": email})}
    told = {**raw}
    if isinstance(email, list):
        told["email"] = [hashed(one, SALT) for one in email]
    elif email is not None:
        told["email"] = hashed(email, SALT)
    published, withheld = hash_attributes(payload, ("email",), SALT)
    published = for_clients(published)
    cut = {one.feature for one in withheld}
    for key in payload["features"]:
        ours = seen(evaluate_feature(read_payload(payload), key, Context(raw)))
        theirs = seen(evaluate_feature(read_payload(published), key, Context(told)))
        assert theirs == ours or (key in cut and theirs == ("default", None, None))
    # A list that is looked up for other attributes only is none of a secure one.
    told_of = str(published["features"])
    for key, members in published.get("savedGroups", {}).items():
        if f"'email': {{'$inGroup': '{key}'" in told_of:
            told_of += str(members)
    assert not any(one in told_of for one in EMAILS)
