"""Any definitions that fit together, with every field."""

from __future__ import annotations

from collections import ChainMap
from typing import Any

from hypothesis import strategies as st

from experiments.definitions.experiment import ASSIGNMENTS
from experiments.definitions.metric import DIRECTIONS, KINDS
from experiments.definitions.plan import BASES, CORRECTIONS
from experiments.definitions.time import format_instant
from experiments.registry import Wanted

METRICS, LAYERS, SEGMENTS = ["m1", "m2", "m3"], ["page", "shop"], ["people", "staff"]

keys = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,12}", fullmatch=True)
texts = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00"),
        st.sampled_from("\n\t :#-'\"{}[]&*!|>%@`,?~=\x85\u2028\ufeff\x1b"),
    ),
    max_size=12,
)
words = st.sampled_from(["no", "yes", "null", "true", "1", "010", "1e3", "2026-01-01", "~", "<<"])
names = st.one_of(texts, words)
shown = names.filter(bool)
shares = st.floats(0, 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), numbers, names),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=6,
)
instants = st.integers(10**15, 10**16).map(format_instant)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def conditions(segments: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    leaves = [
        st.builds(lambda a, b: {f"a{a}": {"$in": b}}, keys, st.lists(names, max_size=3)),
        st.builds(lambda a, b: {f"a{a}": b}, keys, st.one_of(names, st.booleans(), numbers)),
    ]
    if segments:
        leaves.append(st.sampled_from(segments).map(lambda key: {"$savedGroup": {"id": key}}))
    either = st.one_of(leaves)
    return st.one_of(either, st.lists(either, min_size=1, max_size=2).map(lambda a: {"$or": a}))


def segment(key: str, others: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    by_condition = st.fixed_dictionaries({"condition": conditions(others)})
    by_list = st.fixed_dictionaries(
        {"attribute": shown, "values": st.lists(st.one_of(names, st.integers()), max_size=4)}
    )
    return merged({"key": key}, optional(name=names), st.one_of(by_condition, by_list))


def layer(key: str) -> st.SearchStrategy[dict[str, Any]]:
    return merged({"key": key}, optional(name=names))


def metric(key: str) -> st.SearchStrategy[dict[str, Any]]:
    hours = st.floats(0.01, 80_000)

    def whole(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        more = {"denominator_event": shown} if kind == "ratio" else {}
        return st.fixed_dictionaries(
            {"kind": st.just(kind), "event": shown, **more},
            optional={
                "name": names,
                "window_hours": st.one_of(st.none(), hours, st.integers(1, 500)),
                "delay_hours": hours,
                "direction": st.sampled_from(DIRECTIONS),
            },
        )

    return merged({"key": key}, st.sampled_from(KINDS).flatmap(whole))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "string": names,
    "number": st.one_of(st.integers(), numbers),
    "json": json_values,
}


@st.composite
def feature(draw: st.DrawFn, key: str, segments: list[str], filler: str | None) -> dict[str, Any]:
    kind = draw(st.sampled_from(list(VALUES)))
    rule = st.fixed_dictionaries(
        {"value": VALUES[kind]},
        optional={
            "condition": conditions(segments),
            "coverage": st.one_of(st.none(), shares),
            "salt": st.one_of(st.none(), shown),
            "unit_type": keys,
        },
    )
    rules = draw(st.lists(rule, max_size=3))
    if filler is not None:
        rules.insert(draw(st.integers(0, len(rules))), {"experiment": filler})
    document = {"key": key, "type": kind, "default": draw(VALUES[kind]), "rules": rules}
    return document | draw(optional(name=names))


@st.composite
def experiment(draw: st.DrawFn, key: str, kind: str, feature: str | None) -> dict[str, Any]:
    arms = draw(st.lists(keys, min_size=2, max_size=5, unique=True))
    parts = [draw(st.integers(1, 1000)), *(draw(st.integers(0, 1000)) for _ in arms[1:])]
    values = VALUES[kind]
    variants = [
        {"key": arm, "weight": part / sum(parts)}
        | draw(optional(name=names))
        | (draw(optional(value=values)) if feature is None else {"value": draw(values)})
        for arm, part in zip(arms, parts, strict=True)
    ]
    if draw(st.booleans()):
        draw(st.sampled_from(variants))["control"] = True
    use = st.one_of(
        st.fixed_dictionaries({"role": st.sampled_from(["goal", "secondary"])}),
        st.fixed_dictionaries({"role": st.just("guardrail"), "margin": st.floats(0.001, 0.999)}),
    )
    measured = draw(st.lists(st.sampled_from(METRICS), unique=True, max_size=3))
    document = {
        "key": key,
        "variants": variants,
        "metrics": [{"metric": one} | draw(use) for one in measured],
    }
    if feature is not None:
        document["feature"] = feature
    if draw(st.booleans()):
        document["layer"] = {
            "key": draw(st.sampled_from(LAYERS)),
            "size": draw(st.floats(0.0001, 1)),
        }
    if draw(st.booleans()):
        version = draw(st.integers(0, 5))
        least = draw(st.integers(0, version))
        document["sticky"] = {"bucket_version": version, "min_bucket_version": least}
        document["sticky"] |= draw(optional(fallback=st.just("device")))
    if draw(st.booleans()):
        units = draw(st.lists(shown, unique=True, max_size=4))
        document["overrides"] = {draw(st.sampled_from(arms)): units}
    if draw(st.booleans()):
        condition = {"value": draw(names)}
        document["prerequisites"] = [{"feature": "flag", "condition": condition}]
    ramp = sorted(draw(st.lists(st.floats(0.01, 1), unique=True, max_size=3)))
    schedule = {"ramp": [{"traffic": step, "hours": draw(st.floats(0, 8000))} for step in ramp]}
    start = draw(st.one_of(st.none(), instants))
    schedule |= {"start_at": start} | draw(optional(roll_back=st.booleans()))
    return (
        document
        | {"schedule": schedule}
        | draw(
            optional(
                name=names,
                hypothesis=texts,
                owner=names,
                tags=st.lists(shown, max_size=3),
                traffic=shares,
                audience=conditions(SEGMENTS),
                assignment=st.sampled_from(ASSIGNMENTS),
                time_zone=st.sampled_from(["UTC", "Europe/Paris", "Asia/Shanghai"]),
                plan=optional(
                    basis=st.sampled_from(BASES),
                    alpha=st.floats(0.001, 0.5),
                    correction=st.sampled_from(CORRECTIONS),
                    planned_units=st.one_of(st.none(), st.integers(1, 10**9)),
                    power=st.floats(0.1, 0.99),
                    minimum_effect=st.one_of(st.none(), st.floats(0.0001, 2)),
                ),
            )
        )
    )


@st.composite
def holdout(draw: st.DrawFn, key: str) -> dict[str, Any]:
    size = draw(st.floats(0.0001, 0.9999))
    variants = [
        {"key": "held_out", "weight": size, "control": True},
        {"key": "open", "weight": 1 - size},
    ]
    layer = draw(st.one_of(st.none(), st.sampled_from(LAYERS)))
    return {"key": key, "variants": variants, "holdout": {"layer": layer}} | draw(
        optional(name=names, owner=names)
    )


def merged(
    fixed: dict[str, Any], *more: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(st.just(fixed), *more).map(lambda parts: dict(ChainMap(*reversed(parts))))


@st.composite
def environments(draw: st.DrawFn) -> list[Wanted]:
    """Everything of one environment; the order is any."""
    slot = draw(feature("slot", SEGMENTS, "filler"))
    found = [
        Wanted("segment", draw(segment("staff", []))),
        Wanted("segment", draw(segment("people", ["staff"]))),
        *(Wanted("layer", draw(layer(key))) for key in LAYERS),
        *(Wanted("metric", draw(metric(key))) for key in METRICS),
        Wanted("feature", draw(feature("flag", SEGMENTS, None))),
        Wanted("feature", slot),
        Wanted("experiment", draw(experiment("filler", slot["type"], "slot"))),
        Wanted("experiment", draw(experiment("own", "json", None))),
        Wanted("experiment", draw(holdout("away"))),
    ]
    return draw(st.permutations(found))
