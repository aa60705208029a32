"""Hashes of units, digests of items, ids that are made."""

from __future__ import annotations

import hashlib
import struct
from itertools import pairwise
from uuid import UUID

from experiments.events.event_ids import canonical_text, digest_of, id_from_content, new_id
from experiments.events.unit_hash import unit_hash


def test_unit_hash_is_blake2b_of_type_and_id() -> None:
    message = b"\x00\x00\x00\x04user" + "é42".encode()
    [expected] = struct.unpack(">q", hashlib.blake2b(message, digest_size=8).digest())
    assert unit_hash("user", "é42") == expected


def test_unit_hash_keeps_type_and_id_apart() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc"), ("user", "42"), ("device", "42")]
    assert len({unit_hash(*pair) for pair in pairs}) == len(pairs)


def test_unit_hash_fills_the_signed_64_bits() -> None:
    hashes = [unit_hash("user", str(n)) for n in range(1_000)]
    assert len(set(hashes)) == 1_000
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert min(hashes) < -(2**61) < 2**61 < max(hashes)


def test_new_ids_are_uuid7_and_rise() -> None:
    ids = [new_id() for _ in range(2_000)]
    assert {UUID(one).version for one in ids} == {7}
    assert len(set(ids)) == len(ids)
    assert all(one[:13] <= other[:13] for one, other in pairwise(ids))


def test_an_id_from_content_is_the_same_for_the_same_item_and_begins_with_its_time() -> None:
    digest = digest_of("an item")
    one = id_from_content(digest, 1_769_850_000_123_456)
    assert one == id_from_content(digest, 1_769_850_000_123_456)
    assert UUID(one).version == 8
    assert UUID(one).int >> 80 == 1_769_850_000_123
    assert one != id_from_content(digest_of("another"), 1_769_850_000_123_456)


def test_digests_see_neither_order_nor_spaces() -> None:
    assert canonical_text({"b": 1, "a": [True, None]}) == '{"a":[true,null],"b":1}'
    assert digest_of("x") != digest_of("y")
    assert len(digest_of("\ud800")) == 32
