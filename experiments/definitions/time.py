"""Instants are integers: microseconds since 1970-01-01T00:00:00Z, in every table and record.

Integers mean the same to SQLite, PostgreSQL, DuckDB and Spark; their timestamp types do not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR

Instant = int

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def now() -> Instant:
    return time.time_ns() // 1_000


def parse_instant(text: str) -> Instant:
    """Read an RFC 3339 timestamp; ValueError where it is none or carries no offset."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError("send a time with its offset, such as 2026-01-31T09:30:00Z")
    return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MICROSECOND


def parse_instants(texts: Sequence[str]) -> list[Instant]:
    """Read many; ValueError where any of them is none."""
    if not all(map(_RFC_3339.fullmatch, texts)):
        raise ValueError("send times with their offsets, such as 2026-01-31T09:30:00Z")
    times = map(datetime.fromisoformat, map(str.upper, texts))
    return [(moment - _EPOCH) // _MICROSECOND for moment in times]


def format_instant(instant: Instant) -> str:
    """Write an instant as RFC 3339 in UTC, with microseconds only where there are any."""
    seconds, micros = divmod(instant, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{micros:06d}Z" if micros else f"{text}Z"
