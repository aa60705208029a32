"""Dead letters taken in again, mended or as they are, or thrown away.

A replay is judged as the first sending was, with the time of receipt of then, and is stored by
the same code. The letter leaves in the transaction that stores its item, so that a replay that
breaks off, or runs twice, counts nothing twice. `sent_at` is not kept with a letter: who knows
the skew of the client's clock names it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from experiments.definitions.errors import Unavailable
from experiments.definitions.time import Instant, now
from experiments.events.dead_letters import (
    ANY,
    Cursor,
    DeadLetterPage,
    Wanted,
    count_dead_letters,
    find_dead_letter,
    list_dead_letters,
    not_found,
)
from experiments.events.intake import Intake, verdict_on
from experiments.events.log import write
from experiments.events.records import DeadLetter, Record, Status, Verdict
from experiments.events.writer import ATTEMPTS, lost_a_race
from experiments.store.audit import AuditEntry, append_audit
from experiments.store.database import Connection, Database
from experiments.store.tables import dead_letters

AT_ONCE = 100  # letters in one transaction
_KEY = sa.tuple_(dead_letters.c.digest, dead_letters.c.code)


@dataclass(frozen=True, slots=True)
class Correction:
    """The item that is to be taken in the place of what was refused."""

    item: Any


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A letter, the item that it holds or that stands in for it, and what is to be stored."""

    letter: DeadLetter
    item: Any
    record: Record
    is_corrected: bool


class DeadLetters:
    """What was refused in each environment, and what becomes of it."""

    def __init__(self, database: Database, intake: Intake) -> None:
        self._database = database
        self._intake = intake

    def page(
        self,
        environment: str,
        wanted: Wanted = ANY,
        *,
        limit: int = 100,
        after: Cursor | None = None,
    ) -> DeadLetterPage:
        return list_dead_letters(self._database, environment, wanted, limit=limit, after=after)

    def count(self, environment: str, wanted: Wanted = ANY) -> int:
        return count_dead_letters(self._database, environment, wanted)

    def get(self, environment: str, letter_id: str) -> DeadLetter:
        with self._database.read() as connection:
            return find_dead_letter(connection, environment, letter_id)

    def replay(
        self,
        environment: str,
        letter_id: str,
        actor: str,
        *,
        correction: Correction | None = None,
        sent_at: Instant | None = None,
    ) -> Verdict:
        """Take one letter in again.

        What is in the log then, `stored` or `duplicate`, is a dead letter no more. Of what is
        refused again the letter stays with its new reason; a correction that is refused leaves
        the letter as it was. Raises `NotFound` DEAD_LETTER_NOT_FOUND.
        """
        letter = self.get(environment, letter_id)
        attempt = self._attempt(letter, correction, sent_at)
        verdict = self._take([attempt], actor)[0]
        if verdict is None:
            raise not_found(environment, letter_id)
        return verdict

    def replay_all(self, environment: str, wanted: Wanted, actor: str) -> Iterator[list[Verdict]]:
        """Take in again what is wanted, as it is; the verdicts on a transaction's worth at a time.

        What others replay or discard meanwhile has no verdict here.
        """
        for letters in self._batches(environment, wanted):
            attempts = [self._attempt(letter, None, None) for letter in letters]
            yield [verdict for verdict in self._take(attempts, actor) if verdict is not None]

    def discard(self, environment: str, letter_id: str, actor: str) -> None:
        """Delete one letter for good; `NotFound` DEAD_LETTER_NOT_FOUND."""
        letter = self.get(environment, letter_id)
        if not self._delete([letter], actor):
            raise not_found(environment, letter_id)

    def discard_all(self, environment: str, wanted: Wanted, actor: str) -> Iterator[int]:
        """Delete what is wanted for good; how many at a time."""
        for letters in self._batches(environment, wanted):
            yield self._delete(letters, actor)

    def _batches(self, environment: str, wanted: Wanted) -> Iterator[Sequence[DeadLetter]]:
        """From the newest that is there now to the oldest, each once, whatever comes or goes."""
        after: Cursor | None = None
        while True:
            page = self.page(environment, wanted, limit=AT_ONCE, after=after)
            if page.letters:
                yield page.letters
            after = page.next_cursor
            if after is None:
                return

    def _attempt(
        self, letter: DeadLetter, correction: Correction | None, sent_at: Instant | None
    ) -> _Attempt:
        if correction is not None:
            item = correction.item
        else:
            try:
                item = json.loads(letter.body)
            except (RecursionError, ValueError):  # nested beyond writing or reading
                return _Attempt(letter, None, letter, is_corrected=False)
        (record,) = self._intake.settle(
            letter.environment,
            letter.key_selector,
            [item],
            sent_at=sent_at,
            received_at=letter.received_at,
        )
        return _Attempt(letter, item, record, is_corrected=correction is not None)

    def _take(self, attempts: list[_Attempt], actor: str) -> list[Verdict | None]:
        """Store what can be, in one transaction; None for a letter that has gone."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._take_once(attempts, actor)
            except Unavailable as error:
                if not lost_a_race(error):
                    raise
        return self._take_once(attempts, actor)

    def _take_once(self, attempts: list[_Attempt], actor: str) -> list[Verdict | None]:
        with self._database.append() as connection:
            held = _lock(connection, [attempt.letter for attempt in attempts])
            there = [(n, one) for n, one in enumerate(attempts) if one.letter.id in held]
            accepted = [n for n, one in there if not isinstance(one.record, DeadLetter)]
            statuses: dict[int, Status] = {}
            if accepted:
                written, _ = write(connection, [attempts[n].record for n in accepted])
                statuses = dict(zip(accepted, written, strict=True))
            verdicts: list[Verdict | None] = [None] * len(attempts)
            at = now()
            for n, one in there:
                verdict = verdict_on(n, one.item, one.record, statuses.get(n, "rejected"))
                verdicts[n] = verdict
                _settle_letter(connection, one, verdict, actor, at)
            return verdicts

    def _delete(self, letters: Sequence[DeadLetter], actor: str) -> int:
        with self._database.append() as connection:
            held = _lock(connection, letters)
            gone = [letter for letter in letters if letter.id in held]
            at = now()
            for letter in gone:
                _remove(connection, letter)
                _note(connection, letter, "discard", None, actor, at)
        return len(gone)


def _lock(connection: Connection, letters: Sequence[DeadLetter]) -> set[str]:
    """The ids of those letters that are still there, held until the transaction ends."""
    query = (
        sa.select(dead_letters.c.digest, dead_letters.c.code)
        .where(
            dead_letters.c.environment == letters[0].environment,
            _KEY.in_([(letter.digest, letter.code) for letter in letters]),
        )
        .order_by(dead_letters.c.digest, dead_letters.c.code)
        .with_for_update()
    )
    return {f"{digest}-{code}" for digest, code in connection.execute(query)}


def _settle_letter(
    connection: Connection, attempt: _Attempt, verdict: Verdict, actor: str, at: Instant
) -> None:
    """What the verdict means for the letter."""
    letter = attempt.letter
    if verdict.status in {"stored", "duplicate"}:
        _remove(connection, letter)
        after = {"status": verdict.status, "corrected": attempt.is_corrected}
        _note(connection, letter, "replay", after, actor, at)
        return
    code, detail = verdict.code or letter.code, verdict.detail or ""
    if attempt.is_corrected or (code, detail) == (letter.code, letter.detail):
        return
    _remove(connection, letter)
    moved = replace(letter, code=code, detail=detail)
    write(connection, [moved])  # nothing where the same body has this reason already
    _note(connection, letter, "replay", {"status": verdict.status, "code": code}, actor, at)


def _remove(connection: Connection, letter: DeadLetter) -> None:
    connection.execute(
        sa.delete(dead_letters).where(
            dead_letters.c.environment == letter.environment,
            dead_letters.c.digest == letter.digest,
            dead_letters.c.code == letter.code,
        )
    )


def _note(
    connection: Connection,
    letter: DeadLetter,
    verb: str,
    after: dict[str, Any] | None,
    actor: str,
    at: Instant,
) -> None:
    """Write down who did it; the body, which tells of people, stays out of the audit."""
    before = {
        "code": letter.code,
        "key_selector": letter.key_selector,
        "received_at": letter.received_at,
    }
    entry = AuditEntry(
        environment=letter.environment,
        subject="dead_letter",
        key=letter.id,
        revision=1,
        verb=verb,
        actor=actor,
        at=at,
        before=before,
        after=after,
    )
    append_audit(connection, entry)
