"""Audience conditions, in the Mongo-like language of the GrowthBook SDKs, compiled to closures.

    {"country": {"$in": ["FR", "DE"]}, "$not": {"app.version": {"$lt": 3}}}

A condition is checked once, when it is compiled: `compile_condition` raises `Invalid` with the
place of each mistake. The closure never raises and never hangs, whatever the attributes hold.
Regular expressions run on RE2, in time linear in the text. Comparison follows JavaScript where
the SDKs do: a missing attribute equals null; numbers and numeric texts compare as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import re2

from experiments.definitions.errors import Invalid, Problem

Attributes = Mapping[str, Any]
Predicate = Callable[[Attributes], bool]
_Test = Callable[[Any], bool]

MAX_DEPTH = 20
# What JavaScript's Number() reads; Python's float() also takes "1_000", "nan" and "inf".
_NUMERIC = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = 1 << 20


def compile_condition(condition: Any, path: str = "audience") -> Predicate:
    """Turn a condition into a predicate over attributes; raises `Invalid`."""
    problems: list[Problem] = []
    predicate = _condition(condition, path, problems, 0)
    if problems:
        raise Invalid.of(problems)
    return predicate


def _condition(condition: Any, path: str, problems: list[Problem], depth: int) -> Predicate:
    if not isinstance(condition, dict) or depth > MAX_DEPTH:
        problems.append(
            Problem(
                path,
                "CONDITION_INVALID",
                "a condition is a JSON object of attributes and operators, at most"
                f" {MAX_DEPTH} deep",
            )
        )
        return _never
    parts = [
        _part(name, value, f"{path}.{name}", problems, depth) for name, value in condition.items()
    ]
    if len(parts) == 1:
        return parts[0]
    return lambda attributes: all(part(attributes) for part in parts)


def _part(name: str, value: Any, path: str, problems: list[Problem], depth: int) -> Predicate:
    if name in {"$and", "$or", "$nor"}:
        if not isinstance(value, list):
            problems.append(
                Problem(path, "CONDITION_INVALID", f"{name} takes a list of conditions")
            )
            return _never
        parts = [
            _condition(one, f"{path}.{index}", problems, depth + 1)
            for index, one in enumerate(value)
        ]
        if name == "$and":
            return lambda attributes: all(part(attributes) for part in parts)
        if name == "$or":  # an empty $or holds, as in the SDKs
            return lambda attributes: not parts or any(part(attributes) for part in parts)
        return lambda attributes: bool(parts) and not any(part(attributes) for part in parts)
    if name == "$not":
        part = _condition(value, path, problems, depth + 1)
        return lambda attributes: not part(attributes)
    if name.startswith("$"):
        problems.append(_unknown(path, name))
        return _never
    test = _test(value, path, problems)
    keys = tuple(name.split("."))
    return lambda attributes: test(_look_up(attributes, keys))


def _look_up(attributes: Attributes, keys: tuple[str, ...]) -> Any:
    value: Any = attributes
    for key in keys:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def _test(value: Any, path: str, problems: list[Problem]) -> _Test:
    if not (isinstance(value, dict) and value and all(key.startswith("$") for key in value)):
        return _equals(value)
    tests: list[_Test] = []
    for name, operand in value.items():
        make = _OPERATORS.get(name)
        if make is None:
            problems.append(_unknown(f"{path}.{name}", name))
            continue
        try:
            tests.append(make(operand))
        except (ValueError, re2.error) as error:
            problems.append(Problem(f"{path}.{name}", "CONDITION_INVALID", str(error)))
    if len(tests) == 1:
        return tests[0]
    return lambda found: all(test(found) for test in tests)


def _unknown(path: str, name: str) -> Problem:
    known = ", ".join(sorted([*_OPERATORS, "$and", "$nor", "$not", "$or"]))
    return Problem(path, "OPERATOR_UNKNOWN", f"{name} is not an operator; use one of {known}")


def _never(_attributes: Attributes) -> bool:
    return False


def _equals(operand: Any) -> _Test:
    if isinstance(operand, bool):
        return lambda found: found is operand
    if isinstance(operand, int | float):
        return lambda found: not isinstance(found, bool) and bool(found == operand)
    return lambda found: bool(found == operand)


def _differs(operand: Any) -> _Test:
    equals = _equals(operand)
    return lambda found: not equals(found)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any], _Test]:
    def make(operand: Any) -> _Test:
        if isinstance(operand, dict | list) or operand is None:
            raise ValueError("compare with a number or a text")
        number = _number(operand)

        def test(found: Any) -> bool:
            if isinstance(found, str) and isinstance(operand, str):
                return holds(found, operand)
            value = _number(found)
            # A missing attribute counts as 0, as in JavaScript's comparisons.
            return value is not None and number is not None and holds(value, number)

        return test

    return make


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return 0.0
    if isinstance(value, str) and not _NUMERIC.fullmatch(value):
        return None
    if isinstance(value, bool | int | float | str):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def _in(operand: Any) -> _Test:
    if not isinstance(operand, list):
        raise ValueError("take a list of values")  # noqa: TRY004 — one kind of error for users
    tests = [_equals(one) for one in operand]

    def test(found: Any) -> bool:
        if isinstance(found, list):
            return any(one(value) for value in found for one in tests)
        return any(one(found) for one in tests)

    return test


def _not_in(operand: Any) -> _Test:
    inside = _in(operand)
    return lambda found: not inside(found)


def _exists(operand: Any) -> _Test:
    return (lambda found: found is not None) if operand else (lambda found: found is None)


def _regex(operand: Any) -> _Test:
    if not isinstance(operand, str):
        raise ValueError("take a regular expression as a text")  # noqa: TRY004 — as in _in
    pattern = re2.compile(operand, _OPTIONS)

    def test(found: Any) -> bool:
        if not isinstance(found, str):
            return False
        try:
            return pattern.search(found) is not None
        except UnicodeEncodeError:  # a lone surrogate has no UTF-8
            return False

    return test


_OPERATORS: dict[str, Callable[[Any], _Test]] = {
    "$eq": _equals,
    "$ne": _differs,
    "$lt": _ordered(lambda a, b: a < b),
    "$lte": _ordered(lambda a, b: a <= b),
    "$gt": _ordered(lambda a, b: a > b),
    "$gte": _ordered(lambda a, b: a >= b),
    "$in": _in,
    "$nin": _not_in,
    "$exists": _exists,
    "$regex": _regex,
}
