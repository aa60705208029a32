"""What an operator can set, from environment variables. Every one is in docs/settings.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from experiments.definitions.errors import Invalid

VERSION = version("evenhand")

_ANALYSIS_MEMORY = "2GB"
_ANALYSIS_DEADLINE = 600.0
_QUEUE_ITEMS = 20_000
_SCHEDULER_INTERVAL = 15.0
_HOT_DAYS = 7


@dataclass(frozen=True, slots=True)
class Settings:
    """`analysis_deadline` and `scheduler_interval` are in seconds; `queue_items` counts events.

    `analysis_memory` is text. `hot_days` and `retention_days` count from an event's receipt; None
    keeps events for ever. `compaction`: the scheduler moves closed days into the archive.
    """

    database_url: str
    data_dir: Path
    secret_key: str | None = None
    demo: bool = False
    analysis_memory: str = _ANALYSIS_MEMORY
    analysis_deadline: float = _ANALYSIS_DEADLINE
    queue_items: int = _QUEUE_ITEMS
    scheduler: bool = True
    scheduler_interval: float = _SCHEDULER_INTERVAL
    archive_dir: Path | None = None
    compaction: bool = False
    hot_days: int = _HOT_DAYS
    retention_days: int | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        data_dir = Path(env.get("EVENHAND_DATA_DIR", "data")).absolute()
        database_url = env.get("EVENHAND_DATABASE_URL") or f"sqlite:///{data_dir}/evenhand.db"
        archive_dir = env.get("EVENHAND_ARCHIVE_DIR") or None
        hot_days = _days(env, "EVENHAND_HOT_DAYS") or _HOT_DAYS
        retention_days = _days(env, "EVENHAND_RETENTION_DAYS")
        if retention_days is not None and retention_days < hot_days:
            raise Invalid(
                "SETTING_INVALID",
                f"EVENHAND_RETENTION_DAYS is {retention_days}; events are let go from the archive,"
                f" which they reach after {hot_days} days (EVENHAND_HOT_DAYS): keep at least these",
            )
        return cls(
            database_url=database_url,
            data_dir=data_dir,
            secret_key=env.get("EVENHAND_SECRET_KEY") or None,
            demo=env.get("EVENHAND_DEMO", "") == "1",
            analysis_memory=env.get("EVENHAND_ANALYSIS_MEMORY", _ANALYSIS_MEMORY),
            analysis_deadline=_number(env, "EVENHAND_ANALYSIS_DEADLINE", _ANALYSIS_DEADLINE),
            queue_items=int(_number(env, "EVENHAND_QUEUE_ITEMS", _QUEUE_ITEMS)),
            scheduler=_switch(env, "EVENHAND_SCHEDULER", default=True),
            scheduler_interval=_number(env, "EVENHAND_SCHEDULER_INTERVAL", _SCHEDULER_INTERVAL),
            archive_dir=None if archive_dir is None else Path(archive_dir).absolute(),
            compaction=_switch(env, "EVENHAND_COMPACTION", default=archive_dir is not None),
            hot_days=hot_days,
            retention_days=retention_days,
        )

    @property
    def tail_dir(self) -> Path:
        """Where workers tell of events to who watches on this machine."""
        return self.data_dir / "tail"

    @property
    def archive(self) -> Path:
        """The folder of the archived events."""
        return self.data_dir / "archive" if self.archive_dir is None else self.archive_dir

    def required_secret(self) -> str:
        """The secret key; `Invalid` SECRET_KEY_MISSING without one."""
        if self.secret_key:
            return self.secret_key
        raise Invalid(
            "SECRET_KEY_MISSING",
            "set EVENHAND_SECRET_KEY to a long random text, for example the output of"
            " `python -c 'import secrets; print(secrets.token_hex(32))'`",
        )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise Invalid("SETTING_INVALID", f"{name} is {text!r}; set a number above 0")
    return number


def _days(env: Mapping[str, str], name: str) -> int | None:
    text = env.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 5 or not 1 <= int(text) <= 36_500:
        raise Invalid("SETTING_INVALID", f"{name} is {text!r}; set whole days from 1 to 36500")
    return int(text)


def _switch(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name)
    if text is None:
        return default
    if text not in {"on", "off"}:
        raise Invalid("SETTING_INVALID", f"{name} is {text!r}; set on or off")
    return text == "on"
