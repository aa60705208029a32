"""A progress bar on standard error, where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def progress(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """The function to be told of each step of the way."""
    bar: Any = click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with bar:
        yield bar.update
