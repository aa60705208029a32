"""What the page's address says: a variation asked for by query string, and URL targeting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, parse_qsl, urljoin, urlsplit

import re2

_LEADING_INTEGER = re.compile(r"\s*[+-]?[0-9]+")
_HOST_WITHOUT_SCHEME = re.compile(r"^([^:/?]*)\.")
_WILDCARD = "_____"  # a "*" is not a host for every parser
_ANYWHERE = "https://_____"


@dataclass(frozen=True, slots=True)
class UrlTarget:
    """`kind` is simple (with * as wildcard) or regex; a match of an excluding one keeps out."""

    kind: str
    pattern: str
    include: bool = True


def query_string_override(key: str, url: str, variations: int) -> int | None:
    """The variation that `?key=INDEX` in a URL asks for, None where there is no such one."""
    search = url.split("?")[1] if "?" in url else ""
    for pair in search.split("#")[0].split("&"):
        name, _, value = pair.partition("=")
        if name == key:
            leading = _LEADING_INTEGER.match(value)
            asked = float(leading.group()) if leading else -1
            return int(asked) if 0 <= asked < variations else None
    return None


def is_targeted(url: str, targets: Sequence[UrlTarget]) -> bool:
    """Whether some including target matches, or there is none, and no excluding one does."""
    if not targets:
        return False
    including = [_matches(url, target) for target in targets if target.include]
    excluding = [_matches(url, target) for target in targets if not target.include]
    return not any(excluding) and (any(including) or not including)


def _matches(url: str, target: UrlTarget) -> bool:
    try:
        actual = _parsed(url, "https://_")
        if target.kind == "simple":
            return _matches_simply(actual, target.pattern)
        if target.kind == "regex":
            expression = _compiled(target.pattern)
            origin = f"{actual.scheme}://{actual.netloc}"
            whole = actual.geturl()
            return any(expression.search(one) for one in (whole, whole.removeprefix(origin)))
    except (ValueError, re2.error):  # no URL, or no expression
        return False
    return False


def _matches_simply(actual: SplitResult, pattern: str) -> bool:
    whole = _HOST_WITHOUT_SCHEME.sub(r"https://\1.", pattern).replace("*", _WILDCARD)
    expected = _parsed(whole, _ANYWHERE)
    given = parse_qs(actual.query, keep_blank_values=True)
    parts = [
        (actual.netloc, expected.netloc, False),
        (actual.path, expected.path, True),
        *(
            (given.get(name, [""])[0], value, False)
            for name, value in parse_qsl(expected.query, keep_blank_values=True)
        ),
    ]
    if expected.fragment:
        parts.append((actual.fragment, expected.fragment, False))
    return all(_part_matches(*part) for part in parts)


def _part_matches(actual: str, pattern: str, is_path: bool) -> bool:  # noqa: FBT001 — a column
    if is_path:  # slashes at either end are optional
        actual, pattern = actual.strip("/"), pattern.strip("/")
    expression = ".*".join(re.escape(piece) for piece in pattern.split(_WILDCARD))
    return _compiled(f"(?i)^{expression}$").search(actual) is not None


def _parsed(url: str, base: str) -> SplitResult:
    parsed = urlsplit(urljoin(base, url))
    return parsed._replace(netloc=parsed.netloc.lower(), path=parsed.path or "/")


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(pattern, options)
