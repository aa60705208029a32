"""Read by a bare `gunicorn wsgi:app` in this folder; `evenhand serve` passes the same."""

from api.gunicorn_config import *  # noqa: F403
