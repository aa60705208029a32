"""Identity of an item: its canonical text, its digest, and the ids that we make.

Made ids begin with a time, so that new rows land at the end of the primary key: random ones cost
SQLite several times the speed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time

# Keys sorted and no spaces: the same item gives the same text however it was written down.
canonical_text = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode


def digest_of(text: str) -> str:
    """128 bits of blake2b as hexadecimal; lone surrogates, which UTF-8 lacks, are hashed too."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def id_from_content(digest: str, client_at: int) -> str:
    """The id of an item that has a time but no id: a UUIDv8 of the time and the digest."""
    return _uuid(8, client_at // 1_000, int(digest[:19], 16))


def new_id() -> str:
    """A UUIDv7: milliseconds, then the fraction of the millisecond, then random bits."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return _uuid(7, milliseconds, fraction << 62 | int.from_bytes(os.urandom(8), "big") >> 2)


def _uuid(version: int, milliseconds: int, tail: int) -> str:
    """48 bits of time and the low 74 bits of `tail`, around the version and the variant."""
    high = (milliseconds & (1 << 48) - 1) << 16 | version << 12 | tail >> 62 & 0xFFF
    low = 0b10 << 62 | tail & (1 << 62) - 1
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
