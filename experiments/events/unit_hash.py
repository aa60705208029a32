"""A 64-bit number that stands for a unit in joins. Answers and deletions compare the id itself."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence


def unit_hash(unit_type: str, unit_id: str) -> int:
    """Signed blake2b of type and id; the length in front keeps ("ab", "c") from ("a", "bc")."""
    return unit_hashes(unit_type, (unit_id,))[0]


def unit_hashes(unit_type: str, unit_ids: Sequence[str]) -> tuple[int, ...]:
    """The hashes of many ids of one type."""
    kind = unit_type.encode()
    start = len(kind).to_bytes(4, "big") + kind
    blake2b = hashlib.blake2b
    digests = [blake2b(start + one, digest_size=8).digest() for one in map(str.encode, unit_ids)]
    return struct.unpack(f">{len(digests)}q", b"".join(digests))
