"""What the scheduler did to an experiment, as its page lists it."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.console import numbers
from api.console.words import Words
from experiments.definitions.time import format_instant
from experiments.schedule.notices import RAMP_HELD, ROLL_BACK_HELD, ROLLED_BACK, START_FAILED
from experiments.store.notices import Notice

_WANTS_A_LOOK = {START_FAILED, RAMP_HELD, ROLL_BACK_HELD, ROLLED_BACK}


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """`detail` is English; `alarms` where somebody should look."""

    title: str
    detail: str
    at: str
    date: str
    alarms: bool


def notice_list(notices: list[Notice], zone: ZoneInfo, words: Words) -> list[NoticeLine]:
    return [
        NoticeLine(
            title=words(f"notice.{notice.code}"),
            detail=notice.detail,
            at=format_instant(notice.at),
            date=words.date(numbers.moment(format_instant(notice.at), zone)),
            alarms=notice.code in _WANTS_A_LOOK,
        )
        for notice in notices
    ]
