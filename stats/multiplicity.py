"""Several questions at once: p-values adjusted over a stated family."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.errors import probability, refuse
from stats.records import Array

Method: TypeAlias = Literal[
    "none", "bonferroni", "holm", "hochberg", "benjamini-hochberg", "benjamini-yekutieli"
]


def family_size(p_values: ArrayLike) -> int:
    """Count the p-values that exist: NaN ones stand outside the family.

    >>> family_size([0.01, float("nan"), 0.04])
    2
    """
    return int((~np.isnan(np.asarray(p_values, dtype=np.float64))).sum())


def adjust(p_values: ArrayLike, method: Method = "holm") -> Array:
    """Return adjusted p-values in the shape given; the whole array is one family.

    Bonferroni, Holm (1979) and Hochberg (1988, independent or positively dependent tests) hold
    the family-wise error; Benjamini–Hochberg (1995) and Benjamini–Yekutieli (2001, any
    dependence) the false discovery rate. NaN stays NaN and is outside the family. Raises
    `not_a_p_value`, `unknown_method`.

    >>> adjust([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    if method not in get_args(Method):
        refuse("unknown_method", f"no adjustment {method!r}; known: {', '.join(get_args(Method))}")
    p = np.asarray(p_values, dtype=np.float64)
    known = ~np.isnan(p)
    raw = p[known]
    if ((raw < 0) | (raw > 1)).any():
        refuse("not_a_p_value", "p-values lie between 0 and 1; use NaN for one that is missing")
    order = np.argsort(raw, kind="stable")
    out = np.full(p.shape, np.nan)
    values = np.empty_like(raw)
    # Rounding must not take an adjusted value below the raw one.
    values[order] = np.clip(_ascending(raw[order], method), raw[order], 1.0)
    out[known] = values
    return out


@dataclass(frozen=True, slots=True)
class AdjustedLevel:
    """What to give `welch` or a lift as `alpha` so that a family's intervals hold together.

    `selected` marks the questions whose intervals the claim covers, `family_size` counts the
    p-values that exist, `claim` says what holds at `alpha` over all.
    """

    alpha: float
    selected: NDArray[np.bool_]
    family_size: int
    claim: str


def interval_alpha(p_values: ArrayLike, method: Method, alpha: float = 0.05) -> AdjustedLevel:
    """Return the alpha of adjusted intervals, where the method has any.

    Bonferroni: α/m, all intervals cover together with 1 − α. Benjamini–Hochberg and –Yekutieli:
    of the R intervals selected by the test at α, a share of at most α misses on average, at
    R·α/m, over Σ1/j for Yekutieli (false coverage rate; Benjamini & Yekutieli 2005). Holm and
    Hochberg have no two-sided intervals that agree with their tests: `no_adjusted_interval`;
    show unadjusted intervals beside the adjusted p-values and say so, or use Bonferroni's. Also
    raises what `adjust` does and `not_a_probability`.

    >>> level = interval_alpha([0.001, 0.02, 0.9, 0.8], "benjamini-hochberg")
    >>> level.alpha, level.selected.tolist()
    (0.025, [True, True, False, False])
    """
    probability("alpha", alpha)
    adjusted = adjust(p_values, method)
    m = family_size(p_values)
    chosen = np.asarray(adjusted <= alpha)
    if method in ("holm", "hochberg"):
        refuse(
            "no_adjusted_interval",
            f"{method} has no two-sided intervals that agree with its test; use bonferroni",
        )
    if method in ("none", "bonferroni"):
        share = 1 if method == "none" else max(m, 1)
        claim = "each interval covers" if method == "none" else "all intervals cover together"
        return AdjustedLevel(alpha / share, ~np.isnan(adjusted), m, claim)
    scale = sum(1 / j for j in range(1, m + 1)) if method == "benjamini-yekutieli" else 1.0
    selected = max(int(chosen.sum()), 1)
    claim = "the expected share of selected intervals that miss is at most alpha"
    return AdjustedLevel(alpha * selected / (max(m, 1) * max(scale, 1.0)), chosen, m, claim)


def _ascending(p: Array, method: Method) -> Array:
    m = p.size
    rank = np.arange(1, m + 1)
    match method:
        case "none":
            return p
        case "bonferroni":
            return p * m
        case "holm":
            return np.maximum.accumulate(p * (m - rank + 1))
        case "hochberg":
            return _from_the_top(p * (m - rank + 1))
        case "benjamini-hochberg":
            return _from_the_top(p * m / rank)
        case "benjamini-yekutieli":
            return _from_the_top(p * m / rank * (1 / rank).sum())


def _from_the_top(p: Array) -> Array:
    return np.minimum.accumulate(p[::-1])[::-1]
