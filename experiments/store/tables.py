"""Every table, as SQLAlchemy Core. Primary keys start with the environment.

Instants are integers (microseconds since 1970, UTC). `change_seq` orders what was committed, see
`experiments.store.watermark`. Types are those that SQLite, PostgreSQL and DuckDB read alike.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

# One row: the version of everything that assignment reads. A worker polls only this.
live = Table(
    "live",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)

# One row, used on SQLite only: advanced inside each transaction that writes events.
change_counter = Table(
    "change_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("value", BigInteger, nullable=False),
)

environments = Table(
    "environments",
    metadata,
    Column("key", Text, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("selector", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_sha256", Text, nullable=False),
    Column("payload", Text, nullable=False, server_default="plain"),
    Column("secure_attributes", JSON, nullable=False, server_default="[]"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

experiments = Table(
    "experiments",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("winner", Text),
    Column("document", JSON, nullable=False),
    Column("phases", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)


def _definitions(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("environment", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("revision", Integer, nullable=False),
        Column("document", JSON, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
    )


metrics = _definitions("metrics")
segments = _definitions("segments")
layers = _definitions("layers")
features = _definitions("features")

# Which variant a unit keeps, whatever happens to weights and attributes. `slot` is the experiment
# and its bucket version, as the SDKs write it.
sticky_assignments = Table(
    "sticky_assignments",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("unit_type", Text, primary_key=True),
    Column("unit_id", Text, primary_key=True),
    Column("slot", Text, primary_key=True),
    Column("variant", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Who does what the clock asks for: one process at a time, until its lease runs out.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

# What the scheduler did or could not do, for people to read.
notices = Table(
    "notices",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("id", Text, primary_key=True),  # ordered by time
    Column("experiment", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Append-only: who did what to which thing, with the thing before and after.
audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("verb", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    Index("audit_by_subject", "environment", "subject", "key", "revision"),
)

# The first time each unit met each variant of a phase. `mark` says why it does not count, NULL
# where it does. `created_seq` stays when an earlier sighting moves `first_at` back. `agrees` says
# whether our hash would have given this variant, NULL where it was not asked.
exposures = Table(
    "exposures",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("phase", Integer, primary_key=True, autoincrement=False),
    Column("unit_id", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("unit_type", Text, nullable=False),
    Column("unit_hash", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("clock", Text, nullable=False),
    Column("client_at", BigInteger),
    Column("received_at", BigInteger, nullable=False),
    Column("attributes", JSON(none_as_null=True)),
    Column("mark", Text),
    Column("agrees", Boolean),
    Column("created_seq", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Append-only. (unit_type, unit_id) is the first of the ids that the event names.
outcomes = Table(
    "outcomes",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("event", Text, nullable=False),
    Column("unit_type", Text, nullable=False),
    Column("unit_id", Text, nullable=False),
    Column("unit_hash", BigInteger, nullable=False),
    Column("value", Double, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("clock", Text, nullable=False),
    Column("client_at", BigInteger),
    Column("received_at", BigInteger, nullable=False),
    Column("clamped", Boolean, nullable=False),
    Column("properties", JSON(none_as_null=True)),
    Column("digest", Text, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The further ids of an outcome that names several.
outcome_ids = Table(
    "outcome_ids",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("unit_type", Text, primary_key=True),
    Column("unit_id", Text, nullable=False),
    Column("unit_hash", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Two ids that one event named together, in both directions, with the first time they met.
links = Table(
    "links",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("unit_type", Text, primary_key=True),
    Column("unit_id", Text, primary_key=True),
    Column("other_type", Text, primary_key=True),
    Column("other_id", Text, primary_key=True),
    Column("unit_hash", BigInteger, nullable=False),
    Column("other_hash", BigInteger, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The Parquet files of the archive, below its folder. Who reads the log reads those that are
# `live`; the other states are `writing`, `replaced` and `expired`. `change_seq` is that of the
# newest row in the file, or that of the retention that took it out.
archive_files = Table(
    "archive_files",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("log_table", Text, nullable=False),
    Column("day", Text, nullable=False),  # of receipt, in UTC
    Column("row_count", BigInteger, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("change_seq", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# What is archived, by its identity: by these the intake tells that an event was there already.
archived_exposures = Table(
    "archived_exposures",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("phase", Integer, primary_key=True, autoincrement=False),
    Column("unit_id", Text, primary_key=True),
    Column("variant", Text, primary_key=True),
    Column("counts", Boolean, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
archived_outcomes = Table(
    "archived_outcomes",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was refused, once per distinct item and reason, so that a client that retries a bad item
# for ever does not fill the disk.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("detail", Text, nullable=False),
    Column("key_selector", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

# Finished reports. What names one: experiment, phase, segment, revision, version, watermark, as_of.
# `segment` is "" for everybody, else the key of a segment and its revision, as in "vip@3".
reports = Table(
    "reports",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("experiment", Text, primary_key=True),
    Column("phase", Integer, primary_key=True, autoincrement=False),
    Column("segment", Text, primary_key=True),
    Column("watermark", BigInteger, primary_key=True),
    Column("as_of", BigInteger, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, primary_key=True),
    Column("good_until", BigInteger),
    Column("document", JSON, nullable=False),
)

# PostgreSQL finds the newest change through these; SQLite has its counter.
for _table in (exposures, outcomes, links):
    Index(f"{_table.name}_by_change", _table.c.change_seq).ddl_if(dialect="postgresql")
