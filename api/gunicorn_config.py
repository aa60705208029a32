"""How gunicorn runs the service: threads in a few workers, each with its own writer."""

import os

bind = os.environ.get("EVENHAND_BIND", "127.0.0.1:8000")
worker_class = "gthread"
workers = int(os.environ.get("EVENHAND_WORKERS", "2"))
threads = int(os.environ.get("EVENHAND_THREADS", "16"))
graceful_timeout = 30  # seconds that requests may still take after TERM
timeout = 60  # seconds without a sign of life before a worker is replaced
keepalive = 5  # seconds
