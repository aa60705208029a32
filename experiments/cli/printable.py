"""Texts that came from elsewhere, as a terminal may show them."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text without what would steer a terminal: each such character becomes U+FFFD."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
