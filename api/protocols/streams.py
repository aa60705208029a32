"""Answers that stay open: each holds a thread of its worker, so that their number is bounded."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

from flask import Response

from experiments.definitions.errors import Unavailable

SHARE = 4  # one thread in four


class Streams:
    """The open streams of this process; none are taken until a server says what it has.

    A server that does not say leaves the clients to poll.
    """

    def __init__(self) -> None:
        self._room = 0
        self._open = 0
        self._lock = threading.Lock()
        self._stopping: Callable[[], bool] = lambda: False

    def serve(self, threads: int, stopping: Callable[[], bool]) -> None:
        """Take as many as a quarter of the threads, until the server is stopping."""
        self._room = threads // SHARE
        self._stopping = stopping

    @property
    def stopping(self) -> bool:
        return self._stopping()

    def has_room(self) -> bool:
        return self._open < self._room and not self.stopping

    def enter(self) -> bool:
        """Take a place; False where there is none. Whoever has one must `leave`."""
        with self._lock:
            if not self.has_room():
                return False
            self._open += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._open -= 1


def stream_response(streams: Streams, chunks: Iterator[bytes], *, instead: str) -> Response:
    """Server-sent events as an open answer; `Unavailable` STREAMS_FULL where no thread is left.

    `instead` says what a client may do meanwhile.
    """
    if not streams.enter():
        raise Unavailable(
            "STREAMS_FULL",
            f"this worker holds as many streams as it may; {instead}, or raise EVENHAND_THREADS",
        )
    response = Response(chunks, content_type="text/event-stream")
    response.call_on_close(streams.leave)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
    return response


def has_left(connection: socket.socket | None) -> bool:
    """Whether the client closed its end; without it a place stays taken until the next ping.

    False where the server does not show its socket, or where TLS forbids to look.
    """
    if connection is None:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except (BlockingIOError, ValueError):
        return False
    except OSError:
        return True
