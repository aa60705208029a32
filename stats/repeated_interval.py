"""Intervals that hold at every look of a group sequential plan together."""

from dataclasses import dataclass, replace

import numpy as np

from stats.errors import refuse
from stats.group_sequential import Looks
from stats.lift import Lift, fieller_lift
from stats.moments import Moments
from stats.records import Interval, Real, Reasons, Record, plain
from stats.welch import welch


@dataclass(frozen=True, slots=True)
class RepeatedInterval(Record):
    """Difference (unit of the metric) and lift (fraction) at a look, both at the plan's `level`.

    `crossed` is 1.0 where the interval of the difference excludes 0: the plan's bound is crossed
    and the test rejects. There is no p-value: before the end of a plan only the bound decides.
    """

    estimate: Real
    standard_error: Real
    interval: Interval
    lift: Lift
    level: float
    critical: float
    crossed: Real
    n: Real
    method: str
    reason: Reasons = None


def repeated_interval(control: Moments, treatment: Moments, looks: Looks) -> RepeatedInterval:
    """Return estimate ± the latest bound in standard errors (Jennison & Turnbull 1989).

    The bound enters through its nominal two-sided p-value, so that small arms are judged by t and
    the lift by Fieller with the same critical value. A one-sided plan's interval is two-sided at
    twice its alpha. Raises `no_look` before the first look.

    >>> from stats.group_sequential import SpendingPlan
    >>> looks = SpendingPlan().looks([0.5])
    >>> result = repeated_interval(Moments(900, 10.0, 9e3), Moments(900, 10.6, 9e3), looks)
    >>> round(result.critical, 4), round(result.interval.lower, 4), result.crossed
    (2.9626, 0.1575, 1.0)
    """
    if not looks.bounds:
        refuse("no_look", "the plan has no look yet; call look(fraction) on its state first")
    nominal = looks.nominal_alpha
    difference = welch(control, treatment, alpha=nominal)
    lift = fieller_lift(control, treatment, alpha=nominal)
    level = 1 - looks.plan.alpha * (2 / looks.plan.sides)
    ends = difference.interval
    outside = (np.asarray(ends.lower) > 0) | (np.asarray(ends.upper) < 0)
    return RepeatedInterval(
        estimate=difference.estimate,
        standard_error=difference.standard_error,
        interval=ends,
        lift=replace(lift, level=level, method="fieller repeated"),
        level=level,
        critical=looks.critical,
        crossed=plain(outside),
        n=difference.n,
        method=f"repeated confidence interval, {looks.plan.shape} spending",
        reason=difference.reason,
    )
