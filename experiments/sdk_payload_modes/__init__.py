"""What the SDK payload of a key holds: the mode of a client key, applied to the plain payload."""

from experiments.sdk_payload_modes.key_payloads import KeyPayload, KeyPayloads
from experiments.sdk_payload_modes.key_secrets import KeySecrets, key_secrets
from experiments.sdk_payload_modes.secure_attributes import Withheld

__all__ = ["KeyPayload", "KeyPayloads", "KeySecrets", "Withheld", "key_secrets"]
