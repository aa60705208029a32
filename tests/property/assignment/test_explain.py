"""An explanation ends where the assignment does, whatever is defined in the environment."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from api.assignments import assignment_document
from api.console.explain_page import Asked, ExplainPage, explain_page
from api.console.words import words_in
from experiments.assignment.answers import assign
from experiments.assignment.explain import explain
from experiments.assignment.explanation import DECIDED, OUTCOMES, STEPS, STOPPED, Explanation
from experiments.assignment.picture import EnvironmentPicture, picture_of
from experiments.assignment.simulate import Subject, simulate
from experiments.assignment.sticky import StickyDocument
from experiments.definitions.experiment import Experiment, experiment_from_document
from experiments.definitions.feature import feature_from_document
from experiments.definitions.holdout import holdout_experiment
from experiments.definitions.lifecycle import DRAFT, Standing, Terms, move
from experiments.definitions.segment import segment_from_document

ENDS = {
    ("unit", STOPPED): "ERROR",
    ("state", STOPPED): "DISABLED",
    ("override", DECIDED): "OVERRIDE",
    ("override", STOPPED): "FEATURE_TAKEN",
    ("feature", STOPPED): "DISABLED",
    ("feature_prerequisite", STOPPED): "PREREQUISITE_UNMET",
    ("earlier_rule", STOPPED): "FEATURE_TAKEN",
    ("holdout", STOPPED): "HOLDOUT",
    ("prerequisite", STOPPED): "PREREQUISITE_UNMET",
    ("layer", STOPPED): "LAYER_EXCLUDED",
    ("audience", STOPPED): "TARGETING_MISMATCH",
    ("sticky", DECIDED): "STICKY",
    ("sticky", STOPPED): "BLOCKED",
    ("hash", DECIDED): "SPLIT",
    ("hash", STOPPED): "NOT_IN_TRAFFIC",
    ("shipped", DECIDED): "SHIPPED",
    ("paused", STOPPED): "DISABLED",
}
UNITS = ("u1", "u2", "u3", "7")
LIVES: tuple[tuple[str, ...], ...] = (
    (),
    *[("start",)] * 6,
    ("dry",),
    ("start", "pause"),
    ("start", "rerandomise"),
    ("start", "stop"),
    ("start", "ship"),
    ("start", "hold"),
)
AUDIENCES: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"country": "FR"},
    {"$and": [{"a.b": 1}, {"country": "FR"}], "id": {"$ne": "u3"}},
    {"$not": {"country": "FR"}},
    {"$savedGroup": {"id": "listed"}},
    {"id": {"$inGroup": "listed"}},
)
SEGMENTS = (segment_from_document({"key": "listed", "attribute": "id", "values": ["u1", "7"]}),)
# A feature only asks for one before it, so that there is no cycle.
FEATURES = ("f0", "f1", "f2")
NEEDS: tuple[dict[str, Any], ...] = ({"value": 1}, {"value": {"$ne": 2}}, {"value": {"$gte": 0}})


@st.composite
def prerequisites(draw: st.DrawFn, feature: str) -> list[dict[str, Any]]:
    before = FEATURES[: FEATURES.index(feature)]
    if not before or not draw(st.booleans()):
        return []
    asked = draw(st.lists(st.sampled_from(before), max_size=2))
    return [{"feature": one, "condition": draw(st.sampled_from(NEEDS))} for one in asked]


@st.composite
def standings(draw: st.DrawFn, number: int) -> Standing:
    feature = draw(st.sampled_from(FEATURES))
    document: dict[str, Any] = {
        "key": f"e{number}",
        "feature": feature,
        "variants": [
            {"key": "a", "weight": 0.5, "value": 0},
            {"key": "b", "weight": 0.3, "value": 1},
            {"key": "c", "weight": 0.2, "value": 2},
        ],
        "traffic": draw(st.sampled_from([1.0, 1.0, 0.5])),
        "audience": draw(st.sampled_from(AUDIENCES)),
        "unit_type": draw(st.sampled_from(["id"] * 6 + ["device"])),
        "prerequisites": draw(prerequisites(feature)),
        "overrides": draw(st.sampled_from([{}, {}, {"b": ["u2"]}, {"a": ["7"]}])),
        "layer": draw(st.sampled_from([None, {"key": "page", "size": 0.5}])),
        "sticky": draw(st.sampled_from([None, {"bucket_version": 1, "min_bucket_version": 1}])),
    }
    return lived(draw, document, LIVES)


def lived(
    draw: st.DrawFn, document: dict[str, Any], lives: tuple[tuple[str, ...], ...]
) -> Standing:
    one = Standing("production", experiment_from_document(document), DRAFT, 1, 0, 0)
    start = draw(st.integers(1, 9))
    for at, verb in enumerate(draw(st.sampled_from(lives)), start):
        terms = Terms(
            winner="b" if verb in {"ship", "hold"} else None,
            holdback=0.2 if verb == "hold" else None,
            dry_run=verb == "dry",
            slices=((0, 2000), (5000, 8000)),
        )
        one = move(one, {"dry": "start", "hold": "ship"}.get(verb, verb), at, terms)
    return one


@st.composite
def holdouts(draw: st.DrawFn, number: int) -> Standing:
    document = {
        "key": f"h{number}",
        "size": draw(st.sampled_from([0.1, 0.5])),
        "layer": draw(st.sampled_from([None, "page"])),
        "audience": draw(st.sampled_from(AUDIENCES)),
    }
    return lived(draw, holdout_experiment(document), (("start",), ("start", "pause"), ()))


@st.composite
def features(draw: st.DrawFn, key: str, experiments: list[str]) -> Any:
    named = draw(st.lists(st.sampled_from(experiments), unique=True)) if experiments else []
    rules: list[dict[str, Any]] = [{"id": f"r-{one}", "experiment": one} for one in named]
    for index in range(draw(st.integers(0, 2))):
        rule: dict[str, Any] = {"id": f"forced-{index}", "value": index}
        if draw(st.booleans()):
            rule["condition"] = {"country": draw(st.sampled_from(["FR", "DE"]))}
        if draw(st.booleans()):
            rule["coverage"] = 0.4
        rule["prerequisites"] = draw(prerequisites(key))
        rules.insert(draw(st.integers(0, len(rules))), rule)
    return feature_from_document(
        {
            "key": key,
            "type": "number",
            "default": draw(st.sampled_from([0, 1.5])),
            "prerequisites": draw(prerequisites(key)),
            "rules": rules,
        }
    )


@st.composite
def pictures(draw: st.DrawFn) -> EnvironmentPicture:
    those = [draw(standings(number)) for number in range(draw(st.integers(1, 6)))]
    held = [draw(holdouts(number)) for number in range(draw(st.integers(0, 2)))]
    defined = [
        draw(features(key, [one.experiment.key for one in those if one.experiment.feature == key]))
        for key in FEATURES
        if draw(st.booleans())
    ]
    return picture_of([*those, *held], [(one, 1) for one in defined], SEGMENTS)


@st.composite
def kept(draw: st.DrawFn, unit: str) -> dict[str, StickyDocument] | None:
    if draw(st.booleans()):
        return None
    slots = draw(
        st.dictionaries(
            st.sampled_from([f"e{number}__{version}" for number in range(6) for version in (0, 1)]),
            st.sampled_from(["a", "b", "gone"]),
        )
    )
    document = StickyDocument("id", unit, slots)
    return {document.key: document}


@settings(max_examples=300)
@given(pictures(), st.sampled_from(UNITS), st.sampled_from(["id"] * 5 + ["device"]), st.data())
def test_an_explanation_ends_where_the_assignment_does(
    picture: EnvironmentPicture, unit: str, unit_type: str, data: st.DataObject
):
    attributes = data.draw(
        st.sampled_from([{}, {"country": "FR"}, {"country": "FR", "a": {"b": 1}}, {"id": "u3"}])
    )
    sticky = data.draw(kept(unit))
    for key in picture.experiments:
        given_to = assign(picture, unit, unit_type, attributes, [key], sticky).assignments
        found = explain(picture, key, unit, unit_type, attributes, sticky)
        assert [found.assignment] == given_to
        last = found.steps[-1]
        event(f"{last.step} {last.outcome}")
        assert ENDS[last.step, last.outcome] == found.assignment.reason
        places = [STEPS.index(one.step) for one in found.steps]
        assert places == sorted(places)
        assert all(one.outcome in OUTCOMES and one.detail for one in found.steps)
        assert all(one.outcome not in {STOPPED, DECIDED} for one in found.steps[:-1])
        shown = page_of(picture.experiments[key].compiled.experiment, unit, found)
        assert [len(one.figures) for one in shown.steps] == [
            sum(value is not None for value in one.figures.values()) for one in found.steps
        ]


def page_of(experiment: Experiment, unit: str, found: Explanation) -> ExplainPage:
    """The page, for which every figure needs a name in the reader's language."""
    answer = found, assignment_document(found.assignment), False
    return explain_page(experiment, Asked(unit, ""), lambda *_: answer, words_in("zh"))


@given(pictures(), st.sampled_from([{}, {"country": "FR"}]))
def test_a_simulation_counts_what_each_unit_is_given(
    picture: EnvironmentPicture, attributes: dict[str, Any]
):
    for key, live in picture.experiments.items():
        unit_type = live.compiled.experiment.unit_type
        found = simulate(picture, key, [Subject(unit, attributes) for unit in UNITS])
        each = [
            assign(picture, unit, unit_type, attributes, [key]).assignments[0] for unit in UNITS
        ]
        assert found.units == len(UNITS) == sum(found.reasons.values())
        for reason in {one.reason for one in each}:
            assert found.reasons[reason] == sum(one.reason == reason for one in each)
        for variant, count in found.variants.items():
            assert count == sum(one.variant == variant for one in each)
