"""The pages for people, drawn on the server, in English and Chinese; they need no script."""

from api.console.views import blueprint

__all__ = ["blueprint"]
