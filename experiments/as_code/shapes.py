"""What a definition looks like in a file: its fields and their types, before its rules are checked.

The same documents as the HTTP API takes; a field that the API refuses is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from experiments.definitions.errors import Problem
from experiments.definitions.keys import KEY_RULE, is_key
from experiments.definitions.time import parse_instant

DEEPEST = 20

Check = Callable[[Any, str], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class Field:
    """`check` yields what is wrong with a value at a dotted path.

    The default of a `placed` field goes by its place in a list, so that it is always written.
    """

    check: Check
    required: bool = False
    nullable: bool = False
    placed: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """An object with these fields and no others. Called, it is the check of one."""

    fields: Mapping[str, Field]

    def __call__(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield _wrong(path, "write an object: fields with their values")
            return
        for name in value.keys() - self.fields.keys():
            yield _wrong(join(path, name), "there is no such field")
        for name, field in self.fields.items():
            place = join(path, name)
            if name not in value:
                if field.required:
                    yield _wrong(place, "this field is required")
            elif value[name] is not None:
                yield from field.check(value[name], place)
            elif not field.nullable:
                yield _wrong(place, "this field may not be null; leave it out")


@dataclass(frozen=True, slots=True)
class ListOf:
    check: Check
    most: int
    least: int = 0

    def __call__(self, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield _wrong(path, "write a list")
            return
        if not self.least <= len(value) <= self.most:
            yield _wrong(path, f"{self.least} to {self.most:,} of them are possible")
        for index, one in enumerate(value):
            place = f"{path}.{index}"
            yield from (
                (_wrong(place, "nothing stands here"),) if one is None else self.check(one, place)
            )


def text(longest: int, shortest: int = 0) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield _wrong(path, "write a text; in quotes where it looks like something else")
        elif not _is_storable(value):
            yield _wrong(path, "a text holds no NUL and no lone surrogate")
        elif not shortest <= len(value) <= longest:
            yield _wrong(path, f"a text of {shortest} to {longest:,} characters")

    return check


def one_of(*words: str) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if value not in words:
            yield _wrong(path, f"use one of {', '.join(words)}")

    return check


def number(least: float = -math.inf, most: float = math.inf) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield _wrong(path, "write a number")
        elif not (least <= value <= most and abs(value) < 2**1000):
            yield _wrong(path, f"write a number of {least:g} to {most:g}")

    return check


def whole(least: int = -(2**53) + 1) -> Check:
    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int):
            yield _wrong(path, "write a whole number")
        elif not least <= value < 2**53:
            yield _wrong(path, "this number is out of range")

    return check


def flag(value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield _wrong(path, "write true or false")


def key(value: Any, path: str) -> Iterator[Problem]:
    if not (isinstance(value, str) and is_key(value)):
        yield _wrong(path, f"{value!r} is not a key: {KEY_RULE}")


def moment(value: Any, path: str) -> Iterator[Problem]:
    try:
        parse_instant(value)
    except (TypeError, ValueError, OverflowError):
        yield _wrong(path, "write a time with its offset, such as 2026-01-31T09:30:00Z")


def any_json(value: Any, path: str) -> Iterator[Problem]:
    """Any JSON that a database can give back."""
    yield from _json(value, path, 0)


def json_object(value: Any, path: str) -> Iterator[Problem]:
    if isinstance(value, dict):
        yield from _json(value, path, 0)
    else:
        yield _wrong(path, "write an object: names with their values")


def join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _json(value: Any, path: str, depth: int) -> Iterator[Problem]:
    if depth > DEEPEST:
        yield _wrong(path, f"this is nested more than {DEEPEST} deep")
    elif isinstance(value, str):
        if not _is_storable(value):
            yield _wrong(path, "a text holds no NUL and no lone surrogate")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _json(name, path, depth + 1)
            yield from _json(inner, join(path, name), depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _json(inner, f"{path}.{index}", depth + 1)


def _is_storable(value: str) -> bool:
    return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def _wrong(path: str, message: str) -> Problem:
    return Problem(path, "INVALID", message)
