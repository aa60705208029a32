"""What a GrowthBook SDK needs to assign by itself: the documents that our own answers come from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from experiments.assignment.picture import EnvironmentPicture
from experiments.definitions.experiment import Document
from experiments.definitions.time import SECOND, format_instant


@dataclass(frozen=True, slots=True)
class Payload:
    """The body that every client key of an environment gets, and its fingerprint."""

    body: bytes
    etag: str


class Payloads:
    """The payload of each environment, made once for each picture of what is live."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[EnvironmentPicture, Payload]] = {}

    def of(self, environment: str, picture: EnvironmentPicture) -> Payload:
        made = self._made.get(environment)
        if made is None or made[0] is not picture:
            made = self._made[environment] = (picture, _payload(picture))
        return made[1]


def _payload(picture: EnvironmentPicture) -> Payload:
    published = picture.published
    document: Document = {
        "status": 200,
        "features": published.features,
        "dateUpdated": _date_updated(picture, published.payload),
    }
    if published.groups:
        document["savedGroups"] = published.groups
    body = json.dumps(document, separators=(",", ":")).encode()
    return Payload(body, _digest(body))


def _date_updated(picture: EnvironmentPicture, payload: Document) -> str:
    """The second of the last edit, with a fingerprint of what stands as its fraction.

    Clients skip a payload whose date they know. Times alone would not do: two edits may fall into
    one instant, an import starts in the past, and the last experiment that was edited may go.
    """
    standings = [live.standing for live in picture.experiments.values()]
    edits = sorted((one.experiment.key, one.revision) for one in standings)
    digest = _digest(json.dumps([edits, payload], sort_keys=True).encode())
    last = max((one.updated_at for one in standings), default=0)
    return format_instant(last // SECOND * SECOND + int(digest, 16) % SECOND)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
