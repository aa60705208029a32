"""Answers that stay open: each holds a thread of its worker, so that their number is bounded."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

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
