"""More events than the service can take, for minutes: what it answers, and its memory meanwhile.

Sixty-four connections send batches of 1,000 without a pause, whatever the answer, to a worker of
as many threads, so that more wait than its queue holds.
"""

import contextlib
import json
import selectors
import socket
import time
from collections import Counter
from pathlib import Path

from http_load import request

CONNECTIONS, ITEMS = 64, 1_000
STEP = 10.0  # seconds between two looks at the memory
WARM_UP = 60.0  # seconds, in which pools and caches fill
ALLOWED = 1.1  # of the memory after the first minute
_PLACE = b"0000000000"


def run(service: tuple[int, str, int], minutes: float) -> int:
    """Print a line for each step; 1 where memory grew or a refusal did not say when to come."""
    port, key, process = service
    template = _template(key)
    answers: Counter[int] = Counter()
    mute = sent = 0
    seen: list[tuple[float, float]] = []
    begun = time.monotonic()
    looked = begun - STEP
    print(f"  {'seconds':>8}{'MB':>8}{'stored/s':>12}{'429':>8}{'503':>8}")
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        links = {}
        for _ in range(CONNECTIONS):
            link = stack.enter_context(socket.create_connection(("127.0.0.1", port), 60))
            selector.register(link, selectors.EVENT_READ)
            links[link] = b""
            link.sendall(template.replace(_PLACE, b"%010d" % sent))
            sent += 1
        while (at := time.monotonic()) < begun + minutes * 60:
            if at >= looked + STEP:
                stored = answers[200] * ITEMS / max(at - begun, 1)
                seen.append((at - begun, memory(process)))
                print(f"  {seen[-1][0]:>8.0f}{seen[-1][1]:>8.0f}{stored:>12,.0f}", end="")
                print(f"{answers[429]:>8}{answers[503]:>8}", flush=True)
                looked = at
            for ready, _ in selector.select(1):
                link = ready.fileobj
                links[link] += link.recv(262_144)
                head, blank, body = links[link].partition(b"\r\n\r\n")
                headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                if not blank or len(body) < int(headers[b"content-length"]):
                    continue
                status = int(head.split(b" ", 2)[1])
                answers[status] += 1
                mute += status != 200 and not headers.get(b"retry-after", b"").isdigit()
                links[link] = b""
                link.sendall(template.replace(_PLACE, b"%010d" % sent))
                sent += 1
    warm = max(size for second, size in seen if second <= WARM_UP)
    most = max(size for _, size in seen)
    print(f"  answers: {dict(answers)}; {mute} refusals without Retry-After")
    print(f"  memory: {warm:.0f} MB in the first minute, at most {most:.0f} MB")
    return int(most > ALLOWED * warm or mute > 0 or not answers.keys() <= {200, 429, 503})


def memory(process: int) -> float:
    """Megabytes that its workers hold."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    status = [Path(f"/proc/{one}/status").read_text() for one in children]
    return sum(int(one.split("VmRSS:")[1].split()[0]) for one in status) / 1024


def _template(key: str) -> bytes:
    events = [
        {
            "type": "outcome",
            "event": "purchase",
            "event_id": f"{_PLACE.decode()}-{n:04}",
            "unit_id": f"unit-{n}",
            "value": n / 7,
            "timestamp": "2026-01-31T09:30:00.250Z",
        }
        for n in range(ITEMS)
    ]
    body = json.dumps({"events": events}).encode()
    return request("POST", "/api/v1/events", {"Authorization": f"Bearer {key}"}, body)
