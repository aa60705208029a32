"""Conditions in the Mongo-like language of the GrowthBook SDKs, compiled once to closures.

    {"country": {"$in": ["FR", "DE"]}, "$not": {"app.version": {"$vlt": "3.0.0"}}}

One compiler, two readings. `compile_condition` is for definitions: it raises `Invalid` with the
place of each mistake. `read_condition` is for payloads from outside and never raises: what is
wrong there matches nothing, as in the SDKs. The closure of either never raises and never hangs,
whatever the attributes hold: depth and size are bounded, and regular expressions run on RE2, in
time linear in the text. Where the SDKs differ among themselves, JavaScript's reading holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from experiments.assignment import javascript
from experiments.assignment.operators import LEAVES, Test, folded, inside, literal, negated, never
from experiments.definitions.errors import Invalid, Problem

Attributes = Mapping[str, Any]
Predicate = Callable[[Attributes], bool]
# By id: a list of members, or {"type": "list", "attributeKey", "values"}, or
# {"type": "condition", "condition"}.
Groups = Mapping[str, Any]

MAX_DEPTH = 20
MAX_TESTS = 10_000  # with the conditions of saved groups put in where they are named

_NO_GROUPS: Groups = {}
_ON_CONDITIONS = ("$and", "$nor", "$not", "$or", "$savedGroup")
_ON_PARTS = ("$all", "$alli", "$elemMatch", "$inGroup", "$not", "$notInGroup", "$size")


def compile_condition(
    condition: Any, path: str = "audience", groups: Groups = _NO_GROUPS
) -> Predicate:
    """Turn a definition's condition into a predicate over attributes; raises `Invalid`."""
    compiler = _Compiler(groups)
    predicate = compiler.condition(condition, _Place(path))
    if compiler.problems:
        raise Invalid.of(compiler.problems)
    return predicate


def read_condition(condition: Any, groups: Groups = _NO_GROUPS) -> Predicate:
    """Turn a condition of a payload into a predicate, as the SDKs read it."""
    return _Compiler(groups).condition(condition, _Place(""))


def attributes_of(condition: Any, groups: Groups = _NO_GROUPS) -> tuple[str, ...]:
    """The attributes that a condition looks at, as dotted paths, sorted."""
    compiler = _Compiler(groups)
    compiler.condition(condition, _Place(""))
    return tuple(sorted(compiler.attributes))


@dataclass(frozen=True, slots=True)
class _Place:
    path: str
    depth: int = 0
    groups: frozenset[str] = frozenset()  # being read, to stop where one names itself
    in_element: bool = False

    def down(self, name: str | int) -> _Place:
        return replace(self, path=f"{self.path}.{name}", depth=self.depth + 1)


@dataclass(slots=True)
class _Compiler:
    groups: Groups
    problems: list[Problem] = field(default_factory=list)
    attributes: set[str] = field(default_factory=set)
    tests: int = 0

    def condition(self, condition: Any, at: _Place) -> Predicate:
        if not isinstance(condition, dict) or at.depth > MAX_DEPTH:
            return self._refuse(
                at,
                "a condition is a JSON object of attributes and operators, at most"
                f" {MAX_DEPTH} deep",
            )
        return _all_of([self._part(name, value, at) for name, value in condition.items()])

    def _part(self, name: str, operand: Any, parent: _Place) -> Predicate:
        at = parent.down(name)
        if self._too_many(at):
            return never
        if name in {"$and", "$or", "$nor"}:
            return self._combined(name, operand, at)
        if name == "$not":
            return negated(self.condition(operand, at))
        if name == "$savedGroup":
            return self._saved_group(operand, at)
        if name.startswith("$"):
            # A payload may have an attribute of such a name; a definition has mistyped.
            self._unknown(at, name)
        return self._attribute(name, self._test(operand, at), at)

    def _attribute(self, name: str, test: Test, at: _Place) -> Predicate:
        if not at.in_element:
            self.attributes.add(name)
        keys = tuple(name.split("."))
        if len(keys) == 1:
            return lambda attributes: test(attributes.get(name))
        first, rest = keys[0], keys[1:]
        return lambda attributes: test(javascript.look_up(attributes.get(first), rest))

    def _combined(self, name: str, operand: Any, at: _Place) -> Predicate:
        if not isinstance(operand, list):
            return self._refuse(at, f"{name} takes a list of conditions")
        parts = [self.condition(one, at.down(index)) for index, one in enumerate(operand)]
        if name == "$and":
            return _all_of(parts)
        either = _any_of(parts)
        return either if name == "$or" else negated(either)

    def _saved_group(self, reference: Any, at: _Place) -> Predicate:
        known = isinstance(reference, dict) and isinstance(reference.get("id"), str)
        if not known:
            return self._refuse(at, 'take {"id": …} with the id of a saved group')
        group, key = reference["id"], reference.get("attributeKey")
        if group in at.groups:
            return self._refuse(at, f"the saved group {group!r} names itself")
        entry = self.groups.get(group)
        if not isinstance(entry, dict):
            return self._no_group(at, group)
        if "attributeKey" in reference and not isinstance(key, str):
            return self._refuse(at, "attributeKey is the name of an attribute")
        if entry.get("type") == "condition":
            inner = replace(at.down(group), groups=at.groups | {group})
            return self.condition(entry.get("condition"), inner)
        key = key if isinstance(key, str) else entry.get("attributeKey")
        values = entry.get("values")
        if entry.get("type") != "list" or not isinstance(key, str) or not isinstance(values, list):
            return self._refuse(at, f"the saved group {group!r} is neither a list nor a condition")
        return self._attribute(key, inside(values), at)

    def _test(self, operand: Any, at: _Place) -> Test:
        """The test that a plain value or an object of operators makes of what is found."""
        if not isinstance(operand, dict) or not operand:
            return literal(operand)
        named = [name.startswith("$") for name in operand]
        if not all(named):
            if any(named):
                self._refuse(at, "use operators, which begin with $, or plain names, not both")
            return literal(operand)
        if at.depth > MAX_DEPTH:
            return self._refuse(at, f"a condition is at most {MAX_DEPTH} deep")
        return _all_of(
            [self._operator(name, value, at.down(name)) for name, value in operand.items()]
        )

    def _operator(self, name: str, operand: Any, at: _Place) -> Test:
        if self._too_many(at):
            return never
        if name in LEAVES:
            return LEAVES[name](operand, lambda message: self._report(at, message))
        if name == "$not":
            return negated(self._test(operand, at))
        if name == "$size":
            size = self._test(operand, at)
            return lambda found: isinstance(found, list) and size(len(found))
        if name == "$elemMatch":
            return self._element(operand, at)
        if name in {"$all", "$alli"}:
            return self._every(operand, at, fold=name == "$alli")
        if name in {"$inGroup", "$notInGroup"}:
            return self._in_group(operand, at, wanted=name == "$inGroup")
        self._unknown(at, name)
        return never

    def _element(self, operand: Any, at: _Place) -> Test:
        if not isinstance(operand, dict):
            return self._refuse(at, "take the operators or the condition that one element fulfils")
        if operand and all(name.startswith("$") for name in operand):
            test = self._test(operand, at)
        else:
            predicate = self.condition(operand, replace(at, in_element=True))
            test = lambda one: predicate(javascript.as_object(one))  # noqa: E731
        return lambda found: (
            isinstance(found, list) and any(one is not None and test(one) for one in found)
        )

    def _every(self, operand: Any, at: _Place, *, fold: bool) -> Test:
        if not isinstance(operand, list):
            return self._refuse(at, "take a list of values")
        tests = [
            folded(one) if fold and isinstance(one, str) else self._test(one, at.down(index))
            for index, one in enumerate(operand)
        ]
        return lambda found: (
            isinstance(found, list) and all(any(map(test, found)) for test in tests)
        )

    def _in_group(self, group: Any, at: _Place, *, wanted: bool) -> Test:
        if not isinstance(group, str) or group not in self.groups:
            # The SDKs take a group that is not there for an empty one.
            self._no_group(at, group)
            return never if wanted else negated(never)
        entry = self.groups[group]
        members = entry.get("values") if isinstance(entry, dict) else entry
        typed = isinstance(entry, dict) and entry.get("type") != "list"
        if typed or not isinstance(members, list):
            return self._refuse(at, f"the saved group {group!r} is no list; use $savedGroup")
        test = inside(members)
        return test if wanted else negated(test)

    def _too_many(self, at: _Place) -> bool:
        self.tests += 1
        if self.tests == MAX_TESTS + 1:
            self._report(at, f"a condition has at most {MAX_TESTS} tests, saved groups included")
        return self.tests > MAX_TESTS

    def _refuse(self, at: _Place, message: str) -> Test:
        self._report(at, message)
        return never

    def _report(self, at: _Place, message: str) -> None:
        self.problems.append(Problem(at.path, "CONDITION_INVALID", message))

    def _no_group(self, at: _Place, group: Any) -> Test:
        message = f"there is no saved group {group!r}"
        self.problems.append(Problem(at.path, "GROUP_UNKNOWN", message))
        return never

    def _unknown(self, at: _Place, name: str) -> None:
        known = ", ".join(sorted({*LEAVES, *_ON_CONDITIONS, *_ON_PARTS}))
        self.problems.append(
            Problem(at.path, "OPERATOR_UNKNOWN", f"{name} is not an operator; use one of {known}")
        )


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        one, two = tests
        return lambda found: one(found) and two(found)
    return lambda found: all(test(found) for test in tests)


def _any_of(tests: list[Test]) -> Test:
    """An empty $or holds, as in the SDKs."""
    return lambda found: not tests or any(test(found) for test in tests)
