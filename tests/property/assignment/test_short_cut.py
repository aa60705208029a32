"""The short cut for an experiment that is alone gives what the way through the rules gives."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from experiments.assignment.evaluate import evaluate
from experiments.assignment.picture import picture_of
from experiments.assignment.visit import Visit
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.feature import feature_from_document
from experiments.definitions.lifecycle import DRAFT, NO_TERMS, Standing, Terms, move

LIVES: list[tuple[tuple[str, Terms], ...]] = [
    (),
    (("start", NO_TERMS),),
    (("start", Terms(dry_run=True)),),
    (("start", Terms(slices=((100, 4_000), (6_000, 9_000)))),),
    (("start", NO_TERMS), ("pause", NO_TERMS)),
    (("start", NO_TERMS), ("stop", NO_TERMS)),
    (("start", NO_TERMS), ("rerandomise", NO_TERMS)),
    (("start", NO_TERMS), ("ship", Terms(winner="b"))),
    (("start", NO_TERMS), ("ship", Terms(winner="b", holdback=0.1))),
]
FEATURE = feature_from_document({"key": "slot", "type": "json", "default": 7})


@given(
    life=st.sampled_from(LIVES),
    traffic=st.floats(0, 1),
    audience=st.sampled_from([{}, {"country": "FR"}, {"id": {"$regex": "1"}}]),
    layered=st.booleans(),
    values=st.sampled_from([("A", "B", "C"), (1, 2, 2.5), (None, True, [1])]),
    control=st.sampled_from("abc"),
    has_document=st.booleans(),
    units=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=50),
    country=st.sampled_from(["FR", "DE", None]),
)
def test_the_short_cut_and_the_whole_way_agree(
    life: tuple[tuple[str, Terms], ...],
    traffic: float,
    audience: dict[str, Any],
    layered: bool,
    values: tuple[Any, ...],
    control: str,
    has_document: bool,
    units: list[str],
    country: str | None,
) -> None:
    if control == "b":
        life = tuple((verb, Terms(winner="a") if terms.winner else terms) for verb, terms in life)
    document: dict[str, Any] = {
        "key": "button",
        "feature": "slot",
        "traffic": traffic,
        "audience": audience,
        "variants": [
            {"key": key, "weight": weight, "value": value, "control": key == control}
            for key, weight, value in zip("abc", (0.5, 0.3, 0.2), values, strict=True)
        ],
    }
    if layered:
        document["layer"] = {"key": "home", "size": 0.5}
    standing = Standing("production", experiment_from_document(document), DRAFT, 1, 0, 0)
    for at, (verb, terms) in enumerate(life, start=1):
        standing = move(standing, verb, at, terms)
    picture = picture_of([standing], [(FEATURE, 1)] if has_document else [])
    compiled = picture.experiments["button"].compiled
    for unit in units:
        attributes = {"id": unit, "country": country}
        whole = Visit(picture, attributes).assignment(compiled)
        if compiled.alone:
            assert evaluate(compiled, unit, attributes) == whole
        if whole.in_experiment and standing.status != "draft":
            assert compiled.bucket(unit) == whole.variant
