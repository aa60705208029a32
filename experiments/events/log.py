"""The log's SQL: what a batch of records does to the tables, and the verdict on each record.

Verdicts are exact under concurrency: whoever wrote a row finds its own `change_seq` on it. The
tables are written in one order and each by primary key, so that writers do not deadlock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter, itemgetter

from sqlalchemy.engine import Connection

from experiments.definitions.errors import Unavailable
from experiments.events.bulk import Row, find, insert, primary_key
from experiments.events.records import (
    DeadLetter,
    ExposureRecord,
    LinkRecord,
    OutcomeRecord,
    Record,
    Status,
)
from experiments.store import tables
from experiments.store.watermark import advance

NOTHING = "DO NOTHING"
_ARCHIVED = 0  # no transaction has this number
# A sighting that counts replaces one that does not; between equals the earlier one stands.
_COUNTS_AT_LAST = "exposures.mark IS NOT NULL AND excluded.mark IS NULL"
KEEP_FIRST = f"""DO UPDATE SET
  unit_type = excluded.unit_type, unit_hash = excluded.unit_hash, first_at = excluded.first_at,
  clock = excluded.clock, client_at = excluded.client_at, received_at = excluded.received_at,
  attributes = excluded.attributes, mark = excluded.mark, agrees = excluded.agrees,
  created_seq = CASE WHEN {_COUNTS_AT_LAST}
    THEN excluded.created_seq ELSE exposures.created_seq END,
  change_seq = excluded.change_seq
WHERE {_COUNTS_AT_LAST} OR (
  (exposures.mark IS NULL) = (excluded.mark IS NULL) AND excluded.first_at < exposures.first_at
)"""
LEAST_TIME = """DO UPDATE SET first_at = excluded.first_at, change_seq = excluded.change_seq
WHERE excluded.first_at < links.first_at"""

# The columns that a record fills; those that number the transaction come last.
_EXPOSURE, _OUTCOME, _LINK = (
    len(table.columns) - sequence
    for table, sequence in ((tables.exposures, 2), (tables.outcomes, 1), (tables.links, 1))
)
_OUTCOME_KEY = len(tables.outcomes.primary_key)
_letter_values = attrgetter(*(column.name for column in tables.dead_letters.columns))
_exposure_key = itemgetter(*range(len(tables.exposures.primary_key)))
_link_key = itemgetter(*range(len(tables.links.primary_key)))
_letter_key = attrgetter(*primary_key(tables.dead_letters))


def append(connection: Connection, records: Sequence[Record]) -> list[Status]:
    """Write the records in the transaction of `connection`; the status of each, in their order.

    Where they change nothing the transaction is rolled back, so that a storm of retries costs no
    sync of the disk and does not move the watermark.
    """
    statuses, changed = write(connection, records)
    if not changed:
        connection.rollback()
    return statuses


def write(connection: Connection, records: Sequence[Record]) -> tuple[list[Status], int]:
    """Write the records beside whatever else the transaction does; statuses and rows changed."""
    exposures = [(n, one) for n, one in enumerate(records) if isinstance(one, ExposureRecord)]
    outcomes = [(n, one) for n, one in enumerate(records) if isinstance(one, OutcomeRecord)]
    statuses: list[Status] = ["rejected"] * len(records)
    changed = 0
    if exposures or outcomes:
        seq = advance(connection)
        changed += _write_exposures(connection, exposures, seq, statuses)
        changed += _write_outcomes(connection, outcomes, seq, statuses)
        met = chain(
            (one.links for _, one in exposures if one.links),
            (one.links for n, one in outcomes if one.links and statuses[n] == "stored"),
        )
        changed += _write_links(connection, chain.from_iterable(met), seq)
    changed += _write_letters(connection, [one for one in records if isinstance(one, DeadLetter)])
    return statuses, changed


def _write_exposures(
    connection: Connection,
    exposures: list[tuple[int, ExposureRecord]],
    seq: int,
    statuses: list[Status],
) -> int:
    sightings: defaultdict[Row, list[tuple[int, ExposureRecord]]] = defaultdict(list)
    for n, exposure in exposures:
        sightings[_exposure_key(exposure)].append((n, exposure))
        statuses[n] = "duplicate"
    best = {key: min((one for _, one in seen), key=_rank) for key, seen in sightings.items()}
    archived = find(connection, tables.archived_exposures, list(best), ("counts", "first_at"))
    for key, (counts, first_at) in archived.items():
        if _rank(best[key]) >= (not counts, first_at):
            del best[key]
    rows = [(*exposure[:_EXPOSURE], seq, seq) for exposure in best.values()]
    changed = insert(connection, tables.exposures, rows, KEEP_FIRST)
    if changed:
        created = find(connection, tables.exposures, list(best), ("created_seq",))
        for key, (created_seq,) in created.items():
            counts = best[key].mark is None
            known = key in archived and bool(archived[key][0]) == counts
            if created_seq == seq and not known:
                first = next(n for n, one in sightings[key] if (one.mark is None) == counts)
                statuses[first] = "stored"
    return changed


def _rank(exposure: ExposureRecord) -> tuple[bool, int]:
    return exposure.mark is not None, exposure.first_at


def _write_outcomes(
    connection: Connection,
    outcomes: list[tuple[int, OutcomeRecord]],
    seq: int,
    statuses: list[Status],
) -> int:
    first: dict[Row, tuple[int, OutcomeRecord]] = {}
    for n, outcome in outcomes:
        first.setdefault(outcome[:_OUTCOME_KEY], (n, outcome))
    archived = find(connection, tables.archived_outcomes, list(first), ("digest",))
    rows = [(*one[:_OUTCOME], seq) for key, (_, one) in first.items() if key not in archived]
    changed = insert(connection, tables.outcomes, rows, NOTHING)
    if changed == len(outcomes):  # all of them are new
        for n, _ in outcomes:
            statuses[n] = "stored"
    else:
        held = {key: (digest, _ARCHIVED) for key, (digest,) in archived.items()}
        _tell_apart(connection, outcomes, first, held, seq, statuses)
    further = [
        (*outcome[:_OUTCOME_KEY], *one, seq)
        for n, outcome in outcomes
        if outcome.further_ids and statuses[n] == "stored"
        for one in outcome.further_ids
    ]
    insert(connection, tables.outcome_ids, further, NOTHING)
    return changed


def _tell_apart(
    connection: Connection,
    outcomes: list[tuple[int, OutcomeRecord]],
    first: dict[Row, tuple[int, OutcomeRecord]],
    archived: dict[Row, Row],
    seq: int,
    statuses: list[Status],
) -> None:
    hot = [key for key in first if key not in archived]
    held = archived | find(connection, tables.outcomes, hot, ("digest", "change_seq"))
    if len(held) < len(first):  # deleted between the two statements
        raise Unavailable("STORE_BUSY", "the event log is being changed; send it again")
    for n, outcome in outcomes:
        key = outcome[:_OUTCOME_KEY]
        digest, written = held[key]
        if n == first[key][0] and written == seq:
            statuses[n] = "stored"
        else:
            statuses[n] = "duplicate" if outcome.digest == digest else "conflict"


def _write_links(connection: Connection, links: Iterable[LinkRecord], seq: int) -> int:
    earliest: dict[Row, LinkRecord] = {}
    for link in links:
        held = earliest.setdefault(_link_key(link), link)
        if link.first_at < held.first_at:
            earliest[_link_key(link)] = link
    rows = [(*link[:_LINK], seq) for link in earliest.values()]
    return insert(connection, tables.links, rows, LEAST_TIME)


def _write_letters(connection: Connection, letters: list[DeadLetter]) -> int:
    distinct = {_letter_key(letter): letter for letter in letters}
    rows = [_letter_values(letter) for letter in distinct.values()]
    return insert(connection, tables.dead_letters, rows, NOTHING)
