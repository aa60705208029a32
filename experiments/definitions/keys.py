"""What a key looks like: short, and safe in an address, a file name and a hash seed."""

from __future__ import annotations

import re

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}$"
KEY_RULE = "use 1–100 letters, digits, '_', '-' and '.', and begin with a letter or a digit"

_key = re.compile(KEY_PATTERN)


def is_key(text: str) -> bool:
    """Also refuses the line break that `$` lets pass at the end."""
    return _key.fullmatch(text) is not None
