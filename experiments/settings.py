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


@dataclass(frozen=True, slots=True)
class Settings:
    """`analysis_deadline` and `scheduler_interval` are in seconds; `queue_items` counts events.

    `analysis_memory` is text.
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

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        data_dir = Path(env.get("EVENHAND_DATA_DIR", "data")).absolute()
        return cls(
            database_url=env.get("EVENHAND_DATABASE_URL") or f"sqlite:///{data_dir}/evenhand.db",
            data_dir=data_dir,
            secret_key=env.get("EVENHAND_SECRET_KEY") or None,
            demo=env.get("EVENHAND_DEMO", "") == "1",
            analysis_memory=env.get("EVENHAND_ANALYSIS_MEMORY", _ANALYSIS_MEMORY),
            analysis_deadline=_number(env, "EVENHAND_ANALYSIS_DEADLINE", _ANALYSIS_DEADLINE),
            queue_items=int(_number(env, "EVENHAND_QUEUE_ITEMS", _QUEUE_ITEMS)),
            scheduler=_switch(env, "EVENHAND_SCHEDULER", default=True),
            scheduler_interval=_number(env, "EVENHAND_SCHEDULER_INTERVAL", _SCHEDULER_INTERVAL),
        )

    @property
    def tail_dir(self) -> Path:
        """Where workers tell of events to who watches on this machine."""
        return self.data_dir / "tail"

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


def _switch(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = env.get(name)
    if text is None:
        return default
    if text not in {"on", "off"}:
        raise Invalid("SETTING_INVALID", f"{name} is {text!r}; set on or off")
    return text == "on"
