"""How many units, how small a lift, how much power: the one that is not known of the three.

The question is that of the report's own tests: Welch's or a confidence sequence on the
difference, Fieller's bound for a margin. Of several treatments it is the one with the fewest
units that decides, at the least favourable step of the plan's correction.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from experiments.definitions.errors import Invalid, Problem
from experiments.definitions.experiment import WEIGHT_TOLERANCE
from experiments.definitions.plan import Plan
from stats import AlwaysValid, FixedHorizon, Power, StatsError, plan_means, plan_proportions

KINDS = ("conversion", "mean", "ratio")
BASES = ("sequential", "fixed")  # a Bayesian plan promises no power
DEFAULT_POWER = 0.8
MOST_UNITS = 10**15

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PowerQuestion:
    """What is known of a planned experiment; of `units`, `lift` and `power` one is None.

    `baseline` is the control's rate or mean, `standard_deviation` that of a unit's value (of the
    linearised value for a ratio). `lift` and `margin` are fractions of |baseline|; with a margin
    the question is whether a guardrail is shown to lose less. `units` counts all arms, `shares`
    are theirs, the control's first. `comparisons` is the size of the family that `correction`
    covers. `covariate_correlation` is that of the value with its covariate before the exposure.
    """

    kind: str
    baseline: float
    standard_deviation: float | None = None
    lift: float | None = None
    units: int | None = None
    power: float | None = None
    alpha: float = 0.05
    shares: tuple[float, ...] = (0.5, 0.5)
    correction: str = Plan().correction
    comparisons: int = 1
    basis: str = Plan().basis
    direction: str = "increase"
    margin: float | None = None
    covariate_correlation: float = 0.0
    units_per_day: float | None = None

    @property
    def unknown(self) -> str:
        return next(name for name in ("units", "lift", "power") if getattr(self, name) is None)


def question_from_document(document: Document) -> PowerQuestion:
    """Fill the defaults and check the rules; raises `Invalid` with one `Problem` per broken one.

    `variants` stands for equal shares. Where only one of `units` and `lift` is known, or a margin
    is to be shown, `power` is 0.8 and the lift under a margin 0.
    """
    known = {name: value for name, value in document.items() if value is not None}
    variants = known.pop("variants", None)
    if variants is not None and "shares" in known:
        raise Invalid.of([Problem("variants", "SHARES_TWICE", "give variants or shares, not both")])
    arms = variants or 2
    known["shares"] = tuple(known.get("shares") or (1 / arms,) * arms)
    known.setdefault("comparisons", 1 if "margin" in known else max(1, len(known["shares"]) - 1))
    if "margin" in known and not {"units", "power"} <= known.keys():
        known.setdefault("lift", 0.0)
    if ("units" in known) != ("lift" in known):
        known.setdefault("power", DEFAULT_POWER)
    question = PowerQuestion(**known)
    problems = _finite(question) or [*_unknowns(question), *_metric(question), *_design(question)]
    if problems:
        raise Invalid.of(problems)
    return question


def solve(question: PowerQuestion) -> Document:
    """Answer with all three, the formula and the inputs used.

    Raises `Invalid` OUT_OF_REACH where no lift of a rate suffices, OUT_OF_RANGE where the answer
    is no number of use.
    """
    control, treated = question.shares[0], min(question.shares[1:])
    pair = control + treated
    try:
        with np.errstate(all="ignore"):
            plan = _plan(question, pair, treated / pair)
    except StatsError as error:
        raise Invalid(error.code.upper(), str(error)) from error
    side = 1 if question.direction == "increase" or question.margin is None else -1
    effect = side * float(plan.effect)
    lift = effect / abs(question.baseline) if question.lift is None else question.lift
    total = question.units or max(
        float(plan.n_control) / control, float(plan.n_treatment) / treated
    )
    if not (math.isfinite(effect) and math.isfinite(lift) and total <= MOST_UNITS):
        raise Invalid(
            "OUT_OF_RANGE",
            "the answer lies beyond 10¹⁵ units; look for a larger lift or a smaller deviation",
        )
    if question.units is None:
        # A size that is whole but for rounding is whole.
        per_variant = [math.ceil(total * share * (1 - 1e-12)) for share in question.shares]
    else:
        per_variant = [round(total * share) for share in question.shares]
    units = question.units or sum(per_variant)
    daily = question.units_per_day
    return {
        "solved": question.unknown,
        "units": units,
        "units_per_variant": per_variant,
        "lift": lift,
        "effect": effect,
        "power": float(plan.power),
        "days": None if daily is None else math.ceil(units / daily),
        "formula": plan.formula,
        "test": _test_name(question),
        "alpha_per_comparison": _alpha(question),
        "inputs": {**asdict(question), "shares": list(question.shares)},
    }


def _plan(question: PowerQuestion, pair: float, share: float) -> Power:
    """The plan of the control and the smallest treatment, who have `pair` of all units."""
    test = _test(question)
    base, scale = question.baseline, abs(question.baseline)
    n = None if question.units is None else question.units * pair
    # Rates whose lift is sought have a variance that moves with it.
    if question.kind == "conversion" and question.unknown == "lift" and question.margin is None:
        left = 1 - question.covariate_correlation**2
        return plan_proportions(
            baseline=base, n=_known(n) / left, power=question.power, share=share, test=test
        )
    side = 1 if question.direction == "increase" else -1
    weight = 1.0 if question.margin is None else 1 - side * question.margin * math.copysign(1, base)
    variance = _variance(question, 0.0)
    lift = question.lift
    return plan_means(
        # Fieller's test of a margin weighs the control's mean, and so its variance.
        variance=variance * weight * weight,
        variance_treatment=_variance(question, lift or 0.0),
        n=n,
        effect=None if lift is None else side * lift * scale,
        power=question.power,
        share=share,
        margin=0.0 if question.margin is None else question.margin * scale,
        variance_reduction=question.covariate_correlation**2,
        test=test,
    )


def _variance(question: PowerQuestion, lift: float) -> float:
    if question.kind == "conversion":
        rate = question.baseline * (1 + lift)
        return rate * (1 - rate)
    deviation = _known(question.standard_deviation)
    return deviation * deviation


def _test(question: PowerQuestion) -> FixedHorizon | AlwaysValid:
    alpha = _alpha(question)
    if question.basis == "sequential":
        # One end of an interval at 1 − 2·alpha is what the report reads against a margin.
        return AlwaysValid(alpha if question.margin is None else 2 * alpha)
    return FixedHorizon(alpha, sides=2 if question.margin is None else 1)


def _test_name(question: PowerQuestion) -> str:
    name = "confidence sequence" if question.basis == "sequential" else "welch"
    if question.margin is not None:
        return f"non-inferiority, {name}, one-sided"
    return f"{name}, two-sided"


def _alpha(question: PowerQuestion) -> float:
    """What alpha is left to one comparison where no other one has an effect."""
    family = question.comparisons
    if question.correction == "none":
        return question.alpha
    if question.correction == "benjamini-yekutieli":
        return question.alpha / (family * math.fsum(1 / j for j in range(1, family + 1)))
    return question.alpha / family


def _known(value: float | None) -> float:
    if value is None:
        raise AssertionError("checked before")
    return value


def _finite(question: PowerQuestion) -> list[Problem]:
    numbers = {name: value for name, value in asdict(question).items() if name != "shares"}
    return [
        Problem(name, "NOT_FINITE", "give a finite number")
        for name, value in numbers.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]


def _unknowns(question: PowerQuestion) -> list[Problem]:
    missing = [name for name in ("units", "lift", "power") if getattr(question, name) is None]
    if len(missing) == 1:
        return []
    return [
        Problem(
            "",
            "LEAVE_ONE_OUT",
            "one of units, lift and power is solved for: give units or lift, or two of the three"
            f" ({'all are given' if not missing else 'missing: ' + ', '.join(missing)})",
        )
    ]


def _metric(question: PowerQuestion) -> list[Problem]:
    problems: list[Problem] = []
    base, deviation, lift = question.baseline, question.standard_deviation, question.lift
    if question.kind == "conversion":
        if not 0 < base < 1:
            problems.append(
                Problem("baseline", "BASELINE_INVALID", "a conversion rate lies between 0 and 1")
            )
        if deviation is not None:
            problems.append(
                Problem(
                    "standard_deviation",
                    "DEVIATION_INVALID",
                    "leave it out: that of a conversion follows from its rate",
                )
            )
        if lift is not None and not 0 < base * (1 + lift) < 1:
            problems.append(
                Problem("lift", "LIFT_INVALID", "the rate with the lift leaves 0…1; take a smaller")
            )
    else:
        if base == 0:
            problems.append(
                Problem("baseline", "BASELINE_INVALID", "a lift needs a baseline other than 0")
            )
        if deviation is None or not deviation > 0:
            problems.append(
                Problem(
                    "standard_deviation",
                    "DEVIATION_INVALID",
                    "give the standard deviation of a unit's value, above 0; a report's `variance`"
                    " is its square, also for a ratio",
                )
            )
    if question.margin is None and lift == 0:
        problems.append(Problem("lift", "LIFT_INVALID", "a lift of 0 cannot be detected"))
    return problems


def _design(question: PowerQuestion) -> list[Problem]:
    side = 1 if question.direction == "increase" else -1
    shares, margin, daily = question.shares, question.margin, question.units_per_day
    rules = (
        ("alpha", 0 < question.alpha < 0.5, "alpha lies between 0 and 0.5"),
        (
            "power",
            question.power is None or question.alpha < question.power < 1,
            "power lies between alpha and 1",
        ),
        (
            "shares",
            2 <= len(shares) <= 50
            and all(0 < share < 1 for share in shares)
            and abs(math.fsum(shares) - 1) <= WEIGHT_TOLERANCE,
            "shares are 2 to 50 positive fractions that sum to 1, the control's first",
        ),
        ("comparisons", 1 <= question.comparisons <= 10_000, "comparisons are 1 to 10,000"),
        (
            "units",
            question.units is None or 2 * len(shares) <= question.units <= MOST_UNITS,
            "units are at least two of each variant and at most 10¹⁵",
        ),
        ("margin", margin is None or 0 < margin < 1, "a margin is a positive lift below 1"),
        (
            "lift",
            margin is None or question.lift is None or side * question.lift > -margin,
            "a loss as large as the margin cannot be shown to be smaller than it",
        ),
        (
            "covariate_correlation",
            abs(question.covariate_correlation) < 1,
            "a correlation lies between -1 and 1",
        ),
        ("units_per_day", daily is None or daily >= 1, "units_per_day is at least 1"),
    )
    return [
        Problem(name, f"{name.upper()}_INVALID", says) for name, holds, says in rules if not holds
    ]
