"""How gunicorn runs the service: threads in a few workers, each with its own writer."""

from __future__ import annotations

import gc
import os
from typing import Any

from api.services import EXTENSION

bind = os.environ.get("EVENHAND_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("EVENHAND_WORKERS", "2"))
threads = int(os.environ.get("EVENHAND_THREADS", "16"))
graceful_timeout = 30  # seconds that requests may still take after TERM
timeout = 60  # seconds without a sign of life before a worker is replaced
keepalive = 5  # seconds
control_socket_disable = True  # it would lie in the home directory, one for all services


def post_worker_init(worker: Any) -> None:
    """Let the worker hold streams open, until it is told to stop, and keep the schedules."""
    services = worker.wsgi.extensions[EXTENSION]
    services.streams.serve(worker.cfg.threads, lambda: not worker.alive)
    if services.settings.scheduler:
        services.scheduler.start()
    # What is loaded by now stays: to walk it again in each full collection of garbage cost a third
    # of the processor time of a batch of 500 events.
    gc.collect()
    gc.freeze()


def worker_exit(_server: Any, worker: Any) -> None:
    """Close what the worker opened, after its last request."""
    if worker.wsgi is not None:
        worker.wsgi.extensions[EXTENSION].close()
