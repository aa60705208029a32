"""The Flask service: one file per resource, schemas at the border, one shape for errors."""

from api.app import create_app

__all__ = ["create_app"]
