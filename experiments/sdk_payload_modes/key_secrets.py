"""What an app that uses a client key is given beside it, derived from the service's secret.

Nothing of it is stored: the same secret gives it again, another one gives another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from experiments.access import ENCRYPTED
from experiments.store.keys import KeyRecord

AES_128_BYTES = 16


@dataclass(frozen=True, slots=True)
class KeySecrets:
    """None where the key needs none: a decryption key in base64, a salt in hexadecimal digits."""

    decryption_key: str | None
    salt: str | None


def key_secrets(secret_key: str, record: KeyRecord) -> KeySecrets:
    """The decryption key is the key's own; the salt is the same in its whole environment."""
    encrypted = record.payload == ENCRYPTED
    return KeySecrets(
        decryption_key=decryption_key(secret_key, record.selector) if encrypted else None,
        salt=attribute_salt(secret_key, record.environment) if record.secure_attributes else None,
    )


def decryption_key(secret_key: str, selector: str) -> str:
    digest = _derived(secret_key, f"payload:{selector}")
    return base64.b64encode(digest[:AES_128_BYTES]).decode()


def attribute_salt(secret_key: str, environment: str) -> str:
    return _derived(secret_key, f"secure-attributes:{environment}")[:16].hex()


def _derived(secret_key: str, purpose: str) -> bytes:
    return hmac.digest(secret_key.encode(), purpose.encode(), hashlib.sha256)
