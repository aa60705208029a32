"""YAML that means what JSON means: no dates, no `yes`, no octal numbers, no key twice.

YAML 1.1, which PyYAML reads by itself, turns `no` into false, `2026-01-01` into a date and `010`
into 8. Here true, false, null and numbers are written as in JSON (YAML 1.2's other spellings of
true, false and null count too), and every other word is a text. Aliases are refused, since a text
of a few lines could stand for gigabytes, and tags, which would make values that JSON has not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from experiments.definitions.errors import Invalid

_PREFIX = "tag:yaml.org,2002:"
_BREAKS = frozenset("\r\x85\u2028\u2029\ufeff")  # breaks lines in YAML 1.1
_WORDS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),  # "": where nothing is written
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
)


def read_yaml(text: str) -> Any:
    """One document; `Invalid` YAML_INVALID names the line and the column."""
    return read_marked(text)[0]


def read_marked(text: str) -> tuple[Any, dict[str, int]]:
    """As `read_yaml`, with the line of each value, from 1, by its dotted place."""
    with _reading(text) as loader:
        node = loader.get_single_node()
        lines = dict(_lines(node, ())) if node is not None else {}
        return None if node is None else loader.construct_document(node), lines


def write_yaml(document: Any) -> str:
    """Fields in the order that they have, a line each; long texts as literal blocks."""
    text: str = yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=math.inf,
    )
    return text


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 — PyYAML's own way

    def __init__(self, text: str) -> None:
        try:
            super().__init__(text)
        except yaml.YAMLError as error:  # a character that no YAML may hold
            raise Invalid("YAML_INVALID", _said(error)) from error

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _mistake(event, "write an alias (*) out")
        if getattr(event, "tag", None) is not None:
            raise _mistake(event, f"leave the tag {event.tag!r} out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002, ARG002 — PyYAML's signature
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _mistake(key_node, "a key is a text: put it in quotes")
            if key in mapping:
                raise _mistake(key_node, f"the key {key!r} stands here twice")
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping

    def construct_yaml_float(self, node: Any) -> float:
        number = float(node.value)
        if not math.isfinite(number):
            raise _mistake(node, "this number is out of range")
        return number


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = {}  # noqa: RUF012 — as above

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 — PyYAML's signature
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 — as above
        return True

    def represent_text(self, text: str) -> Any:
        """Quoted wherever this reader or one of YAML 1.1 would see something else than a text."""
        style = "|" if "\n" in text else None
        tags = {_tag_of(reader, text) for reader in _READERS}
        if tags != {f"{_PREFIX}str"} or not _BREAKS.isdisjoint(text):
            style = '"'
        return self.represent_scalar(f"{_PREFIX}str", text, style=style)


for _tag, _pattern, _first in _WORDS:
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(f"{_PREFIX}{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)
_Loader.add_constructor(f"{_PREFIX}float", _Loader.construct_yaml_float)
_Loader.add_constructor(f"{_PREFIX}map", _Loader.construct_mapping)
_Dumper.add_representer(str, _Dumper.represent_text)


class _Ours(yaml.resolver.BaseResolver):
    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


_READERS = (_Ours(), yaml.resolver.Resolver())


@contextmanager
def _reading(text: str) -> Iterator[_Loader]:
    loader = _Loader(text)
    try:
        yield loader
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid("YAML_INVALID", _said(error)) from error
    finally:
        loader.dispose()


def _lines(node: Any, place: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """A field stands where its key stands."""
    if not place:
        yield "", node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, inner in enumerate(node.value):
            yield ".".join((*place, str(index))), inner.start_mark.line + 1
            yield from _lines(inner, (*place, str(index)))
    elif isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            name = str(key.value)
            yield ".".join((*place, name)), key.start_mark.line + 1
            yield from _lines(inner, (*place, name))


def _tag_of(reader: Any, text: str) -> str:
    tag: str = reader.resolve(yaml.ScalarNode, text, (True, False))
    return tag


def _mistake(node: Any, message: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)


def _said(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    if isinstance(error, RecursionError):
        return "this is nested too deep"
    return " ".join(str(error).split())
