"""What goes wrong. Each fault breaks a site for about so many seconds, and mends it again."""

from __future__ import annotations

import contextlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.faults.loader import EXPERIMENT
from tests.faults.site import Site, send_signal

HARD_LIMIT = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
HOLD_WRITE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA busy_timeout = 30000")
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def nothing(_site: Site, _key: str, _seconds: float) -> None:
    """The load itself is what is unusual."""


def kill_workers(site: Site, _key: str, seconds: float) -> None:
    """`kill -9` of the oldest worker, every two seconds or, in a short run, three times."""
    every = min(2.0, seconds / 3)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if workers := site.service.workers():
            send_signal(workers[0], signal.SIGKILL)
        time.sleep(every)


def kill_everything(site: Site, _key: str, seconds: float) -> None:
    site.kill()
    time.sleep(seconds)
    site.start()


def terminate(site: Site, _key: str, seconds: float) -> None:
    site.service.stop()
    time.sleep(seconds)
    site.start()


def hang_up_signal(site: Site, _key: str, seconds: float) -> None:
    """HUP: other workers take over; it is over when the old ones have left."""
    old = set(site.service.workers())
    site.service.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 60
    while old & set(site.service.workers()):
        assert time.monotonic() < end, "the old workers do not leave"
        time.sleep(0.05)
    time.sleep(seconds)


def stop_database(site: Site, _key: str, seconds: float) -> None:
    with site.without_database():
        time.sleep(seconds)
    site.wait_until_stores()


def freeze_database(site: Site, key: str, seconds: float) -> None:
    """Nobody waits for the thaw: it comes after an answer."""
    assert site.postgres is not None
    with site.postgres.frozen():
        time.sleep(seconds)
        _refuses_events(site, key, "STORE_TIMEOUT", "STORE_UNAVAILABLE")
    site.wait_until_stores()


def start_cold_with_snapshot(site: Site, key: str, seconds: float) -> None:
    site.kill()
    assert site.snapshot_file.exists()
    with site.without_database():
        site.start()
        answer = site.ask("/api/v1/assignments", {"unit_id": "u"}, key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["assignments"][0]["experiment"] == EXPERIMENT
        assert answer.headers["Evenhand-Stale"] == "true"
        _refuses_events(site, key, "STORE_UNAVAILABLE")
        time.sleep(seconds)
    site.wait_until_stores()


def start_cold_with_nothing(site: Site, key: str, seconds: float) -> None:
    site.kill()
    site.snapshot_file.unlink()
    with site.without_database():
        site.start()
        answer = site.ask("/api/v1/assignments", {"unit_id": "u"}, key)
        assert (answer.status_code, answer.json()["code"]) == (503, "SNAPSHOT_MISSING")
        _refuses_events(site, key, "SNAPSHOT_MISSING")
        time.sleep(seconds)
    site.wait_until_stores()


def _refuses_events(site: Site, key: str, *codes: str) -> None:
    outcome = {"type": "outcome", "event": "refused", "unit_id": "u"}
    answer = site.ask("/api/v1/events", {"events": [outcome]}, key)
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] in codes
    assert int(answer.headers["Retry-After"]) >= 1


def fill_disk(site: Site, _key: str, seconds: float) -> None:
    """The store lies on a small file system, which something else fills."""
    with small_disk(site.folder / "disk") as disk, site.store_on(disk):
        time.sleep(0.5)
        ballast = disk / "ballast"
        end = time.monotonic() + seconds
        with ballast.open("wb", buffering=0) as file:
            while time.monotonic() < end:  # again and again: a checkpoint gives some space back
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * 4096):
                        pass
                time.sleep(0.05)
        ballast.unlink()
        site.wait_until_stores()
        time.sleep(0.5)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """64 MB in memory; `CalledProcessError` where one may not mount."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "evenhand-faults", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@cache
def may_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder)):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


def limit_files(site: Site, _key: str, seconds: float) -> None:
    """Workers may write to no file (RLIMIT_FSIZE), which every system lets a test do."""
    workers = site.service.workers()
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, HARD_LIMIT))
    time.sleep(seconds)
    for pid in workers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (HARD_LIMIT, HARD_LIMIT))
    site.wait_until_stores()


def hold_write_lock(site: Site, key: str, seconds: float) -> None:
    """Another process writes to SQLite's file and does not come to an end."""
    file = site.url.removeprefix("sqlite:///")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_WRITE_LOCK, file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        time.sleep(seconds)
        _refuses_events(site, key, "STORE_TIMEOUT", "STORE_BUSY")
        holder.communicate()
    site.wait_until_stores()
