"""The archive of the event log: closed days as Parquet files, and the manifest of the files."""

from experiments.events.archive.compaction import Archive, Moved, closed_before
from experiments.events.archive.files import start_of
from experiments.events.archive.verification import Finding, verify_log

__all__ = ["Archive", "Finding", "Moved", "closed_before", "start_of", "verify_log"]
