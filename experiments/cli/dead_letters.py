"""`evenhand dead-letters …`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from experiments.cli.opened import actor, environment_option, open_database
from experiments.cli.printable import printable
from experiments.definitions.time import Instant, format_instant, parse_instant
from experiments.events import Correction, DeadLetters, Intake, Verdict, Wanted
from experiments.snapshot import Snapshots

_LONGEST_PAGE = 1000


def _moment(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--since", callback=_moment, help="Only those received then or later."),
        click.option("--key", help="Only those that the key with this selector sent."),
        click.option("--code", help="Only those that were refused for this reason."),
    ):
        command = option(command)
    return command


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at the events that were refused; mend, replay or discard them."""


@dead_letters.command("list")
@_filters
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, _LONGEST_PAGE))
@environment_option
def list_letters(
    code: str | None, key: str | None, since: Instant | None, limit: int, environment: str
) -> None:
    """List them, the newest first: id, when they came, the key that sent them, and why.

    \b
    Examples:
      evenhand dead-letters list
      evenhand dead-letters list --code UNKNOWN_EXPERIMENT --since 2026-01-31T00:00:00Z
    """
    wanted = Wanted(code, key, since)
    with _opened() as letters:
        page = letters.page(environment, wanted, limit=limit)
        total = letters.count(environment, wanted)
    for one in page.letters:
        words = (one.id, format_instant(one.received_at), one.key_selector, printable(one.detail))
        click.echo("  ".join(words))
    more = f", the newest {len(page.letters):,} are shown" if total > len(page.letters) else ""
    click.echo(f"{total:,} dead letters in {environment}{more}.", err=True)


@dead_letters.command("show")
@click.argument("letter_id", metavar="ID")
@environment_option
def show_letter(letter_id: str, environment: str) -> None:
    """Print the body of one, and on standard error why it was refused.

    \b
    Example:
      evenhand dead-letters show 5f0c…-FIELD_TYPE > mended.json
    """
    with _opened() as letters:
        letter = letters.get(environment, letter_id)
    received = format_instant(letter.received_at)
    click.echo(f"{letter.code}: {printable(letter.detail)}", err=True)
    click.echo(f"received {received} with the key {letter.key_selector}", err=True)
    click.echo(letter.body)


@dead_letters.command("replay")
@click.argument("letter_id", metavar="[ID]", required=False)
@click.option(
    "--body", type=click.File(encoding="utf-8"), help="The mended event as JSON; - is stdin."
)
@click.option("--sent-at", callback=_moment, help="The client's clock as it sent the batch.")
@click.option("--all", "everything", is_flag=True, help="All of the environment.")
@_filters
@environment_option
def replay_letters(
    letter_id: str | None,
    body: IO[str] | None,
    *,
    sent_at: Instant | None,
    everything: bool,
    code: str | None,
    key: str | None,
    since: Instant | None,
    environment: str,
) -> None:
    """Take refused events in again: the one with this ID, or all that the filters name.

    They are judged as of the time when they came. What is stored, or was already, is a dead
    letter no more; what is refused again stays, with its new reason. Safe to repeat.

    \b
    Examples:
      evenhand dead-letters replay 5f0c…-FIELD_TYPE --body mended.json
      evenhand dead-letters replay --code UNKNOWN_EXPERIMENT
      evenhand dead-letters replay --all --env staging
    """
    wanted = _wanted(letter_id, code, key, since, everything=everything)
    if letter_id is None and (body is not None or sent_at is not None):
        raise click.UsageError("--body and --sent-at are of one event: name its ID")
    with _opened() as letters:
        if letter_id is not None:
            correction = None if body is None else Correction(_item(body))
            verdict = letters.replay(
                environment, letter_id, actor(), correction=correction, sent_at=sent_at
            )
            click.echo(_sentence(verdict))
            return
        seen: Counter[str] = Counter()
        with _progress("Replaying", letters.count(environment, wanted)) as advance:
            for verdicts in letters.replay_all(environment, wanted, actor()):
                seen.update(_kind(verdict) for verdict in verdicts)
                advance(len(verdicts))
    for kind, number in seen.most_common():
        click.echo(f"{number:,} {kind}")
    if not seen:
        click.echo("There are no such dead letters.")


@dead_letters.command("discard")
@click.argument("letter_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="All of the environment.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_filters
@environment_option
def discard_letters(
    letter_id: str | None,
    *,
    everything: bool,
    yes: bool,
    code: str | None,
    key: str | None,
    since: Instant | None,
    environment: str,
) -> None:
    """Delete refused events for good: the one with this ID, or all that the filters name.

    \b
    Examples:
      evenhand dead-letters discard 5f0c…-FIELD_TYPE
      evenhand dead-letters discard --code TYPE_UNKNOWN --yes
    """
    wanted = _wanted(letter_id, code, key, since, everything=everything)
    with _opened() as letters:
        if letter_id is not None:
            letters.discard(environment, letter_id, actor())
            click.echo("1 discarded")
            return
        number = letters.count(environment, wanted)
        if number and not yes:
            click.confirm(f"Delete {number:,} dead letters of {environment} for good?", abort=True)
        gone = 0
        with _progress("Discarding", number) as advance:
            for some in letters.discard_all(environment, wanted, actor()):
                gone += some
                advance(some)
    click.echo(f"{gone:,} discarded")


def _wanted(
    letter_id: str | None,
    code: str | None,
    key: str | None,
    since: Instant | None,
    *,
    everything: bool,
) -> Wanted:
    wanted = Wanted(code, key, since)
    ways = (letter_id is not None, wanted != Wanted(), everything)
    if sum(ways) != 1:
        raise click.UsageError("name one ID, or filter by --code, --key and --since, or say --all")
    return wanted


def _item(body: IO[str]) -> Any:
    try:
        return json.load(body)
    except (RecursionError, ValueError) as error:
        raise click.BadParameter(f"it is not JSON: {error}", param_hint="--body") from error


def _kind(verdict: Verdict) -> str:
    return verdict.status if verdict.code is None else f"{verdict.status} {verdict.code}"


def _sentence(verdict: Verdict) -> str:
    detail = verdict.detail
    return _kind(verdict) if detail is None else f"{_kind(verdict)}: {printable(detail)}"


@contextmanager
def _opened() -> Iterator[DeadLetters]:
    opened = open_database()
    snapshots = Snapshots(opened.database, opened.settings.data_dir / "snapshot.json")
    intake = Intake(opened.database, snapshots, queue_items=opened.settings.queue_items)
    try:
        yield DeadLetters(opened.database, intake)
    finally:
        snapshots.close()
        opened.database.dispose()


@contextmanager
def _progress(label: str, length: int) -> Iterator[Callable[[int], None]]:
    bar: Any = click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with bar:
        yield bar.update
