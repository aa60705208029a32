"""Payloads under encryption: AES-128 in CBC mode, written `base64(iv).base64(ciphertext)`."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from experiments.definitions.errors import Invalid


def encrypt(plaintext: bytes, key: str) -> str:
    """The bytes under a base64 key of 16 bytes.

    The initialisation vector is a keyed digest of the bytes: the same ones always look the same,
    so that an ETag of what is published tells whether anything has changed.
    """
    secret = base64.b64decode(key)
    iv = hmac.digest(secret, plaintext, hashlib.sha256)[: AES.block_size // 8]
    padder = PKCS7(AES.block_size).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(AES(secret), CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    return ".".join(base64.b64encode(part).decode() for part in (iv, ciphertext))


def decrypt(encrypted: str, key: str) -> str:
    """The text under a base64 key; raises `Invalid` DECRYPTION_FAILED."""
    try:
        iv, ciphertext = (base64.b64decode(part, validate=True) for part in encrypted.split("."))
        decryptor = Cipher(AES(base64.b64decode(key, validate=True)), CBC(iv)).decryptor()
        unpadder = PKCS7(AES.block_size).unpadder()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        return (unpadder.update(padded) + unpadder.finalize()).decode("utf-8")
    except ValueError as error:  # base64, length of key or iv, padding and UTF-8 alike
        raise Invalid(
            "DECRYPTION_FAILED",
            "the payload cannot be read with this key; use the key that belongs to it",
        ) from error
