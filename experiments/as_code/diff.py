"""What would change, as lines of YAML that go and come."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff

from experiments.as_code.compact import compact
from experiments.as_code.yaml_text import write_yaml
from experiments.definitions.experiment import Document
from experiments.registry import Outcome

CONTEXT = 3


def diff(outcome: Outcome) -> Iterator[str]:
    """Each line begins with "+", "-", " " or, between stretches, "@"."""
    subject = outcome.wanted.subject
    before = [] if outcome.before is None else _lines(subject, outcome.before)
    lines = unified_diff(before, _lines(subject, outcome.after), n=CONTEXT, lineterm="")
    for number, line in enumerate(lines):
        if number > 1:  # two name the files
            yield line


def _lines(subject: str, document: Document) -> list[str]:
    return write_yaml(compact(subject, document)).splitlines()
