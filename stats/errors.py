"""Why a number is missing, and what a caller did wrong: two things that are never mixed."""

from enum import StrEnum
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Reason(StrEnum):
    """What the data could not give. Stands in a result beside a number that is NaN."""

    TOO_FEW_UNITS = "too_few_units"
    ZERO_VARIANCE = "zero_variance"
    BASELINE_NEAR_ZERO = "baseline_near_zero"
    ZERO_DENOMINATOR = "zero_denominator"
    SIGNS_DIFFER = "signs_differ"


class StatsError(ValueError):
    """A caller's mistake. `code` is stable; the message says what to do next."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def refuse(code: str, message: str) -> NoReturn:
    raise StatsError(code, message)


def finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as float64, or raise `non_finite`."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        refuse("non_finite", f"{name} holds NaN or an infinity; remove or cap such values first")
    return array


def positive(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as float64, or raise `not_positive`."""
    array = finite(name, values)
    if not (array > 0).all():
        refuse("not_positive", f"{name} must be above 0")
    return array


def probability(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as float64 strictly between 0 and 1, or raise `not_a_probability`."""
    array = np.asarray(values, dtype=np.float64)
    if not ((array > 0) & (array < 1)).all():
        refuse("not_a_probability", f"{name} must lie strictly between 0 and 1")
    return array
