"""What every result shares: scalars when the input was scalar, arrays when it was not."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.errors import Reason

Array: TypeAlias = NDArray[np.float64]
Real: TypeAlias = float | Array
Reasons: TypeAlias = Reason | NDArray[np.object_] | None
Index: TypeAlias = int | tuple[int, ...]


class Interval(NamedTuple):
    """Ends in the unit of the estimate, lower ≤ upper; a one-sided one has one infinite end."""

    lower: Real
    upper: Real


class Record:
    """Base of the result records: fields are floats, or arrays that broadcast with each other."""

    __slots__ = ()

    def at(self, index: Index) -> Self:
        """Return the record of one element, with plain floats and a plain `Reason` or None."""
        shape = np.broadcast_shapes(*(array.shape for array in _arrays(self)))
        return type(self)(**{k: _pick(v, shape, index) for k, v in _fields(self).items()})


def _fields(record: Record) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}  # type: ignore[arg-type]


def _arrays(value: Any) -> list[NDArray[Any]]:
    parts = _fields(value).values() if isinstance(value, Record) else value
    if isinstance(parts, str | None | float | int | np.ndarray):
        return [parts] if isinstance(parts, np.ndarray) else []
    return [array for part in parts for array in _arrays(part)]


def _pick(value: Any, shape: tuple[int, ...], index: Index) -> Any:
    if isinstance(value, Record):
        return type(value)(**{k: _pick(v, shape, index) for k, v in _fields(value).items()})
    if isinstance(value, Interval):
        return Interval(*(_pick(end, shape, index) for end in value))
    if isinstance(value, tuple):
        return tuple(_pick(part, shape, index) for part in value)
    if not isinstance(value, np.ndarray):
        return value
    picked = np.broadcast_to(value, shape)[index]
    return picked.item() if isinstance(picked, np.generic) else picked


def plain(values: ArrayLike) -> Real:
    """Return a 0-d result as a float and any other as an array."""
    array = np.asarray(values, dtype=np.float64)
    return array.item() if array.ndim == 0 else array


def interval(lower: ArrayLike, upper: ArrayLike) -> Interval:
    return Interval(plain(lower), plain(upper))


def reasons(
    shape: tuple[int, ...], *cases: tuple[ArrayLike, Reason], known: Sequence[Reasons] = ()
) -> Reasons:
    """Return, element by element, the first reason that holds: `known` ones, then the cases."""
    out = np.full(shape, None, dtype=object)
    for earlier in known:
        if earlier is not None:
            out = np.where(holds(out), out, np.asarray(earlier, dtype=object))
    for mask, reason in cases:
        if np.any(mask):
            out = np.where(~holds(out) & np.asarray(mask), np.asarray(reason, object), out)
    return out.item() if out.ndim == 0 else out


def holds(reason: Reasons) -> NDArray[np.bool_]:
    """Where a reason stands, as booleans."""
    # A Reason is a non-empty string, so truth is presence.
    return np.asarray(reason, dtype=object).astype(np.bool_)


def unless(reason: Reasons, values: ArrayLike) -> Real:
    """Return `values` with NaN where a reason stands."""
    return plain(np.where(holds(reason), np.nan, values))
