"""The texts of the pages in each language, and which language a reader gets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path

from werkzeug.datastructures import LanguageAccept

from api.console import numbers

LANGUAGES = ("en", "zh")
_TAGS = {"en": "en", "zh": "zh-Hans"}
_TEXTS = Path(__file__).with_name("texts")

_HAN = "[\u4e00-\u9fff]"

Text = str | dict[str, str]


class Words:
    """`words("key", n=3)` is a text with its placeholders filled.

    Integers are written with thousands separators. A text that counts has the forms `one` and
    `other`, chosen by `n`. An unknown key is a KeyError: a page never shows a key.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.tag = _TAGS[language]
        self._texts = texts_of(language)

    def __call__(self, key: str, **values: str | int) -> str:
        text = self._texts[key]
        if isinstance(text, dict):
            text = text["one" if values["n"] == 1 else "other"]
        shown = {
            name: numbers.count(value) if isinstance(value, int) else value
            for name, value in values.items()
        }
        filled = text.format_map(shown)
        return _spaced(filled) if self.language == "zh" else filled

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def date(self, moment: datetime) -> str:
        """A date and time of day with the name of its zone."""
        zone = moment.tzname() or "UTC"
        month = self("month." + str(moment.month))
        return self(
            "date",
            year=str(moment.year),
            month=month,
            day=str(moment.day),
            time=f"{moment:%H:%M}",
            zone=zone,
        )

    def age(self, seconds: float) -> str:
        """How long ago, in the largest unit that fits."""
        whole = max(0, int(seconds))
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
            if whole >= size:
                return self(f"age.{unit}", n=whole // size)
        return self("age.now")

    def list(self, parts: list[str]) -> str:
        if len(parts) < 2:
            return "".join(parts)
        head = self("list.comma").join(parts[:-1])
        return head + self("list.and") + parts[-1]


def _spaced(text: str) -> str:
    """Chinese as it is set: a space beside Latin words and figures, none between characters."""
    text = re.sub(f"(?<={_HAN})(?=[A-Za-z0-9+−])|(?<=[A-Za-z0-9%])(?={_HAN})", " ", text)
    return re.sub(f"(?<={_HAN}) +(?={_HAN})", "", text)


@cache
def texts_of(language: str) -> Mapping[str, Text]:
    path = _TEXTS / f"{language}.json"
    texts: dict[str, Text] = json.loads(path.read_text(encoding="utf-8"))
    return texts


@cache
def words_in(language: str) -> Words:
    return Words(language)


def choose_language(asked: str | None, remembered: str | None, accepted: LanguageAccept) -> str:
    """The language asked for, else the one remembered, else the browser's, else English."""
    for wish in (asked, remembered):
        if wish in LANGUAGES:
            return wish
    for tag, quality in accepted:
        language = tag.lower().split("-")[0]
        if quality > 0 and language in LANGUAGES:
            return language
    return LANGUAGES[0]
