"""From the plain payload to what each mode of key gets."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from experiments.assignment.encryption import decrypt, encrypt
from experiments.assignment.picture import picture_of
from experiments.definitions.errors import Forbidden, Invalid
from experiments.sdk_payload import Payloads
from experiments.sdk_payload_modes import KeyPayloads, key_secrets
from experiments.sdk_payload_modes.client_fields import for_clients
from experiments.sdk_payload_modes.key_payloads import key_document
from experiments.sdk_payload_modes.secure_attributes import hash_attributes
from experiments.store.keys import KeyRecord

SECRET = "a secret for the tests only"
CLIENT = KeyRecord("0f3a9c5d7e1b2468", "production", "client", "shop", "…", 0)
PICTURE = picture_of([])
IN_PEOPLE = {"email": {"$inGroup": "people"}}
PLAIN: dict[str, Any] = {
    "status": 200,
    "features": {
        "hero": {
            "defaultValue": "grey",
            "description": "what we hope for",
            "rules": [
                {
                    "id": "first",
                    "name": "A secret plan",
                    "owner": "ann@shop.example",
                    "key": "hero",
                    "condition": {
                        "email": {"$in": ["vip@shop.example"]},
                        "$not": {"email": {"$inGroup": "people"}},
                    },
                    "variations": ["grey", {"name": "kept: the app reads it"}],
                    "meta": [{"key": "a", "name": "Plan A"}, {"key": "b", "name": "Plan B"}],
                }
            ],
        }
    },
    "dateUpdated": "2026-01-01T00:00:00Z",
    "savedGroups": {
        "people": ["bob@shop.example"],
        "unused": ["eve@shop.example"],
    },
    "overrides": {"user-42": "b"},
}


def document_of(record: KeyRecord) -> dict[str, Any]:
    document, withheld = key_document(PLAIN, record, SECRET)
    assert withheld == ()
    return document


def test_a_client_gets_no_words_for_people_and_no_groups_that_it_does_not_need():
    rule = {
        "key": "hero",
        "condition": PLAIN["features"]["hero"]["rules"][0]["condition"],
        "variations": ["grey", {"name": "kept: the app reads it"}],
        "meta": [{"key": "a"}, {"key": "b"}],
    }
    assert document_of(CLIENT) == {
        "status": 200,
        "features": {"hero": {"defaultValue": "grey", "rules": [rule]}},
        "dateUpdated": "2026-01-01T00:00:00Z",
        "savedGroups": {"people": ["bob@shop.example"]},
    }


def test_a_payload_without_groups_has_no_place_for_them():
    bare = {**PLAIN, "features": {"hero": {"defaultValue": 1}}}
    assert "savedGroups" not in for_clients(bare)


def test_an_encrypted_payload_opens_with_the_key_of_the_key_only():
    encrypted = replace(CLIENT, payload="encrypted")
    document = document_of(encrypted)
    assert document["features"] == {}
    assert set(document) == {
        "status", "features", "dateUpdated", "encryptedFeatures", "encryptedSavedGroups",
    }  # fmt: skip
    assert "hero" not in json.dumps(document)
    key = key_secrets(SECRET, encrypted).decryption_key
    assert key is not None
    open_document = document_of(CLIENT)
    for part in ("features", "savedGroups"):
        sealed = document[f"encrypted{part[0].upper()}{part[1:]}"]
        assert json.loads(decrypt(sealed, key)) == open_document[part]
    for other in (
        key_secrets(SECRET, replace(encrypted, selector="f" * 16)).decryption_key,
        key_secrets("another secret", encrypted).decryption_key,
    ):
        assert other is not None
        with pytest.raises(Invalid, match="cannot be read"):
            decrypt(document["encryptedFeatures"], other)


def test_a_key_without_modes_has_no_secrets():
    assert key_secrets(SECRET, CLIENT).decryption_key is None
    assert key_secrets(SECRET, CLIENT).salt is None


def test_the_salt_is_of_the_environment():
    secure = replace(CLIENT, secure_attributes=("email",))
    salt = key_secrets(SECRET, secure).salt
    assert salt == key_secrets(SECRET, replace(secure, selector="f" * 16)).salt
    assert salt != key_secrets(SECRET, replace(secure, environment="staging")).salt
    assert salt != key_secrets("another secret", secure).salt


def test_hashed_values_are_those_of_the_documented_recipe():
    secure = replace(CLIENT, secure_attributes=("email",))
    salt = key_secrets(SECRET, secure).salt or ""

    def sha256(value: str) -> str:
        return hashlib.sha256((salt + value).encode()).hexdigest()

    document = document_of(secure)
    condition = document["features"]["hero"]["rules"][0]["condition"]
    assert condition["email"] == {"$in": [sha256("vip@shop.example")]}
    assert document["savedGroups"]["people"] == [sha256("bob@shop.example")]
    assert "@" not in json.dumps(document)


def test_payloads_are_made_once_for_each_picture_and_mode():
    plain = Payloads()
    payloads = KeyPayloads(plain, SECRET)
    keys = [
        replace(CLIENT, payload=mode, secure_attributes=secure, selector=selector)
        for mode in ("plain", "encrypted")
        for secure in ((), ("email",))
        for selector in ("0f3a9c5d7e1b2468", "1f3a9c5d7e1b2468")
    ]
    first = [payloads.of(key, PICTURE) for key in keys]
    assert all(payloads.of(key, PICTURE) is one for key, one in zip(keys, first, strict=True))
    assert len({id(one) for one in first}) == 2 + 4
    again = picture_of([])
    after = [payloads.of(key, again) for key in keys]
    assert after == first  # the same content has the same bytes
    assert after[0] is not first[0]
    server = payloads.of(replace(CLIENT, kind="server"), again)
    assert server.body is plain.of("production", again).body


def test_a_remote_key_gets_no_payload():
    payloads = KeyPayloads(Payloads(), SECRET)
    with pytest.raises(Forbidden, match="/api/eval/") as refused:
        payloads.of(replace(CLIENT, payload="remote"), PICTURE)
    assert refused.value.code == "PAYLOAD_REMOTE"


def test_the_vector_differs_with_the_text_and_with_the_key():
    keys = [base64.b64encode(bytes([number]) * 16).decode() for number in range(2)]
    texts = (b"", b"{}", b"x" * 16, "日本😀".encode())
    sealed = [encrypt(text, key) for key in keys for text in texts]
    assert len({one.split(".")[0] for one in sealed}) == len(sealed)
    assert decrypt(encrypt("日本😀".encode(), keys[0]), keys[0]) == "日本😀"


def payload(*rules: dict[str, Any], **features: Any) -> dict[str, Any]:
    return {"features": {"f": {"defaultValue": 0, "rules": list(rules)}, **features}}


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ({"email": {"$regex": "@bank"}}, "tests `email` by $regex"),
        ({"$not": {"email": {"$gt": "a"}}}, "tests `email` by $gt"),
        ({"$or": [{"country": "FR"}, {"email": {"$in": [7]}}]}, "with what is no text"),
        ({"email.domain": "bank"}, "tests `email.domain`, which holds or lies in"),
        ({"account": {"$exists": True}}, "tests `account`, which holds or lies in"),
        ({"email": {"$notInGroup": "numbers"}}, "up where not all are texts"),
        ({**IN_PEOPLE, "nick": {"$inGroup": "people"}}, "looks `nick` up in `people`"),
        ({**IN_PEOPLE, "nick": {"$not": {"$inGroup": "people"}}}, "looks `nick` up in `people`"),
    ],
)
def test_what_cannot_be_said_in_hashes_is_withheld_with_all_that_follows(
    condition: dict[str, Any], reason: str
):
    first, last = {"force": 1, "condition": {"country": "DE"}}, {"variations": [1, 2]}
    document = payload(first, {"force": 2, "condition": condition}, last)
    document["savedGroups"] = {
        "numbers": [7],
        "people": ["a@x"],
    }
    published, (withheld,) = hash_attributes(document, ("account.id", "email"), "5a17")
    assert (withheld.feature, withheld.rule) == ("f", 2)
    assert reason in withheld.reason
    assert published["features"]["f"] == {"defaultValue": 0, "rules": [first]}


@pytest.mark.parametrize(
    "rule",
    [
        {"variations": [1, 2], "hashAttribute": "email"},
        {"variations": [1, 2], "fallbackAttribute": "email"},
        {"force": 1, "coverage": 0.5, "hashAttribute": "email"},
        {"variations": [1, 2], "filters": [{"attribute": "email", "seed": "l", "ranges": []}]},
    ],
)
def test_nobody_is_assigned_by_the_bucket_of_a_hash(rule: dict[str, Any]):
    published, (withheld,) = hash_attributes(payload(rule), ("email",), "5a17")
    assert "another bucket" in withheld.reason
    assert published["features"]["f"]["rules"] == []
    # A forced value without a share hashes nobody.
    kept = payload({"force": 1, "hashAttribute": "email"})
    assert hash_attributes(kept, ("email",), "5a17") == (kept, ())


def test_what_is_held_out_by_a_withheld_rule_stays_out():
    held = {"force": 0, "parentConditions": [{"id": "$holdout:h", "condition": {"value": "in"}}]}
    by_held = {"force": 1, "parentConditions": [{"id": "f", "condition": {"value": 2}}]}
    holdout = {
        "defaultValue": "open",
        "rules": [{"variations": ["in", "open"], "condition": {"email": {"$regex": "x"}}}],
    }
    document = payload(
        held,
        {"variations": [1, 2]},
        **{"a": {"defaultValue": 3, "rules": [by_held]}, "$holdout:h": holdout},
    )
    published, withheld = hash_attributes(document, ("email",), "5a17")
    assert {one.feature: one.rule for one in withheld} == {"$holdout:h": 1, "a": 1, "f": 1}
    assert all(one["rules"] == [] for one in published["features"].values())
