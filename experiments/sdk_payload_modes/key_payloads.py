"""The bytes that each key gets, made once for each state of its environment."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass

from experiments.access import ENCRYPTED, REMOTE
from experiments.assignment.encryption import encrypt
from experiments.assignment.picture import EnvironmentPicture
from experiments.definitions.errors import Forbidden
from experiments.definitions.experiment import Document
from experiments.sdk_payload import Payload, Payloads
from experiments.sdk_payload_modes.client_fields import for_clients
from experiments.sdk_payload_modes.key_secrets import attribute_salt, decryption_key
from experiments.sdk_payload_modes.secure_attributes import Withheld, hash_attributes
from experiments.store.keys import KeyRecord

_log = logging.getLogger(__name__)
_ENCRYPTED_PARTS = {"features": "encryptedFeatures", "savedGroups": "encryptedSavedGroups"}


@dataclass(frozen=True, slots=True)
class KeyPayload:
    """The body that a key gets, its fingerprint, and what its secure attributes keep out of it."""

    body: bytes
    etag: str
    withheld: tuple[Withheld, ...] = ()


@dataclass(frozen=True, slots=True)
class _Mode:
    """What makes the payloads of two keys of one environment differ."""

    client: bool
    secure_attributes: tuple[str, ...]
    encrypted_for: str | None


class KeyPayloads:
    def __init__(self, payloads: Payloads, secret_key: str) -> None:
        self._payloads = payloads
        self._secret_key = secret_key
        self._made: dict[str, tuple[Payload, dict[_Mode, KeyPayload]]] = {}

    def of(self, record: KeyRecord, picture: EnvironmentPicture) -> KeyPayload:
        """What the key gets; `Forbidden` PAYLOAD_REMOTE where it may only ask for evaluations."""
        if record.payload == REMOTE:
            raise Forbidden(
                "PAYLOAD_REMOTE",
                "this key gets no definitions; evaluate with POST /api/eval/{client_key}, which"
                " the SDKs do with `remoteEval: true` (Python: `remote_eval=True`)",
            )
        plain = self._payloads.of(record.environment, picture)
        held = self._made.get(record.environment)
        if held is None or held[0] is not plain:
            held = self._made[record.environment] = (plain, {})
        made, mode = held[1], _mode(record)
        if mode not in made:
            made[mode] = self._make(record, plain)
        return made[mode]

    def _make(self, record: KeyRecord, plain: Payload) -> KeyPayload:
        if record.kind != "client":
            return KeyPayload(plain.body, plain.etag)
        document, withheld = key_document(json.loads(plain.body), record, self._secret_key)
        for one in withheld:
            _log.warning(
                "%s: withheld from keys with secure attributes: the feature %s from rule %d on,"
                " which %s",
                record.environment, one.feature, one.rule, one.reason,
            )  # fmt: skip
        body = _compact(document)
        return KeyPayload(body, hashlib.blake2b(body, digest_size=16).hexdigest(), withheld)


def key_document(
    document: Document, record: KeyRecord, secret_key: str
) -> tuple[Document, tuple[Withheld, ...]]:
    """What a client key gets of a plain payload, and what its secure attributes keep out."""
    withheld: tuple[Withheld, ...] = ()
    if record.secure_attributes:
        salt = attribute_salt(secret_key, record.environment)
        document, withheld = hash_attributes(document, record.secure_attributes, salt)
    document = for_clients(document)
    if record.payload == ENCRYPTED:
        document = _encrypted(document, decryption_key(secret_key, record.selector))
    return document, withheld


def _mode(record: KeyRecord) -> _Mode:
    encrypted = record.payload == ENCRYPTED
    return _Mode(
        record.kind == "client", record.secure_attributes, record.selector if encrypted else None
    )


def _encrypted(document: Document, key: str) -> Document:
    """The payload as the SDKs expect it under encryption; `features` stays, empty."""
    parts = {
        encrypted: encrypt(_compact(document[part]), key)
        for part, encrypted in _ENCRYPTED_PARTS.items()
        if part in document
    }
    shown = {name: one for name, one in document.items() if name not in _ENCRYPTED_PARTS}
    return {**shown, "features": {}, **parts}


def _compact(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
