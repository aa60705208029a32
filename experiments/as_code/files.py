"""Files of definitions: read, each value with the line where it stands, and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.as_code.compact import compact
from experiments.as_code.kinds import ALL, BY_SECTION, BY_SUBJECT, Kind
from experiments.as_code.shapes import join
from experiments.as_code.yaml_text import read_marked, write_yaml
from experiments.definitions.errors import Conflict, Invalid, Problem
from experiments.definitions.experiment import Document
from experiments.registry import Wanted


@dataclass(frozen=True, slots=True)
class Source:
    """Where one definition stands; `path` leads to it in its file, `lines` are all of the file."""

    file: str
    path: str
    lines: Mapping[str, int]

    def at(self, path: str) -> str:
        """FILE:LINE of a place in the definition, or of the nearest around it."""
        place = join(self.path, path) if path else self.path
        while place not in self.lines and place:
            place = place.rpartition(".")[0]
        return f"{self.file}:{self.lines.get(place, 1)}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: where it stands (FILE:LINE or ""), in which field of what."""

    where: str
    subject: str
    key: str
    problem: Problem

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        what = f"{self.subject} {self.key}".strip()
        field = f"{what} {self.problem.path}".strip()
        return f"{place}{field}: {self.problem.message} [{self.problem.code}]"


@dataclass(frozen=True, slots=True)
class Definitions:
    """What files hold; `sources` by subject and key."""

    wanted: tuple[Wanted, ...]
    sources: Mapping[tuple[str, str], Source]
    mistakes: tuple[Mistake, ...]


def read_files(paths: Iterable[Path]) -> Definitions:
    """All definitions of all files, and everything that is wrong with them by themselves."""
    wanted: list[Wanted] = []
    sources: dict[tuple[str, str], Source] = {}
    mistakes: list[Mistake] = []
    for path in paths:
        try:
            document, lines = read_marked(_text(path))
        except Invalid as error:
            mistakes.append(Mistake(str(path), "", "", Problem("", error.code, error.detail)))
            continue
        top = Source(str(path), "", lines)
        for kind, index, one in _sections(document, top, mistakes):
            source = Source(top.file, f"{kind.section}.{index}", lines)
            key = one.get("key") if isinstance(one, dict) else None
            problems = list(kind.shape(one, "")) or _broken_rules(kind, one)
            if problems:
                mistakes += [
                    Mistake(source.at(problem.path), kind.subject, _shown(key), problem)
                    for problem in problems
                ]
                continue
            first = sources.setdefault((kind.subject, one["key"]), source)
            if first is not source:
                problem = Problem(
                    "key", "DEFINED_TWICE", f"it stands at {first.at('key')} too; keep one of them"
                )
                mistakes.append(Mistake(source.at("key"), kind.subject, one["key"], problem))
                continue
            wanted.append(Wanted(kind.subject, one))
    return Definitions(tuple(wanted), sources, tuple(mistakes))


def write_file(wanted: Iterable[Wanted]) -> str:
    """YAML that `read_files` takes back; what is as it would be by default is left out."""
    sections: dict[str, list[Any]] = {kind.section: [] for kind in ALL}
    for one in sorted(wanted, key=lambda one: one.key):
        sections[BY_SUBJECT[one.subject].section].append(compact(one.subject, one.document))
    return write_yaml({name: listed for name, listed in sections.items() if listed})


def mistakes_of(
    error: Invalid | Conflict, wanted: Wanted, sources: Mapping[tuple[str, str], Source]
) -> list[Mistake]:
    """The problems of a refusal, each at its line where the definition stands in a file."""
    source = sources.get((wanted.subject, wanted.key))
    problems = error.problems or (Problem("", error.code, error.detail),)
    return [
        Mistake("" if source is None else source.at(one.path), wanted.subject, wanted.key, one)
        for one in problems
    ]


def _broken_rules(kind: Kind, document: Document) -> list[Problem]:
    try:
        kind.from_document(document)
    except Invalid as error:
        return list(error.problems)
    return []


def _shown(key: Any) -> str:
    return key if isinstance(key, str) and key.isprintable() else ""


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Invalid("FILE_UNREADABLE", f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Invalid("FILE_UNREADABLE", "it is not UTF-8; save it as UTF-8") from error


def _sections(
    document: Any, top: Source, mistakes: list[Mistake]
) -> Iterator[tuple[Kind, int, Any]]:
    """Every entry of every list of a file."""
    names = ", ".join(kind.section for kind in ALL)
    if not isinstance(document, dict):
        message = f"a file holds lists of definitions, under {names}"
        mistakes.append(Mistake(top.at(""), "", "", Problem("", "INVALID", message)))
        return
    for name, listed in document.items():
        kind = BY_SECTION.get(name)
        if kind is None:
            message = f"there is no such list; definitions stand under {names}"
        elif not isinstance(listed, list):
            message = "write a list of definitions, each after a dash"
        else:
            for index, one in enumerate(listed):
                yield kind, index, one
            continue
        mistakes.append(Mistake(top.at(name), "", "", Problem(name, "INVALID", message)))
