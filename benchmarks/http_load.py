"""A load generator of one thread: some connections, on each one request at a time.

It parses no more of an answer than its status and its length, so that one core of it outruns any
server that is measured here; `busy` tells.
"""

import contextlib
import os
import selectors
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
CONNECTIONS = 8
TURN = 1.0  # seconds


@dataclass(frozen=True)
class Target:
    """A server on the loopback address, and what it is sent, in turn and over again."""

    port: int
    requests: Sequence[bytes]
    process: int


@dataclass(frozen=True)
class Turn:
    rate: float  # answers a second
    per_core: float  # answers a second of what the server's process and its children worked
    busy: float  # fraction of the time in which the client's core worked


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def turn(target: Target, seconds: float = TURN) -> Turn:
    """Load it for that long; an answer other than 200 ends the benchmark."""
    following = cycle(target.requests)
    waiting = {}
    served = _worked(target.process)
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            link = stack.enter_context(socket.create_connection(("127.0.0.1", target.port), 5))
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(link, selectors.EVENT_READ)
        begun, worked = time.perf_counter(), time.process_time()
        for key in selector.get_map().values():
            key.fileobj.sendall(next(following))
            waiting[key.fileobj] = b""
        answered, end = 0, begun + seconds
        while waiting:
            ready = selector.select(5)
            if not ready:
                raise SystemExit(f"port {target.port} has not answered for 5 s")
            for key, _ in ready:
                link = key.fileobj
                got = waiting[link] + link.recv(65536)
                if not _is_whole(got):
                    waiting[link] = got
                elif time.perf_counter() < end:
                    answered += 1
                    waiting[link] = b""
                    link.sendall(next(following))
                else:
                    del waiting[link]
        spent = end - begun
        busy = (time.process_time() - worked) / spent
        return Turn(answered / spent, answered / (_worked(target.process) - served), busy)


def _worked(process: int) -> float:
    """Seconds of processor time, of its children too."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_worked(int(child)) for child in children)


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    if not blank:
        if not answer:
            raise SystemExit("the server has closed a connection")
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"not the answer wanted: {answer[:600].decode(errors='replace')}")
    start = head.lower().find(b"content-length:") + len(b"content-length:")
    return len(body) >= int(head[start:].split(b"\r", 1)[0])


def alternate(ours: Target, theirs: Target, turns: int) -> list[tuple[Turn, Turn]]:
    """Pairs of turns, one right after the other, after one that does not count."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    turn(ours)
    turn(theirs)
    return [(turn(ours), turn(theirs)) for _ in range(turns)]


@contextlib.contextmanager
def started(
    command: Sequence[str | Path], environ: Mapping[str, str], up: str, log: Path, cwd: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on its core until `up` answers, and end it afterwards."""
    os.sched_setaffinity(0, {SERVER_CORE})  # what it starts inherits it
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environ}, cwd=cwd, stdout=output, stderr=output
        )
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        _wait(process, up, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], up: str, log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(up, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"a server did not start: {log.read_text(errors='replace')[-2000:]}")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
