"""Who may do what: API keys, `ehk_{kind}_{environment}_{selector}_{secret}`.

Only the SHA-256 of a secret is kept; it is compared in constant time. Keys live in the snapshot,
so that asking costs no database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from experiments.definitions.errors import EvenhandError, Invalid, NotFound, Problem, Unknown
from experiments.definitions.time import Instant, now
from experiments.snapshot import Snapshots
from experiments.store.audit import AuditEntry, append_audit
from experiments.store.database import Connection, Database
from experiments.store.keys import (
    KeyRecord,
    ensure_environment,
    insert_key,
    list_keys,
    note_key_use,
    revoke_key,
)
from experiments.store.live import advance_version

KINDS = ("client", "server", "admin")
PLAIN, ENCRYPTED, REMOTE = PAYLOADS = ("plain", "encrypted", "remote")
MAX_SECURE_ATTRIBUTES = 50
DEFAULT_ENVIRONMENT = "production"
FLUSH_SECONDS = 60.0
_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_ATTRIBUTE = re.compile(r"[^\x00-\x1f\ud800-\udfff$][^\x00-\x1f\ud800-\udfff]{0,99}")
_KEY = re.compile(
    r"ehk_(client|server|admin)_([a-z0-9][a-z0-9-]{0,31})_([0-9a-f]{16})_([0-9a-f]{48})"
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: the kind and environment of the key, and its selector, which is no secret."""

    kind: str
    environment: str
    selector: str

    @property
    def label(self) -> str:
        """How the audit names them."""
        return f"key:{self.selector}"


class Access:
    def __init__(
        self, snapshots: Snapshots, note_use: Callable[[dict[str, Instant]], None]
    ) -> None:
        self._snapshots = snapshots
        self._note_use = note_use
        self._used: dict[str, Instant] = {}
        self._flushed_at = time.monotonic()
        self._lock = threading.Lock()

    def authenticate(self, key: str | None) -> Actor:
        """The actor of a key; `Unknown` without one, or with a wrong or dead one."""
        if not key:
            raise Unknown(
                "KEY_MISSING",
                "send an API key as `Authorization: Bearer KEY` or `X-API-Key: KEY`; make one"
                " with `evenhand key create`",
            )
        parts = _KEY.fullmatch(key)
        record = self._find(parts.group(3)) if parts else None
        digest = hashlib.sha256((parts.group(4) if parts else "").encode()).hexdigest()
        matches = hmac.compare_digest(digest, record.secret_sha256 if record else "")
        if not (parts and record and matches):
            raise Unknown("KEY_UNKNOWN", "this API key is not known here; check that it is whole")
        return self._admit(record)

    def recognise(self, selector: str) -> Actor:
        """The actor of a key that was shown before; `Unknown` once it is dead."""
        record = self._find(selector)
        if record is None:
            raise Unknown("KEY_UNKNOWN", "this API key is not known here any more")
        return self._admit(record)

    def _admit(self, record: KeyRecord) -> Actor:
        at = now()
        if not record.is_live(at):
            raise Unknown(
                "KEY_EXPIRED", "this API key has expired or was revoked; make another one"
            )
        self._note(record.selector, at)
        return Actor(record.kind, record.environment, record.selector)

    def _find(self, selector: str) -> KeyRecord | None:
        snapshot = self._snapshots.current()
        if selector not in snapshot.keys and not snapshot.stale:
            # Made a moment ago, perhaps. However many wrong keys come, one look is under way.
            self._snapshots.refresh()
            snapshot = self._snapshots.current()
        return snapshot.keys.get(selector)

    def _note(self, selector: str, at: Instant) -> None:
        self._used[selector] = at
        if time.monotonic() - self._flushed_at < FLUSH_SECONDS:
            return
        with self._lock:
            if time.monotonic() - self._flushed_at < FLUSH_SECONDS:
                return
            self._flushed_at = time.monotonic()
            used, self._used = self._used, {}
        threading.Thread(target=self._flush, args=(used,), daemon=True).start()

    def _flush(self, used: dict[str, Instant]) -> None:
        try:
            self._note_use(used)
        except EvenhandError:  # the database is away: keep them for the next time
            self._used = {**used, **self._used}


class Keys:
    """Makes, lists and revokes keys; `changed` is called after each change."""

    def __init__(self, database: Database, changed: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._changed = changed

    def create(
        self,
        kind: str,
        environment: str,
        *,
        name: str = "",
        expires_at: Instant | None = None,
        payload: str = PLAIN,
        secure_attributes: Iterable[str] = (),
        actor: str,
    ) -> str:
        """Make a key and return it whole; it cannot be shown again."""
        secure = tuple(sorted(set(secure_attributes)))
        if kind not in KINDS:
            raise Invalid("KIND_UNKNOWN", f"{kind!r} is no kind of key; use one of {KINDS}")
        if not _ENVIRONMENT.fullmatch(environment):
            raise Invalid(
                "ENVIRONMENT_INVALID",
                f"{environment!r} is no name of an environment: use 1–32 lower-case letters,"
                " digits and '-'",
            )
        if problems := _payload_problems(kind, payload, secure):
            raise Invalid.of(problems)
        selector, secret, at = secrets.token_hex(8), secrets.token_hex(24), now()
        record = KeyRecord(
            selector=selector,
            environment=environment,
            kind=kind,
            name=name,
            secret_sha256=hashlib.sha256(secret.encode()).hexdigest(),
            created_at=at,
            expires_at=expires_at,
            payload=payload,
            secure_attributes=secure,
        )
        with self._database.write() as connection:
            ensure_environment(connection, environment, at)
            insert_key(connection, record)
            append_audit(connection, _audit_entry(record, "create", actor, at))
            advance_version(connection)
        self._changed()
        return f"ehk_{kind}_{environment}_{selector}_{secret}"

    def all(self, environment: str | None = None) -> list[KeyRecord]:
        with self._database.read() as connection:
            return list_keys(connection, environment)

    def get(self, environment: str, selector: str) -> KeyRecord:
        with self._database.read() as connection:
            return _find(connection, environment, selector)

    def revoke(self, environment: str, selector: str, *, actor: str) -> None:
        at = now()
        with self._database.write() as connection:
            record = _find(connection, environment, selector)
            if not revoke_key(connection, environment, selector, at):
                raise NotFound("KEY_NOT_FOUND", f"the key {selector!r} was revoked before")
            append_audit(connection, _audit_entry(record, "revoke", actor, at))
            advance_version(connection)
        self._changed()

    def note_use(self, used: dict[str, Instant]) -> None:
        with self._database.write() as connection:
            note_key_use(connection, used)


def _find(connection: Connection, environment: str, selector: str) -> KeyRecord:
    for record in list_keys(connection, environment):
        if record.selector == selector:
            return record
    raise NotFound(
        "KEY_NOT_FOUND",
        f"no key {selector!r} in {environment!r}; `evenhand key list --env {environment}` shows"
        " the selectors",
    )


def _payload_problems(kind: str, payload: str, secure: tuple[str, ...]) -> list[Problem]:
    if payload not in PAYLOADS:
        message = f"{payload!r} is no mode of a payload; use one of {PAYLOADS}"
        return [Problem("payload", "PAYLOAD_UNKNOWN", message)]
    if kind != "client" and (payload != PLAIN or secure):
        message = f"a key of kind {kind} always gets the plain payload; make a client key"
        return [Problem("payload", "PAYLOAD_NOT_CLIENT", message)]
    if payload == REMOTE and secure:
        message = "a remote key publishes no conditions, so that no attribute needs hashing"
        return [Problem("secure_attributes", "SECURE_ATTRIBUTES_REMOTE", message)]
    if len(secure) > MAX_SECURE_ATTRIBUTES or not all(
        re.fullmatch(_ATTRIBUTE, name) for name in secure
    ):
        message = (
            f"name at most {MAX_SECURE_ATTRIBUTES} attributes as conditions name them, such as"
            " `email` or `account.email`"
        )
        return [Problem("secure_attributes", "SECURE_ATTRIBUTES_INVALID", message)]
    return []


def _audit_entry(record: KeyRecord, verb: str, actor: str, at: Instant) -> AuditEntry:
    public = {
        "kind": record.kind,
        "name": record.name,
        "expires_at": record.expires_at,
        "payload": record.payload,
        "secure_attributes": list(record.secure_attributes),
    }
    return AuditEntry(
        environment=record.environment,
        subject="key",
        key=record.selector,
        revision=1,
        verb=verb,
        actor=actor,
        at=at,
        before=None if verb == "create" else public,
        after=public if verb == "create" else None,
    )
