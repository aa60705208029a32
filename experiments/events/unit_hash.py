"""A 64-bit number that stands for a unit in joins. Answers and deletions compare the id itself."""

from __future__ import annotations

import hashlib


def unit_hash(unit_type: str, unit_id: str) -> int:
    """Signed blake2b of type and id; the length in front keeps ("ab", "c") from ("a", "bc")."""
    kind = unit_type.encode()
    message = len(kind).to_bytes(4, "big") + kind + unit_id.encode()
    digest = hashlib.blake2b(message, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
