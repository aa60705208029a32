"""`evenhand tail`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
import httpx

from experiments.cli.opened import environment_option
from experiments.cli.printable import printable
from experiments.definitions.errors import EvenhandError
from experiments.events import Sought, Tail
from experiments.settings import Settings

_BEAT = 0.5  # seconds between two looks, within which Ctrl-C is heard
_SILENCE = 60.0  # seconds without a ping after which a service is gone

Document = dict[str, Any]


@click.command()
@click.option("--type", "kind", type=click.Choice(("exposure", "outcome")), help="Only these.")
@click.option("--experiment", help="Only exposures of this experiment.")
@click.option("--event", help="Only outcomes of this name.")
@click.option("--unit", help="Only this unit: an id, or type:id.")
@click.option(
    "--verdict",
    type=click.Choice(("stored", "duplicate", "conflict", "rejected")),
    help="Only these.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--url", help="The address of a service; left out: that of this machine.")
@click.option("--key", envvar="EVENHAND_KEY", help="A server or admin key, for --url.")
@environment_option
def tail(
    kind: str | None,
    experiment: str | None,
    event: str | None,
    unit: str | None,
    verdict: str | None,
    *,
    as_json: bool,
    url: str | None,
    key: str | None,
    environment: str,
) -> None:
    """Show events as they come in, with what becomes of each, until Ctrl-C.

    Without --url it hears the workers of this machine that share EVENHAND_DATA_DIR; with it those
    of the machine that answers, in the environment of the key.

    \b
    Examples:
      evenhand tail --experiment checkout-button
      evenhand tail --verdict rejected --json | jq .error
      EVENHAND_KEY=… evenhand tail --url https://ab.example.com --unit user:42
    """
    sought = Sought(kind, experiment, event, unit, verdict)
    if url is None:
        seen = _here(Settings.from_env(), environment, sought)
    elif key is None:
        raise click.UsageError("--url needs a server or admin key: --key, or EVENHAND_KEY")
    else:
        seen = _there(url, key, sought)
    for one in seen:
        click.echo(json.dumps(one) if as_json else _line(one))


def _here(settings: Settings, environment: str, sought: Sought) -> Iterator[Document]:
    listening = Tail(settings.tail_dir, environment)
    try:
        click.echo(f"Watching {environment} on this machine.", err=True)
        while True:
            yield from (one for one in listening.read(_BEAT) if sought.takes(one))
    finally:
        listening.close()


def _there(url: str, key: str, sought: Sought) -> Iterator[Document]:
    asked = {"type": sought.type, "experiment": sought.experiment, "event": sought.event}
    asked |= {"unit": sought.unit, "verdict": sought.verdict}
    try:
        with httpx.stream(
            "GET",
            f"{url.rstrip('/')}/api/v1/events/tail",
            params={name: value for name, value in asked.items() if value is not None},
            headers={"Authorization": f"Bearer {key}"},
            timeout=_SILENCE,
        ) as answer:
            if not answer.is_success:
                raise _refusal(answer)
            click.echo(f"Watching at {url}.", err=True)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))
    except httpx.HTTPError as error:
        raise click.ClickException(f"{url} does not answer: {error}") from error
    click.echo("The service ended the stream.", err=True)


def _refusal(answer: httpx.Response) -> Exception:
    try:
        problem = json.loads(answer.read())
        return EvenhandError(problem["code"], problem["detail"])
    except (ValueError, TypeError, KeyError):
        return click.ClickException(f"{answer.url} answers with {answer.status_code}")


def _line(seen: Document) -> str:
    if "missed" in seen:
        return f"… {seen['missed']:,} events were too many to show"
    time = seen["received_at"][11:23].rstrip("Z")
    what = seen["event"]
    if seen["type"] == "exposure":
        what = f"{seen['experiment']}={seen['variant']}"
    parts = [f"{time:12}", f"{seen['verdict']:9}", f"{seen['type'] or '?':8}", what or "?"]
    parts += [f"{unit_type}:{unit_id}" for unit_type, unit_id in seen["ids"].items()]
    if seen["value"] is not None:
        parts.append(f"{seen['value']:g}")
    if seen["mark"] is not None:
        parts.append(f"not counted: {seen['mark']}")
    if seen["agrees"] is False:
        parts.append("the hash gives another variant")
    if seen["error"] is not None:
        parts.append(f"{seen['error']['code']}: {seen['error']['message']}")
    return printable("  ".join(parts))
