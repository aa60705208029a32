"""/api/v1/keys: who may call the service, and what their SDKs get."""

from __future__ import annotations

from dataclasses import asdict

from api.auth import allow, current_actor
from api.blueprint import Blueprint
from api.schemas.keys import KeyCreation, KeyDetails, KeyList, KeyMade
from api.services import services
from experiments.access import REMOTE
from experiments.definitions.experiment import Document
from experiments.sdk_payload_modes import key_secrets
from experiments.store.keys import KeyRecord

blueprint = Blueprint("keys", __name__, description="API keys of the environment")


@blueprint.route("/keys", methods=["POST"])
@allow("admin")
@blueprint.arguments(KeyCreation)
@blueprint.response(201, KeyMade)
def create_key(document: Document) -> tuple[Document, dict[str, str]]:
    """Make a key of this environment; it is shown whole only now."""
    actor = current_actor()
    kind = document.pop("kind")
    key = services().keys.create(kind, actor.environment, **document, actor=actor.label)
    selector = key.split("_")[3]
    record = services().keys.get(actor.environment, selector)
    headers = {"Location": f"/api/v1/keys/{selector}", "Cache-Control": "no-store"}
    return {"key": key, **_details(record)}, headers


@blueprint.route("/keys", methods=["GET"])
@allow("admin")
@blueprint.response(200, KeyList)
def list_keys() -> Document:
    """List the keys of this environment, also those that are dead."""
    found = services().keys.all(current_actor().environment)
    return {"keys": [_public(record) for record in found]}


@blueprint.route("/keys/<selector>", methods=["GET"])
@allow("admin")
@blueprint.response(200, KeyDetails)
def show_key(selector: str) -> tuple[Document, dict[str, str]]:
    """Show a key with what an app needs beside it, and what its payload leaves out."""
    record = services().keys.get(current_actor().environment, selector)
    return _details(record), {"Cache-Control": "no-store"}


@blueprint.route("/keys/<selector>", methods=["DELETE"])
@allow("admin")
@blueprint.response(204)
def revoke_key(selector: str) -> None:
    """Revoke a key; every worker refuses it within a second."""
    actor = current_actor()
    services().keys.revoke(actor.environment, selector, actor=actor.label)


def _details(record: KeyRecord) -> Document:
    withheld: list[Document] = []
    if record.payload != REMOTE:
        picture = services().snapshots.current().environment(record.environment)
        withheld = [asdict(one) for one in services().payloads.of(record, picture).withheld]
    secrets = key_secrets(services().settings.required_secret(), record)
    return {**_public(record), **asdict(secrets), "withheld": withheld}


def _public(record: KeyRecord) -> Document:
    """All but the digest of the secret, of which nobody has any use."""
    document = asdict(record)
    del document["secret_sha256"]
    return document
