"""`evenhand apply`, `evenhand export-definitions` and `evenhand promote`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from experiments.access import Keys
from experiments.as_code.diff import diff
from experiments.as_code.exporting import exported
from experiments.as_code.files import Mistake, Source, mistakes_of, read_files, write_file
from experiments.as_code.kinds import ALL
from experiments.as_code.promotion import Definitions, promotion
from experiments.cli.opened import actor, environment_option, open_database
from experiments.definitions.errors import Conflict, Invalid
from experiments.registry import Changeset, Outcome, Wanted
from experiments.store.database import Database

DIFFERENT = 3  # exit status; 2 is a command that was not understood

_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_dry_run = click.option(
    "--dry-run",
    is_flag=True,
    help=f"Only show what would change; exit status {DIFFERENT} where anything would.",
)
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@_yes
@_dry_run
@environment_option
def apply(files: tuple[Path, ...], *, yes: bool, dry_run: bool, environment: str) -> None:
    """Make definitions as FILES say: segments, layers, metrics, features and experiments.

    Shows what would change and asks. All is written, or nothing. What the files do not name
    stays as it is; new experiments are drafts.

    \b
    Exit status:
      0  it is as the files say
      1  refused, or not confirmed: nothing was changed
      3  with --dry-run: something would change

    \b
    Examples:
      evenhand apply experiments.yaml
      evenhand apply metrics.yaml button.yaml --env staging --yes
      evenhand apply experiments.yaml --dry-run
    """
    found = read_files(files)
    if found.mistakes:
        _list(found.mistakes)
        raise Invalid("DEFINITIONS_INVALID", "nothing was changed; mend the lines above")
    _carry_out(environment, found.wanted, found.sources, yes=yes, dry_run=dry_run)


@click.command("export-definitions")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; default: standard output.",
)
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([kind.section for kind in ALL]),
    help="Only this kind of definition; may be given again.",
)
@environment_option
def export_definitions(output: Path | None, only: tuple[str, ...], environment: str) -> None:
    """Write all definitions of an environment as YAML that `evenhand apply` takes.

    Archived experiments are left out, unless a feature's rule names them.

    \b
    Examples:
      evenhand export-definitions --output production.yaml
      evenhand export-definitions --env staging --only metrics --only segments
    """
    subjects = {kind.subject for kind in ALL if not only or kind.section in only}
    present = _changeset(open_database().database).present(environment)
    text = write_file(one for one in exported(present) if one.subject in subjects)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {output}; apply it with: evenhand apply {output} --env {environment}")


@click.command()
@click.argument("experiment")
@click.option("--from", "source", required=True, help="The environment that has it.")
@click.option("--to", "target", required=True, help="The environment that is to have it.")
@_yes
@_dry_run
def promote(experiment: str, source: str, target: str, *, yes: bool, dry_run: bool) -> None:
    """Copy an experiment to another environment, with what it names.

    Metrics, segments, layer and feature come along. It is a draft there; one that is there
    already is changed as far as its state allows. Exit status as of `evenhand apply`.

    \b
    Examples:
      evenhand promote checkout-button --from development --to production
      evenhand promote checkout-button --from staging --to production --dry-run
    """
    if source == target:
        raise click.UsageError("--from and --to name the same environment")
    changeset = _changeset(open_database().database)
    parcel = promotion(experiment, _documents(changeset, source), _documents(changeset, target))
    for note in parcel.notes:
        click.echo(f"Note: {note}", err=True)
    _carry_out(target, parcel.wanted, {}, yes=yes, dry_run=dry_run)


def _carry_out(
    environment: str,
    wanted: Sequence[Wanted],
    sources: Mapping[tuple[str, str], Source],
    *,
    yes: bool,
    dry_run: bool,
) -> None:
    """Show, ask, write. `sources` are the places in files, if there are any."""
    database = open_database().database
    changeset = _changeset(database)
    outcomes = changeset.plan(environment, wanted)
    changed = [one for one in outcomes if one.changes]
    for outcome in changed:
        _show(outcome)
    refusals = [(one.refusal, one.wanted) for one in outcomes if one.refusal is not None]
    if refusals:
        for refusal, refused in refusals:
            _list(mistakes_of(refusal, refused, sources))
        raise Conflict("CHANGES_REFUSED", "nothing was changed; see the reasons above")
    click.echo(_summary(outcomes, environment))
    if not changed:
        return
    if not Keys(database).all(environment):
        click.echo(f"Note: {environment} has no keys yet: is its name right?", err=True)
    if dry_run:
        raise click.exceptions.Exit(DIFFERENT)
    if not yes:
        click.confirm(f"Change {environment}?", abort=True)
    changeset.write(environment, outcomes, actor())
    click.echo("Done.")


def _show(outcome: Outcome) -> None:
    """What would change of one definition, below its name."""
    new = outcome.before is None
    state = f" ({outcome.status})" if outcome.status else ""
    title = f"{'+' if new else '~'} {outcome.wanted.subject} {outcome.wanted.key}{state}"
    click.echo(click.style(title, bold=True))
    for line in diff(outcome):
        click.echo(click.style(f"    {line}", fg=_COLOURS.get(line[0])))


def _summary(outcomes: Sequence[Outcome], environment: str) -> str:
    new = sum(one.before is None for one in outcomes)
    changed = sum(one.changes for one in outcomes) - new
    return (
        f"{environment}: {new} to create, {changed} to change,"
        f" {len(outcomes) - new - changed} as they are."
    )


def _list(mistakes: Sequence[Mistake]) -> None:
    for mistake in mistakes:
        click.echo(str(mistake), err=True)


def _documents(changeset: Changeset, environment: str) -> Definitions:
    return {
        (one.wanted.subject, one.wanted.key): one.wanted.document
        for one in changeset.present(environment)
    }


def _changeset(database: Database) -> Changeset:
    # The workers poll the version that each change advances; here nobody needs telling.
    return Changeset(database, lambda: None)
