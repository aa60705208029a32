"""Numbers and instants as a person reads them: signs, digits, separators, zones.

Everything here is the same in every language; words around a number come from `Words`.
"""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

MINUS = "−"
FIGURE_SPACE = "\u2007"
_MOST_DECIMALS = 6


def count(number: float) -> str:
    """Whole things with thousands separators.

    >>> count(90189)
    '90,189'
    """
    return f"{number:,.0f}".replace("-", MINUS)


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with that many decimals, a true minus and never a negative zero.

    >>> fixed(-1234.5, 2), fixed(-0.001, 2), fixed(0.5, 1, signed=True)
    ('−1,234.50', '0.00', '+0.5')
    """
    rounded = round(value, decimals) or 0.0
    sign = MINUS if rounded < 0 else "+" if signed and rounded > 0 else ""
    return f"{sign}{abs(rounded):,.{decimals}f}"


def decimals_for(resolution: float, *values: float, least: int = 0) -> int:
    """Decimals that give `resolution` two significant digits and leave no value but 0 at zero.

    `resolution` is a standard error or half the width of an interval.

    >>> decimals_for(1.23), decimals_for(0.0025, 0.19), decimals_for(2.0, 0.004)
    (1, 4, 3)
    """
    needed = [least]
    if resolution > 0:
        needed.append(1 - math.floor(math.log10(resolution)))
    needed += [-math.floor(math.log10(abs(value))) for value in values if value]
    return min(max(needed), _MOST_DECIMALS)


def percent(fraction: float, decimals: int, *, signed: bool = False) -> str:
    """A fraction as a percentage.

    >>> percent(-0.0431, 1, signed=True)
    '−4.3%'
    """
    return f"{fixed(100 * fraction, decimals, signed=signed)}%"


def share(fraction: float) -> str:
    """A share of units, with the digits that it needs and never a false 0 % or 100 %.

    >>> share(0.5), share(0.0123), share(0.00001), share(0.99999)
    ('50%', '1.23%', '< 0.01%', '> 99.99%')
    """
    scaled = 100 * fraction
    if 0 < scaled < 0.01:
        return "< 0.01%"
    if 99.99 < scaled < 100:
        return "> 99.99%"
    text = f"{scaled:.2f}".rstrip("0").rstrip(".")
    return f"{text}%"


def p_value(p: float) -> str:
    """A p-value: four decimals where a threshold may be near, three elsewhere.

    >>> p_value(0.0000001), p_value(0.0015565), p_value(0.37592), p_value(1.0)
    ('< 0.001', '0.0016', '0.376', '1.000')
    """
    if p < 0.001:
        return "< 0.001"
    return f"{p:.4f}" if p < 0.1 else f"{p:.3f}"


def p_cell(p: float) -> str:
    """A p-value for a column that ends right: padded so that the decimal points meet."""
    text = p_value(p)
    return text + FIGURE_SPACE * max(0, len("0.1234") - len(text.removeprefix("< ")))


def p_sign(p: float) -> str:
    """A p-value with its sign, for a sentence.

    >>> p_sign(0.0001), p_sign(0.0274)
    ('< 0.001', '= 0.0274')
    """
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def probability(p: float) -> str:
    """A chance in percent that never rounds to certainty.

    >>> probability(0.9731), probability(0.99999), probability(0.0001)
    ('97.3%', '> 99.9%', '< 0.1%')
    """
    if p > 0.999:
        return "> 99.9%"
    return "< 0.1%" if p < 0.001 else percent(p, 1)


def significant(value: float, digits: int = 5) -> str:
    """A number for the tables of detail, with that many significant digits.

    >>> significant(-0.00590512), significant(1234567.0), significant(2.5e-9), significant(0.0)
    ('−0.0059051', '1,234,567', '2.5e−9', '0')
    """
    if value and not 1e-6 <= abs(value) < 1e12:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}".replace("-", MINUS)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    text = fixed(value, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(rfc3339: str, zone: ZoneInfo) -> datetime:
    """The instant of a document in an experiment's time zone."""
    return datetime.fromisoformat(rfc3339).astimezone(zone)
