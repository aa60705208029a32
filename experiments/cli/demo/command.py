"""`evenhand demo`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import click
import httpx

from experiments.cli.demo.folder import Folder, State
from experiments.cli.demo.samples import SAMPLES, UNITS
from experiments.cli.demo.traffic import Api, make_experiments, send_traffic
from experiments.cli.service import check_port, gunicorn_command
from experiments.settings import Settings

START_SECONDS = 30.0
STOP_SECONDS = 40.0  # more than gunicorn gives the requests that are under way
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--bind", default="127.0.0.1:8000", show_default=True, help="Address and port.")
def demo(bind: str) -> None:
    """Run the service with three sample experiments, until Ctrl-C.

    The first run sends simulated traffic through the HTTP API, which takes up to a minute; the
    next one starts at once. Everything is kept in the folder EVENHAND_DATA_DIR (default: ./data):
    remove it to begin anew.

    \b
    Examples:
      evenhand demo
      EVENHAND_DATA_DIR=/tmp/demo evenhand demo --bind 127.0.0.1:8080
    """
    before = {
        number: signal.signal(number, _stop)
        for number in _STOPPING
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN  # under nohup
    }
    try:
        folder = Folder(Settings.from_env().data_dir)
        _check_loopback(bind)
        check_port(bind)
        folder.check()
        state = folder.open()
        with _service(bind, folder, state) as process:
            if not state.complete:
                state = _first_run(_url(bind), folder, state)
            _welcome(_url(bind), folder, state)
            process.wait()
            raise click.ClickException(f"the service has ended: {_last_words(folder)}")
    except KeyboardInterrupt:
        click.echo("\nStopped.")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_number: int, _frame: object) -> None:
    for number in _STOPPING:  # a second one must not disturb the stopping
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _service(bind: str, folder: Folder, state: State) -> Iterator[subprocess.Popen[bytes]]:
    """Gunicorn as a child, up and answering; ended with the block."""
    env = {
        **os.environ,
        "EVENHAND_BIND": bind,
        "EVENHAND_DEMO": "1",
        "EVENHAND_DATABASE_URL": folder.database_url,
        "EVENHAND_DATA_DIR": str(folder.path),
        "EVENHAND_SECRET_KEY": state.secret_key,
    }
    with folder.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 — our own interpreter and module
            gunicorn_command(),
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; gunicorn is told by us
        )
    try:
        _wait_until_up(process, bind, folder)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], bind: str, folder: Folder) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{_url(bind)}/healthz", timeout=2, trust_env=False)
            if answer.status_code == 200:
                return
        time.sleep(0.05)
    raise click.ClickException(f"the service does not start: {_last_words(folder)}")


def _last_words(folder: Folder) -> str:
    """The last line of the log that says something, where to read the others."""
    lines = folder.log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if "Error" in line or "Invalid" in line or "[ERROR]" in line]
    said = (errors or lines or ["it said nothing"])[-1].strip()
    return f"{said} (log: {folder.log})"


def _first_run(url: str, folder: Folder, state: State) -> State:
    """Fill the service; done again after an interruption, it adds only what is missing."""
    with Api(url, state.keys["admin"]) as api:
        make_experiments(api, state.until)
        bar: Any = click.progressbar(
            length=UNITS, label="Sending traffic", file=sys.stderr, hidden=not sys.stderr.isatty()
        )
        with bar:
            send_traffic(api, state.until, bar.update)
        for sample in SAMPLES:  # so that the pages have a report to show
            api.get(f"/api/v1/experiments/{sample.key}/results")
    state = replace(state, complete=True)
    folder.write(state)
    return state


def _welcome(url: str, folder: Folder, state: State) -> None:
    click.echo(f"Evenhand runs on {url}; Ctrl-C stops it.\n\nReports")
    for sample in SAMPLES:
        click.echo(f"  {url}/experiments/{sample.key:16}  {sample.title}")
    click.echo(
        f"\nAPI docs\n  {url}/docs\n\nKeys (for this demo only, kept in {folder.state_file})"
    )
    for kind, key in state.keys.items():
        click.echo(f"  {kind:7} {key}")
    sys.stdout.flush()


def _check_loopback(bind: str) -> None:
    """The demo's pages are open to whoever reaches them, so nobody else may."""
    host = bind.rpartition(":")[0].strip("[]")
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise click.ClickException(
            f"the demo serves this machine only, at an address such as 127.0.0.1:8000; {bind!r} is"
            " none. To serve others: evenhand serve"
        )


def _url(bind: str) -> str:
    return f"http://{bind}"
