"""What an experiment is: a frozen record, its JSON document, and the rules that it keeps."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.keys import is_key
from experiments.definitions.plan import MetricUse, Plan, metric_use_problems, plan_problems
from experiments.definitions.prerequisite import Prerequisite, prerequisites_from, prerequisites_to
from experiments.definitions.schedule import (
    NO_SCHEDULE,
    Schedule,
    schedule_from_document,
    schedule_problems,
    schedule_to_document,
)

ASSIGNMENTS = ("internal", "external")
WEIGHT_TOLERANCE = 1e-6 + 1e-12  # three times 0.333333 is within, whatever the rounding
ROUNDING = 1e-12  # normalised weights stay as they are: read again they must not move by a bit

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm. `weight` is its share of the traffic, a fraction; `value` is any JSON."""

    key: str
    name: str
    weight: float
    value: Any
    control: bool


@dataclass(frozen=True, slots=True)
class LayerUse:
    """The share of a layer, a fraction of all its units, that the experiment takes for itself."""

    key: str
    size: float


@dataclass(frozen=True, slots=True)
class Holdout:
    """Makes the experiment a holdout: units kept out of every experiment of a layer, or of all."""

    layer: str | None = None


@dataclass(frozen=True, slots=True)
class Sticky:
    """A unit keeps its variant whatever happens to traffic and attributes.

    `fallback` is the attribute that stands in while the unit's own id is not known. Assignments
    are kept under `bucket_version`; units with one below `min_bucket_version` may not enter.
    """

    bucket_version: int = 0
    min_bucket_version: int = 0
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """`overrides` are the units that testers give a variant, by variant."""

    key: str
    name: str
    hypothesis: str
    owner: str
    tags: tuple[str, ...]
    unit_type: str
    feature: str
    traffic: float
    audience: Document
    variants: tuple[Variant, ...]
    metrics: tuple[MetricUse, ...]
    assignment: str
    time_zone: str
    plan: Plan = field(default_factory=Plan)
    layer: LayerUse | None = None
    holdout: Holdout | None = None
    sticky: Sticky | None = None
    prerequisites: tuple[Prerequisite, ...] = ()
    overrides: tuple[tuple[str, tuple[str, ...]], ...] = ()
    schedule: Schedule = NO_SCHEDULE

    @property
    def control(self) -> Variant:
        return next(variant for variant in self.variants if variant.control)

    def variant(self, key: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.key == key), None)


def experiment_from_document(document: Document) -> Experiment:
    """Fill the defaults, normalise the weights and check the rules.

    The shape (names and types of the fields) is the caller's to have checked.
    Raises `Invalid` with one `Problem` per broken rule.
    """
    key = document["key"]
    variants = _variants(document["variants"])
    plan = Plan(**document.get("plan", {}))
    layer, holdout, sticky = (document.get(name) for name in ("layer", "holdout", "sticky"))
    experiment = Experiment(
        key=key,
        name=document.get("name") or key,
        hypothesis=document.get("hypothesis", ""),
        owner=document.get("owner", ""),
        tags=tuple(document.get("tags", ())),
        unit_type=document.get("unit_type", "id"),
        feature=document.get("feature") or key,
        traffic=float(document.get("traffic", 1.0)),
        audience=document.get("audience", {}),
        variants=variants,
        metrics=tuple(MetricUse(**use) for use in document.get("metrics", ())),
        assignment=document.get("assignment", "internal"),
        time_zone=document.get("time_zone", "UTC"),
        plan=plan,
        layer=None if layer is None else LayerUse(layer["key"], float(layer["size"])),
        holdout=None if holdout is None else Holdout(holdout.get("layer")),
        sticky=None if sticky is None else Sticky(**sticky),
        prerequisites=prerequisites_from(document.get("prerequisites", ())),
        overrides=tuple(
            (variant, tuple(units)) for variant, units in document.get("overrides", {}).items()
        ),
        schedule=schedule_from_document(document.get("schedule") or {}),
    )
    problems = [
        *_identity(experiment),
        *_arms(experiment),
        *metric_use_problems(experiment.metrics),
        *plan_problems(plan),
        *_delivery(experiment),
        *schedule_problems(experiment.schedule),
    ]
    if problems:
        raise Invalid.of(problems)
    return experiment


def experiment_to_document(experiment: Experiment) -> Document:
    plan = experiment.plan
    return {
        "key": experiment.key,
        "name": experiment.name,
        "hypothesis": experiment.hypothesis,
        "owner": experiment.owner,
        "tags": list(experiment.tags),
        "unit_type": experiment.unit_type,
        "feature": experiment.feature,
        "traffic": experiment.traffic,
        "audience": experiment.audience,
        "variants": [
            {
                "key": variant.key,
                "name": variant.name,
                "weight": variant.weight,
                "value": variant.value,
                "control": variant.control,
            }
            for variant in experiment.variants
        ],
        "metrics": [
            {"metric": use.metric, "role": use.role, "margin": use.margin}
            for use in experiment.metrics
        ],
        "assignment": experiment.assignment,
        "time_zone": experiment.time_zone,
        "plan": {
            "basis": plan.basis,
            "alpha": plan.alpha,
            "correction": plan.correction,
            "planned_units": plan.planned_units,
            "power": plan.power,
            "minimum_effect": plan.minimum_effect,
        },
        "layer": None if experiment.layer is None else asdict(experiment.layer),
        "holdout": None if experiment.holdout is None else asdict(experiment.holdout),
        "sticky": None if experiment.sticky is None else asdict(experiment.sticky),
        "prerequisites": prerequisites_to(experiment.prerequisites),
        "overrides": {variant: list(units) for variant, units in experiment.overrides},
        "schedule": schedule_to_document(experiment.schedule),
    }


def _variants(documents: list[Document]) -> tuple[Variant, ...]:
    named = any("control" in document for document in documents)
    total = math.fsum(document["weight"] for document in documents)
    scale = total if ROUNDING < abs(total - 1) <= WEIGHT_TOLERANCE else 1.0
    return tuple(
        Variant(
            key=document["key"],
            name=document.get("name") or document["key"],
            weight=document["weight"] / scale,
            value=document.get("value", document["key"]),
            control=bool(document.get("control", False)) if named else index == 0,
        )
        for index, document in enumerate(documents)
    )


def _identity(experiment: Experiment) -> list[Problem]:
    problems = [
        Problem(
            path,
            "KEY_INVALID",
            f"{key!r} is not a key: use 1–100 letters, digits, '_', '-' and '.', and begin with"
            " a letter or a digit",
        )
        for path, key in (
            ("key", experiment.key),
            ("feature", experiment.feature),
            ("unit_type", experiment.unit_type),
        )
        if not is_key(key)
    ]
    if experiment.assignment not in ASSIGNMENTS:
        problems.append(Problem("assignment", "ASSIGNMENT_UNKNOWN", "use 'internal' or 'external'"))
    if not 0 <= experiment.traffic <= 1:
        problems.append(
            Problem("traffic", "TRAFFIC_INVALID", "traffic is a fraction between 0 and 1")
        )
    try:
        ZoneInfo(experiment.time_zone)
    except (KeyError, ValueError, OSError):
        problems.append(
            Problem(
                "time_zone",
                "TIME_ZONE_UNKNOWN",
                f"{experiment.time_zone!r} is not an IANA time zone such as Europe/Paris",
            )
        )
    return problems


def _arms(experiment: Experiment) -> list[Problem]:
    problems: list[Problem] = []
    variants = experiment.variants
    if len(variants) < 2:
        problems.append(
            Problem("variants", "TOO_FEW_VARIANTS", "an experiment needs two variants or more")
        )
    keys = [variant.key for variant in variants]
    problems += [
        Problem(f"variants.{index}.key", "KEY_INVALID", f"{key!r} is not a key")
        for index, key in enumerate(keys)
        if not is_key(key)
    ]
    if len(set(keys)) < len(keys):
        problems.append(Problem("variants", "VARIANT_DUPLICATE", "two variants share one key"))
    controls = sum(variant.control for variant in variants)
    if controls != 1:
        problems.append(
            Problem(
                "variants",
                "CONTROL_COUNT",
                f"exactly one variant is the control, here {controls} are; leave `control` out"
                " everywhere to make it the first one",
            )
        )
    problems += [
        Problem(f"variants.{index}.weight", "WEIGHT_INVALID", "a weight is between 0 and 1")
        for index, variant in enumerate(variants)
        if not 0 <= variant.weight <= 1 + WEIGHT_TOLERANCE
    ]
    total = math.fsum(variant.weight for variant in variants)
    if abs(total - 1) > WEIGHT_TOLERANCE:
        problems.append(
            Problem(
                "variants",
                "WEIGHTS_SUM",
                f"the weights sum to {total:.6g}; change them so that they sum to 1",
            )
        )
    return problems


def _delivery(experiment: Experiment) -> list[Problem]:
    problems: list[Problem] = []
    layer, sticky = experiment.layer, experiment.sticky
    if layer is not None and not 0.0001 <= layer.size <= 1:
        problems.append(
            Problem("layer.size", "LAYER_SIZE_INVALID", "a share of a layer is 0.0001 to 1")
        )
    if experiment.holdout is not None and layer is not None:
        problems.append(
            Problem(
                "layer", "HOLDOUT_IN_LAYER", "a holdout takes no share of a layer; leave it out"
            )
        )
    if sticky is not None and not 0 <= sticky.min_bucket_version <= sticky.bucket_version:
        problems.append(
            Problem(
                "sticky.min_bucket_version",
                "BUCKET_VERSION_INVALID",
                "versions are 0 or more, and the least one is not above the present one",
            )
        )
    if sticky is not None and sticky.fallback == experiment.unit_type:
        problems.append(
            Problem("sticky.fallback", "FALLBACK_INVALID", "the fallback is another unit type")
        )
    taken: dict[str, str] = {}
    for variant, units in experiment.overrides:
        if experiment.variant(variant) is None:
            problems.append(
                Problem(f"overrides.{variant}", "VARIANT_UNKNOWN", f"no variant {variant!r}")
            )
        problems += [
            Problem(f"overrides.{variant}", "OVERRIDE_TWICE", f"{unit!r} is in {taken[unit]!r} too")
            for unit in units
            if taken.setdefault(unit, variant) != variant
        ]
    return problems
