"""The operators that look at one value: equality, order, membership, patterns, versions.

Each is made once from its operand and gives a test that never raises. An operand that no
definition may have is reported, and yet read as the SDKs read it: one that comes from outside
matches or does not match, it is not an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import re2

from experiments.assignment import javascript
from experiments.assignment.versions import padded

Test = Callable[[Any], bool]
Report = Callable[[str], None]
Maker = Callable[[Any, Report], Test]

TYPES = ("string", "number", "boolean", "null", "array", "object")


def literal(operand: Any) -> Test:
    """The test of a plain value instead of operators; it converts as JavaScript does."""
    if isinstance(operand, str):
        return lambda found: (
            found == operand if isinstance(found, str) else javascript.text(found) == operand
        )
    if isinstance(operand, bool):
        return lambda found: found is not None and javascript.truthy(found) is operand
    if isinstance(operand, int | float):
        wanted = javascript.double(operand)
        return lambda found: javascript.number(found) == wanted
    if operand is None:
        return lambda found: found is None
    return lambda found: javascript.same_json(operand, found)


def folded(operand: Any) -> Test:
    """As `literal`, but a text is compared without regard to case."""
    if not isinstance(operand, str):
        return literal(operand)
    wanted = operand.lower()
    return lambda found: javascript.text(found).lower() == wanted


def never(_found: Any) -> bool:
    return False


def inside(members: list[Any], *, fold: bool = False) -> Test:
    """Whether a value, or one of a list, is among the members: same type and same value."""
    key = _folded_identity if fold else javascript.identity
    keys = {key(member) for member in members} - {None}

    def test(found: Any) -> bool:
        if isinstance(found, list):
            return any(key(one) in keys for one in found)
        return key(found) in keys

    return test


def negated(test: Test) -> Test:
    return lambda found: not test(found)


def _folded_identity(value: Any) -> Any:
    return javascript.identity(value.lower() if isinstance(value, str) else value)


def _equal(operand: Any, report: Report) -> Test:
    if isinstance(operand, dict | list):
        report("never holds for a list or an object; leave the operator out to compare one")
    wanted = javascript.identity(operand)
    return lambda found: wanted is not None and javascript.identity(found) == wanted


def _unequal(operand: Any, report: Report) -> Test:
    return negated(_equal(operand, report))


def _ordered(holds: Callable[[Any, Any], bool]) -> Maker:
    def make(operand: Any, report: Report) -> Test:
        if operand is None or isinstance(operand, dict | list):
            report("compare with a number or a text")
        if isinstance(operand, dict | list):
            operand = javascript.text(operand)
        worth = javascript.number(operand)
        units = javascript.code_units(operand) if isinstance(operand, str) else None

        def test(found: Any) -> bool:
            if isinstance(found, dict | list):
                found = javascript.text(found)
            if units is not None and isinstance(found, str):
                return holds(javascript.code_units(found), units)
            return holds(javascript.number(found), worth)

        return test

    return make


def _member(*, fold: bool, wanted: bool) -> Maker:
    def make(operand: Any, report: Report) -> Test:
        if not isinstance(operand, list):
            report("take a list of values")
            return never
        test = inside(operand, fold=fold)
        return test if wanted else negated(test)

    return make


def _version(holds: Callable[[bytes, bytes], bool]) -> Maker:
    def make(operand: Any, report: Report) -> Test:
        if isinstance(operand, bool) or not isinstance(operand, str | int | float):
            report('compare with a version as a text, such as "1.10.0"')
        wanted = padded(operand)
        return lambda found: holds(padded(found), wanted)

    return make


def _exists(operand: Any, _report: Report) -> Test:
    if javascript.truthy(operand):
        return lambda found: found is not None
    return lambda found: found is None


def _type(operand: Any, report: Report) -> Test:
    if operand not in TYPES:
        report(f"take one of {', '.join(TYPES)}")
    return lambda found: _type_name(found) == operand


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _pattern(*, fold: bool) -> Maker:
    def make(operand: Any, report: Report) -> Test:
        search = _searcher(operand, report, fold=fold)
        return never if search is None else lambda found: search(javascript.text(found))

    return make


def _no_pattern(*, fold: bool) -> Maker:
    """Holds for whatever is no text, as in the SDK that has these operators."""

    def make(operand: Any, report: Report) -> Test:
        search = _searcher(operand, report, fold=fold)
        return lambda found: search is None or not isinstance(found, str) or not search(found)

    return make


def _searcher(operand: Any, report: Report, *, fold: bool) -> Callable[[str], bool] | None:
    if not isinstance(operand, str):
        report("take a regular expression as a text")
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    options.case_sensitive = not fold
    try:
        pattern = re2.compile(operand, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0]
        report(f"is no regular expression of RE2: {_reason(reason)}")
        return None

    def search(found: str) -> bool:
        try:
            return pattern.search(found) is not None
        except UnicodeEncodeError:  # a lone surrogate has no UTF-8
            return False

    return search


def _reason(reason: Any) -> str:
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


LEAVES: dict[str, Maker] = {
    "$eq": _equal,
    "$ne": _unequal,
    "$lt": _ordered(operator.lt),
    "$lte": _ordered(operator.le),
    "$gt": _ordered(operator.gt),
    "$gte": _ordered(operator.ge),
    "$in": _member(fold=False, wanted=True),
    "$nin": _member(fold=False, wanted=False),
    "$ini": _member(fold=True, wanted=True),
    "$nini": _member(fold=True, wanted=False),
    "$veq": _version(operator.eq),
    "$vne": _version(operator.ne),
    "$vlt": _version(operator.lt),
    "$vlte": _version(operator.le),
    "$vgt": _version(operator.gt),
    "$vgte": _version(operator.ge),
    "$exists": _exists,
    "$type": _type,
    "$regex": _pattern(fold=False),
    "$regexi": _pattern(fold=True),
    "$notRegex": _no_pattern(fold=False),
    "$notRegexi": _no_pattern(fold=True),
}
