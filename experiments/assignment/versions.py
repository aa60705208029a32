"""Versions as texts that sort like versions, the way of the GrowthBook SDKs.

"v1.2.3-rc.1+build" becomes "    1-    2-    3-rc-    1": build data left out, numbers padded, and
a "~", which sorts behind every tag, after three parts without a tag.
"""

from __future__ import annotations

import re
from typing import Any

from experiments.assignment import javascript

_LEFT_OUT = re.compile(r"^v|\+[^\n\r\u2028\u2029]*\Z")
_SEPARATOR = re.compile(r"[-.]")
_NUMBER = re.compile(r"[0-9]+")


def padded(version: Any) -> bytes:
    """A key to compare; whatever is neither a text nor a number counts as version 0."""
    if isinstance(version, int | float) and not isinstance(version, bool):
        version = javascript.text(version)
    if not isinstance(version, str) or not version:
        version = "0"
    parts = _SEPARATOR.split(_LEFT_OUT.sub("", version))
    if len(parts) == 3:
        parts.append("~")
    return javascript.code_units(
        "-".join(part.rjust(5) if _NUMBER.fullmatch(part) else part for part in parts)
    )
