"""Events as they come in, with their verdicts, for whoever watches on this machine.

Who watches makes a pipe in the data folder, named by its environment; every worker of the machine
writes a line into it for each item that it has answered. Nothing is asked of the database, and a
folder without pipes costs a batch one look at it. Lines are written whole or not at all and never
waited for: what a slow reader has no room for is missed, and counted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import select
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.definitions.errors import Unavailable
from experiments.definitions.time import Instant, format_instant
from experiments.events.reading import MAX_IDS
from experiments.events.records import ExposureRecord, OutcomeRecord, Record, Verdict

_WHOLE = select.PIPE_BUF  # bytes that the system writes in one piece
_ROOM = 1 << 20  # bytes that wait for a reader, where the system allows it
_SHORT = 30  # characters of each text of a line that would be longer than a whole

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sought:
    """Which events are shown; None is any. `unit` is an id, or type:id."""

    type: str | None = None
    experiment: str | None = None
    event: str | None = None
    unit: str | None = None
    verdict: str | None = None

    def takes(self, seen: Document) -> bool:
        if "missed" in seen:
            return True
        for name in ("type", "experiment", "event", "verdict"):
            wanted = getattr(self, name)
            if wanted is not None and seen[name] != wanted:
                return False
        if self.unit is None:
            return True
        ids = seen["ids"].items()
        return any(self.unit in {unit_id, f"{unit_type}:{unit_id}"} for unit_type, unit_id in ids)


class Tells:
    """The writing end, in every process that takes events."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._missed: dict[str, int] = {}

    def tell(
        self,
        environment: str,
        key_selector: str,
        received_at: Instant,
        answered: Iterable[tuple[Any, Record, Verdict]],
    ) -> None:
        """Tell whoever watches what was answered; raises nothing, an event matters more."""
        listeners = self._listeners(environment)
        if not listeners:
            return
        lines = [
            _line(_seen(raw, record, verdict, key_selector, received_at))
            for raw, record, verdict in answered
        ]
        for name in listeners:
            with suppress(OSError):
                self._write(name, lines)

    def _listeners(self, environment: str) -> list[str]:
        try:
            names = os.listdir(self._folder)  # noqa: PTH208 — names are enough, and this is per batch
        except OSError:  # nobody has watched yet
            return []
        return [name for name in names if name.startswith(f"{environment}.")]

    def _write(self, name: str, lines: Sequence[bytes]) -> None:
        path = self._folder / name
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            self._missed.pop(name, None)
            if error.errno == errno.ENXIO:  # its reader is gone
                path.unlink(missing_ok=True)
            return
        try:
            missed = self._missed.pop(name, 0)
            told = [(missed, _line({"missed": missed}))] if missed else []
            for number, part in (*told, *_parts(lines)):
                try:
                    os.write(pipe, part)
                except BlockingIOError:
                    self._missed[name] = self._missed.get(name, 0) + number
        finally:
            os.close(pipe)


class Tail:
    """The reading end: what is told from its making on, until it is closed.

    Raises `Unavailable` TAIL_UNAVAILABLE where the data folder can hold no pipe.
    """

    def __init__(self, folder: Path, environment: str) -> None:
        name = f"{environment}.{os.getpid()}-{secrets.token_hex(4)}"
        self._path = folder / name
        hidden = folder / f".{name}"  # until it is open: a pipe without a reader is cleared away
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            os.mkfifo(hidden, 0o600)
            if os.geteuid() == 0:  # the service may be somebody else, and must reach it
                owner = folder.parent.stat()
                for path in (folder, hidden):
                    os.chown(path, owner.st_uid, owner.st_gid)
            self._pipe = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK)
            self._own_end = os.open(hidden, os.O_WRONLY | os.O_NONBLOCK)  # so that it never ends
            hidden.rename(self._path)
        except OSError as error:
            raise Unavailable(
                "TAIL_UNAVAILABLE",
                f"no pipe can be made in {folder}: {error.strerror}; watch as the user of the"
                " service and with its EVENHAND_DATA_DIR, or over its address",
            ) from error
        with suppress(AttributeError, OSError):
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _ROOM)
        self._rest = b""

    def read(self, seconds: float) -> list[Document]:
        """What was told, waiting so long for the first; {"missed": n} stands for n events."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            return []
        *lines, self._rest = (self._rest + os.read(self._pipe, 1 << 16)).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._pipe)
        os.close(self._own_end)


def _seen(
    raw: Any, record: Record, verdict: Verdict, key_selector: str, received_at: Instant
) -> Document:
    item = raw if isinstance(raw, dict) else {}
    error = None if verdict.code is None else {"code": verdict.code, "message": verdict.detail}
    at = mark = agrees = None
    if isinstance(record, ExposureRecord):
        at, mark, agrees = record.first_at, record.mark, record.agrees
    elif isinstance(record, OutcomeRecord):
        at = record.at
    return {
        "received_at": format_instant(received_at),
        "verdict": verdict.status,
        "type": _text(item.get("type")),
        "event_id": verdict.event_id,
        "experiment": _text(item.get("experiment")),
        "variant": _text(item.get("variant")),
        "event": _text(item.get("event")),
        "ids": _ids(item),
        "value": record.value if isinstance(record, OutcomeRecord) else None,
        "at": None if at is None else format_instant(at),
        "mark": mark,
        "agrees": agrees,
        "error": error,
        "key": key_selector,
    }


def _ids(item: Document) -> dict[str, str]:
    ids = item.get("ids", {str(item.get("unit_type", "id")): item.get("unit_id")})
    if not isinstance(ids, dict):
        return {}
    texts = [(str(name), value) for name, value in ids.items() if isinstance(value, str)]
    return dict(texts[:MAX_IDS])


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _line(document: Document) -> bytes:
    line = json.dumps(document).encode() + b"\n"
    if len(line) > _WHOLE:
        line = json.dumps(_shortened(document)).encode() + b"\n"
    return line


def _shortened(document: Document) -> Document:
    first = dict(list(document["ids"].items())[:1])
    error = document["error"]
    return {
        name: value[:_SHORT] if isinstance(value, str) else value
        for name, value in document.items()
    } | {
        "ids": {name[:_SHORT]: value[:_SHORT] for name, value in first.items()},
        "error": error and {**error, "message": error["message"][:_SHORT]},
    }


def _parts(lines: Sequence[bytes]) -> Iterator[tuple[int, bytes]]:
    """As many lines at a time as are written whole, with their number."""
    part, number = b"", 0
    for line in lines:
        if len(part) + len(line) > _WHOLE:
            yield number, part
            part, number = b"", 0
        part += line
        number += 1
    if part:
        yield number, part
