"""The WSGI application: `gunicorn wsgi:app`."""

from api import create_app
from experiments.settings import Settings

app = create_app(Settings.from_env())
