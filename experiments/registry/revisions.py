"""Two people who edit one thing: the second is told."""

from __future__ import annotations

from experiments.definitions.errors import Stale


def check_expected(revision: int, expected: int | None) -> None:
    """Refuse where the caller read another revision; None means that they did not say."""
    if expected is not None and expected != revision:
        raise stale()


def stale() -> Stale:
    return Stale("REVISION_STALE", "somebody changed it first; read it again and repeat")
