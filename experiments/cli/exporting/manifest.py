"""What an export holds: written last, so that a folder that has it is whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.definitions.errors import Invalid

MANIFEST = "manifest.json"
DEFINITIONS = "definitions"  # the folder of definitions, one file a kind
KIND = "evenhand-export"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its path below the folder, with / between the parts; what it holds; SHA-256."""

    path: str
    table: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableEntry:
    """`columns` are names with types; none where the rows are JSON documents."""

    name: str
    rows: int
    columns: dict[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`id` is new in each export; times are RFC 3339, None where nothing was cut."""

    id: str
    version: str
    exported_at: str
    format: str
    environments: tuple[str, ...] | None
    since: str | None
    until: str | None
    tables: tuple[TableEntry, ...]
    files: tuple[FileEntry, ...]

    def of(self, table: str) -> Iterator[FileEntry]:
        return (file for file in self.files if file.table == table)


def file_entry(folder: Path, path: Path, table: str, rows: int) -> FileEntry:
    """Describe a file that is finished, once it is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.relative_to(folder).as_posix(), table, rows, path.stat().st_size, digest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    document = {"kind": KIND, "format_version": FORMAT_VERSION, **asdict(manifest)}
    unfinished = folder / f"{MANIFEST}.part"
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """Raises `Invalid`: NO_MANIFEST, MANIFEST_INVALID, EXPORT_TOO_NEW."""
    path = folder / MANIFEST
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Invalid(
            "NO_MANIFEST",
            f"{folder} holds no {MANIFEST}: it is no export, or one that was interrupted; export"
            " again into an empty folder",
        ) from None
    except (OSError, ValueError) as error:
        raise Invalid("MANIFEST_INVALID", f"{path} cannot be read: {error}") from error
    if document.get("kind") != KIND:
        raise Invalid("MANIFEST_INVALID", f"{path} is not that of an export of Evenhand")
    if document.get("format_version") != FORMAT_VERSION:
        raise Invalid(
            "EXPORT_TOO_NEW",
            f"{folder} was written by Evenhand {document.get('version')}, whose format this"
            " version does not know; update Evenhand",
        )
    try:
        environments = document["environments"]
        return Manifest(
            id=document["id"],
            version=document["version"],
            exported_at=document["exported_at"],
            format=document["format"],
            environments=None if environments is None else tuple(environments),
            since=document["since"],
            until=document["until"],
            tables=tuple(TableEntry(**one) for one in document["tables"]),
            files=tuple(FileEntry(**one) for one in document["files"]),
        )
    except (KeyError, TypeError) as error:
        raise Invalid("MANIFEST_INVALID", f"{path} is incomplete: {error!r}") from error
