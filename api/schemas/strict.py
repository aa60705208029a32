"""Fields that take what they say and nothing that could be turned into it.

Marshmallow's own read "0.5" as a number and "yes" as true; an API that guesses hides mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate
from marshmallow.validate import Validator

from experiments.definitions.keys import KEY_PATTERN, KEY_RULE, is_key
from experiments.definitions.time import Instant, format_instant, parse_instant


class _KeyRule(validate.Regexp):
    """Has a pattern, for the reference, and refuses the line break that `$` lets pass."""

    def __call__(self, value: Any) -> Any:
        if not is_key(value):
            raise ValidationError(self._format_error(value))
        return value


_KEY_RULE = _KeyRule(KEY_PATTERN, error=KEY_RULE)


def says(description: str) -> dict[str, Any]:
    """The metadata of a field: what the reference says of it."""
    return {"description": description}


class StrictSchema(Schema):
    """Unknown fields are refused (marshmallow's default, stated); order is kept."""

    error_messages = {  # noqa: RUF012 — marshmallow's own way
        "type": "send a JSON object",
        "unknown": "there is no such field",
    }


class Number(fields.Float):
    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValidationError("send a number")
        try:
            number = float(value)
        except OverflowError as error:
            raise ValidationError("this number is out of range") from error
        if not math.isfinite(number):
            raise ValidationError("send a finite number")
        return number


class Whole(fields.Integer):
    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError("send a whole number")
        if not -(2**53) < value < 2**53:
            raise ValidationError("this number is out of range")
        return value


class Flag(fields.Boolean):
    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("send true or false")
        return value


class Text(fields.String):
    """A text that every database can hold: no NUL, no half of a surrogate pair."""

    def __init__(
        self, *, longest: int = 500, shortest: int = 0, rule: Validator | None = None, **kwargs: Any
    ) -> None:
        length = validate.Length(min=shortest, max=longest)
        super().__init__(validate=[length, rule] if rule else [length], **kwargs)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> str:
        if not isinstance(value, str):
            raise ValidationError("send a text")
        if not is_storable(value):
            raise ValidationError("a text holds no NUL and no lone surrogate")
        return value


class Key(Text):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(longest=100, shortest=1, rule=_KEY_RULE, **kwargs)


class Json(fields.Raw):
    """Any JSON whose texts every database can hold."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Any:
        check_json(value)
        return value


class JsonObject(fields.Dict):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("send a JSON object")
        check_json(value)
        return value


class Moment(fields.Field[Instant]):
    """RFC 3339 with an offset outside, microseconds since 1970 inside."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else format_instant(value)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> Instant:
        try:
            return parse_instant(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValidationError(
                "send a time with its offset, such as 2026-01-31T09:30:00Z"
            ) from error


def is_storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def check_json(value: Any, depth: int = 0) -> None:
    """Refuse what a database could not give back, or nobody could read."""
    if depth > 20:
        raise ValidationError("this is nested more than 20 deep")
    if isinstance(value, str) and not is_storable(value):
        raise ValidationError("a text holds no NUL and no lone surrogate")
    if isinstance(value, dict):
        for key, inner in value.items():
            check_json(key, depth + 1)
            check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner, depth + 1)
