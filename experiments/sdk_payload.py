"""What a GrowthBook SDK needs to assign by itself: the live experiments as its feature payload.

A feature's `defaultValue` is the control's value. A running experiment is one rule, which the SDK
hashes as we do; a shipped one forces the winner's value; a paused or stopped one has no rule, so
that everybody gets the control and nothing is counted. Drafts and archived ones are absent.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from experiments.assignment.evaluate import HASH_VERSION
from experiments.assignment.live_features import LiveFeature
from experiments.definitions.experiment import Document
from experiments.definitions.lifecycle import RUNNING, SHIPPED, Standing
from experiments.definitions.time import SECOND, format_instant
from experiments.snapshot import EnvironmentPicture


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
    features = {
        key: _feature(feature, picture.experiments[feature.filler.experiment.key].standing)
        for key, feature in picture.features.items()
    }
    document = {
        "status": 200,
        "features": features,
        "dateUpdated": _date_updated(picture, features),
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    return Payload(body, _digest(body))


def _feature(feature: LiveFeature, standing: Standing) -> Document:
    document: Document = {"defaultValue": feature.values[standing.experiment.control.key]}
    if standing.status == RUNNING:
        document["rules"] = [{**_condition(standing), **_split(feature, standing)}]
    elif standing.status == SHIPPED:
        winner = standing.winner or standing.experiment.control.key
        document["rules"] = [{**_condition(standing), "force": feature.values[winner]}]
    return document


def _condition(standing: Standing) -> Document:
    audience = standing.experiment.audience
    return {"condition": audience} if audience else {}


def _split(feature: LiveFeature, standing: Standing) -> Document:
    experiment, phase = standing.experiment, standing.phase
    assert phase is not None  # noqa: S101 — a running experiment has begun a phase
    return {
        "key": experiment.key,
        "name": experiment.name,
        "phase": str(phase.number),
        "seed": phase.seed,
        "hashAttribute": experiment.unit_type,
        "hashVersion": HASH_VERSION,
        "coverage": experiment.traffic,
        "weights": [variant.weight for variant in experiment.variants],
        "variations": [feature.values[variant.key] for variant in experiment.variants],
        "meta": [{"key": one.key, "name": one.name} for one in experiment.variants],
    }


def _date_updated(picture: EnvironmentPicture, features: Document) -> str:
    """The second of the last edit, with a fingerprint of what stands as its fraction.

    Clients skip a payload whose date they know. Times alone would not do: two edits may fall into
    one instant, an import starts in the past, and the last experiment that was edited may go.
    """
    standings = [live.standing for live in picture.experiments.values()]
    edits = sorted((one.experiment.key, one.revision) for one in standings)
    digest = _digest(json.dumps([edits, features], sort_keys=True).encode())
    last = max((one.updated_at for one in standings), default=0)
    return format_instant(last // SECOND * SECOND + int(digest, 16) % SECOND)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
