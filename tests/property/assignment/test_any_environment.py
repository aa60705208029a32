"""Any environment, published: the Python SDK makes of the payload what we make of it."""

from __future__ import annotations

import json
from typing import Any

from growthbook import GrowthBook
from hypothesis import given, note, settings
from hypothesis import strategies as st

from experiments.assignment.answers import all_values
from experiments.assignment.context import Context
from experiments.assignment.features import evaluate_feature
from experiments.assignment.payload import read_payload
from experiments.assignment.picture import picture_of
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.feature import Feature, feature_from_document
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move
from experiments.definitions.segment import segment_from_document

FEATURES = ("f", "g", "h")
shares = st.integers(0, 10).map(lambda part: part / 10)
# Without null: the Python SDK passes over a rule that forces it.
values = st.sampled_from(["a", "b", 1, 2.5, True, False, {"a": [1]}, []])
texts = st.sampled_from(["FR", "DE", "2.10.0", "2.9", "10", "", "日本"])
numbers = st.integers(-3, 3) | st.sampled_from([0.5, 2.0, 1e21])


def operator(names: list[str], given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda name, to: {name: to}, st.sampled_from(names), given)


def ordering(names: list[str], given: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Of what is there: the Python SDK does not order nothing, the JavaScript SDK does."""
    return operator(names, given).map(lambda test: {"$exists": True, **test})


# Each attribute has one type, and none is compared with 0 as it stands: the Python SDK takes "10"
# and 10, or 0 and nothing, for different where the JavaScript SDK, whom we follow, does not.
of_texts = st.one_of(
    texts,
    operator(["$eq", "$ne"], texts),
    ordering(["$vgt", "$vlte", "$veq", "$vne"], texts),
    operator(["$in", "$nin"], st.lists(texts, max_size=3)),
    operator(["$inGroup", "$notInGroup"], st.just("listed")),
    operator(["$exists"], st.booleans()),
    st.sampled_from([{"$regex": "^[FD]"}, {"$not": {"$regex": "R$"}}, {"$type": "string"}]),
)
of_numbers = st.one_of(
    numbers.filter(bool),
    operator(["$eq", "$ne"], numbers),
    ordering(["$gt", "$lt", "$gte", "$lte"], numbers),
    operator(["$in", "$nin"], st.lists(numbers, max_size=3)),
    operator(["$exists"], st.booleans()),
)
of_lists = st.one_of(
    operator(["$in", "$nin", "$all"], st.lists(texts, max_size=3)),
    operator(["$exists"], st.booleans()),
    st.sampled_from([{"$size": 2}, {"$size": {"$gt": 0}}, {"$elemMatch": {"$eq": "FR"}}]),
)
attribute_tests = st.fixed_dictionaries(
    {},
    optional={
        "country": of_texts,
        "geo.city": of_texts,
        "age": of_numbers,
        "tags": of_lists,
    },
)
conditions = st.recursive(
    attribute_tests | st.just({"$savedGroup": {"id": "composed"}}),
    lambda inner: (
        st.builds(
            lambda name, to: {name: to},
            st.sampled_from(["$and", "$or", "$nor"]),
            st.lists(inner, min_size=1, max_size=3),
        )
        | st.builds(lambda to: {"$not": to}, inner)
    ),
    max_leaves=4,
)
units = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(0, 40).map("u{}".format) | st.sampled_from(["日本", "😀", "", 7, 1.5]),
        "device": st.integers(0, 40).map("d{}".format),
        "country": texts,
        "age": numbers,
        "geo": st.fixed_dictionaries({}, optional={"city": texts}),
        "tags": st.lists(texts, max_size=3),
    },
)


def needs(feature: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Prerequisites among the features before: what goes round in a circle is refused."""
    before = FEATURES[: FEATURES.index(feature)]
    wanted = st.sampled_from([{"$exists": True}, {"$ne": "a"}, {"$in": ["b", 1, True]}])
    return st.lists(
        st.builds(
            lambda name, value: {"feature": name, "condition": {"value": value}},
            st.sampled_from(before or FEATURES),
            wanted,
        ),
        max_size=1 if before else 0,
    )


segments = st.builds(
    lambda listed, composed: [
        segment_from_document({"key": "listed", "attribute": "country", "values": listed}),
        segment_from_document({"key": "composed", "condition": composed}),
    ],
    st.lists(texts, max_size=3),
    attribute_tests,
)


@st.composite
def features(draw: st.DrawFn, key: str) -> Feature:
    rule = st.fixed_dictionaries(
        {"value": values},
        optional={
            "condition": conditions,
            "coverage": shares,
            "unit_type": st.sampled_from(["id", "device"]),
            "prerequisites": needs(key),
        },
    )
    return feature_from_document(
        {
            "key": key,
            "type": "json",
            "default": draw(values | st.none()),
            "prerequisites": draw(needs(key)),
            "rules": draw(st.lists(rule, max_size=2)),
        }
    )


@st.composite
def standings(draw: st.DrawFn, key: str, at: int) -> Standing:
    first = draw(st.integers(1, 9)) / 10
    held = draw(st.integers(0, 5)) == 0
    names = ("held_out", "open") if held else ("v0", "v1")
    document: dict[str, Any] = {
        "key": key,
        "traffic": draw(shares),
        "unit_type": draw(st.sampled_from(["id", "device"])),
        "audience": draw(conditions | st.just({})),
        "variants": [
            {"key": names[0], "weight": first, "value": names[0] if held else draw(values)},
            {"key": names[1], "weight": 1 - first, "value": names[1] if held else draw(values)},
        ],
    }
    slices = ()
    if held:
        document["holdout"] = {}
    else:
        feature = draw(st.sampled_from(FEATURES))
        document |= {"feature": feature, "prerequisites": draw(needs(feature))}
        if draw(st.booleans()):
            document["layer"] = {"key": "page", "size": 0.4}
            slices = draw(st.sampled_from([((0, 4_000),), ((1_000, 2_000), (5_000, 8_000))]))
    standing = Standing("production", experiment_from_document(document), DRAFT, 1, 0, 0)
    dry = not held and draw(st.booleans())
    standing = move(standing, "start", at, Terms(dry_run=dry, slices=slices))
    verb = draw(st.sampled_from(["", "", "pause", "rerandomise", "ship", "stop"]))
    if verb and not (held and verb in {"ship", "rerandomise"}):
        terms = Terms()
        if verb == "ship":
            holdback = draw(st.none() | st.just(first / 2))
            terms = Terms(winner=names[1], holdback=holdback)
        standing = move(standing, verb, at + 1, terms)
    return standing


@st.composite
def environments(draw: st.DrawFn) -> tuple[list[Standing], list[tuple[Feature, int]]]:
    running = [draw(standings(f"e{n}", n * 10)) for n in range(draw(st.integers(1, 4)))]
    defined = [key for key in FEATURES if draw(st.booleans())]
    return running, [(draw(features(key)), 1) for key in defined]


@settings(deadline=None)
@given(environments(), segments, st.lists(units, min_size=1, max_size=8))
def test_the_python_sdk_makes_the_same_of_it(
    environment: Any, segments: Any, units: list[dict[str, Any]]
):
    running, defined = environment
    picture = picture_of(running, defined, segments)
    payload = json.loads(json.dumps(picture.published.payload))
    note(json.dumps(payload))
    read = read_payload(payload)
    sdk = GrowthBook(features=payload["features"], savedGroups=payload["savedGroups"])
    for attributes in units:
        sdk.set_attributes({**attributes})
        for key in payload["features"]:
            theirs = sdk.eval_feature(key)
            run = theirs.experimentResult
            ours = evaluate_feature(read, key, Context(attributes)).to_document()
            mine = ours.get("experimentResult")
            rule = "" if ours["source"] == "prerequisite" else ours["ruleId"]  # as they name it
            assert (ours["value"], ours["source"], rule, mine and mine["key"]) == (
                theirs.value,
                theirs.source,
                theirs.ruleId or "",
                run and run.key,
            ), (key, attributes)
        given, _visit = all_values(picture, attributes)
        for one in given:
            assert one.value == sdk.eval_feature(one.feature).value, (one, attributes)
    sdk.destroy()
