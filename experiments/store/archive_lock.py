"""Who reads the archive and who changes it take turns: a lock on a file in its folder.

A reader holds it while it copies what it needs, so that it sees each row in the hot tables or in a
file, and every file that it was told of. The kernel lets go of the lock of a process that dies.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.definitions.errors import Unavailable

_NAME = ".lock"
_STEP = 0.01  # seconds between two tries
_PATIENCE = 30.0  # seconds


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Let nobody change the archive; any number may read."""
    if not folder.is_dir():
        yield  # nothing was ever archived here
        return
    with _lock_file(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Let nobody read the archive. Raises `Unavailable` ARCHIVE_READ where readers do not end."""
    folder.mkdir(parents=True, exist_ok=True)
    with _lock_file(folder) as descriptor:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Unavailable(
                        "ARCHIVE_READ",
                        "reports read the archive without a pause; nothing was lost, run"
                        " `evenhand compact` again later",
                    ) from None
                time.sleep(_STEP)
        yield


@contextmanager
def _lock_file(folder: Path) -> Iterator[int]:
    with (folder / _NAME).open("ab") as file:
        yield file.fileno()
