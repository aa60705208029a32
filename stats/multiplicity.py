"""Several questions at once: p-values adjusted over a stated family."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from stats.errors import refuse
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
    values[order] = np.minimum(_ascending(raw[order], method), 1.0)
    out[known] = values
    return out


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
