"""Forest plots as SVG: one drawing per row on an axis that all rows of a page share.

Zero is always in the middle, so that left and right mean the same in every row. The verdict is
told by shape and by colour (classes; the style sheet holds the colours).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from api.console import numbers

WIDTH, HEIGHT = 230, 36
_EDGE = 12  # room for arrow heads beyond the axis
_MARK = 5
_HALVES_FIT = 4  # characters of the outer labels that leave room for those between
_SMALLEST_AXIS = 1e-9  # no label tells less apart, and a power of ten ends at 1e-323
_LARGEST_SHOWN = 4  # an interval this many times the typical one is cut, with an arrow


@dataclass(frozen=True, slots=True)
class Axis:
    """Lifts from −limit to +limit."""

    limit: float

    @property
    def ticks(self) -> tuple[float, ...]:
        return (-self.limit, -self.limit / 2, 0.0, self.limit / 2, self.limit)

    def x(self, lift: float) -> float:
        inside = max(-self.limit, min(self.limit, lift))
        half = WIDTH / 2 - _EDGE
        return round(WIDTH / 2 + half * inside / self.limit, 2)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A lift and its interval, as fractions."""

    lift: float
    lower: float
    upper: float

    @property
    def reach(self) -> float:
        return max(abs(self.lower), abs(self.upper))


def shared_axis(estimates: list[Estimate]) -> Axis:
    """An axis wide enough for all, except for those far beyond the typical one."""
    reaches = sorted(estimate.reach for estimate in estimates)
    if not reaches or reaches[-1] == 0:
        return Axis(0.1)
    typical = reaches[len(reaches) // 2] or reaches[-1]
    return Axis(_round_up(max(_SMALLEST_AXIS, min(reaches[-1], _LARGEST_SHOWN * typical))))


def row(
    estimate: Estimate, axis: Axis, shape: str, identifier: str, title: str, desc: str
) -> Markup:
    """One row: `shape` is better, worse or inconclusive."""
    middle = HEIGHT / 2
    parts = [_line("zero", axis.x(0), 0, axis.x(0), HEIGHT)]
    parts.append(_line("whisker", axis.x(estimate.lower), middle, axis.x(estimate.upper), middle))
    for end, outward in ((estimate.lower, -1), (estimate.upper, 1)):
        parts.append(_end(axis, end, outward, middle))
    if abs(estimate.lift) <= axis.limit:
        parts.append(_mark(shape, axis.x(estimate.lift), middle))
    return _svg(identifier, f"forest {shape}", HEIGHT, title, desc, parts)


def scale(axis: Axis, identifier: str, title: str, desc: str) -> Markup:
    """The axis with its labels."""
    height = 22
    parts: list[Markup] = []
    decimals = numbers.decimals_for(0, 100 * axis.limit / 2)
    labels = [numbers.percent(tick, decimals, signed=True) for tick in axis.ticks]
    halves = len(labels[0]) <= _HALVES_FIT
    for place, (tick, label) in enumerate(zip(axis.ticks, labels, strict=True)):
        x = axis.x(tick)
        parts.append(_line("tick", x, height - 5, x, height))
        if place % 2 and not halves:
            continue
        anchor = {0: "start", 4: "end"}.get(place, "middle")
        shift = {0: -_EDGE, 4: _EDGE}.get(place, 0)
        parts.append(
            Markup('<text x="{:g}" y="12" text-anchor="{}">{}</text>').format(
                x + shift, anchor, label
            )
        )
    return _svg(identifier, "scale", height, title, desc, parts)


def legend_mark(shape: str) -> Markup:
    """The mark alone, for the legend; what it means stands beside it in words."""
    return Markup(
        '<svg class="legend-mark {shape}" viewBox="0 0 16 16" width="16" height="16"'
        ' aria-hidden="true" focusable="false">{mark}</svg>'
    ).format(shape=shape, mark=_mark(shape, 8, 8))


def _svg(
    identifier: str, kind: str, height: int, title: str, desc: str, parts: list[Markup]
) -> Markup:
    return Markup(
        '<svg class="{kind}" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' role="img" aria-labelledby="{id}-t {id}-d">'
        '<title id="{id}-t">{title}</title><desc id="{id}-d">{desc}</desc>{parts}</svg>'
    ).format(
        kind=kind,
        width=WIDTH,
        height=height,
        id=identifier,
        title=title,
        desc=desc,
        parts=Markup("").join(parts),
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:g}" y1="{:g}" x2="{:g}" y2="{:g}"/>').format(
        kind, x1, y1, x2, y2
    )


def _path(kind: str, *points: tuple[float, float]) -> Markup:
    corners = " L".join(f"{x:g} {y:g}" for x, y in points)
    return Markup('<path class="{}" d="M{} Z"/>').format(kind, corners)


def _end(axis: Axis, end: float, outward: int, middle: float) -> Markup:
    x = axis.x(end)
    if abs(end) <= axis.limit:
        return _line("whisker", x, middle - 4, x, middle + 4)
    if math.copysign(1, end) != outward:  # the whole interval lies beyond the other edge
        return Markup("")
    return _path("arrow", (x + outward * (_EDGE - 2), middle), (x, middle - 5), (x, middle + 5))


def _mark(shape: str, x: float, y: float) -> Markup:
    if shape == "better":  # a diamond
        r = _MARK + 1
        return _path("mark", (x, y - r), (x + r, y), (x, y + r), (x - r, y))
    if shape == "worse":
        return Markup(
            '<rect class="mark" x="{:g}" y="{:g}" width="{size}" height="{size}"/>'
        ).format(x - _MARK, y - _MARK, size=2 * _MARK)
    return Markup('<circle class="mark" cx="{:g}" cy="{:g}" r="{}"/>').format(x, y, _MARK)


def _round_up(value: float) -> float:
    """The next of 1, 2, 3, 4, 5, 6, 8 × 10ᵏ: halves of these are short to write."""
    power = 10.0 ** math.floor(math.log10(value))
    step = next(s for s in (1, 2, 3, 4, 5, 6, 8, 10) if s * power >= value * (1 - 1e-9))
    return float(f"{step * power:.12g}")
