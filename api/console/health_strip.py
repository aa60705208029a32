"""The health of an experiment in words: what must hold before any lift may be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.console import numbers
from api.console.words import Words

OK, WARN, BAD, NONE = "ok", "warn", "bad", "none"


@dataclass(frozen=True, slots=True)
class Check:
    """`state` is ok, warn, bad or none (nothing to judge); the page writes it out too."""

    name: str
    state: str
    label: str
    value: str
    detail: str


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's sample size beside what the weights promised."""

    key: str
    name: str
    is_control: bool
    weight: str
    expected: str
    observed: str
    observed_share: str
    deviation: str


def checks(document: dict[str, Any], words: Words, now: datetime) -> list[Check]:
    health = document["health"]
    return [
        _srm(health["srm"], words),
        _crossovers(health["crossovers"], words),
        _hash(health["hash_disagreement"], words),
        _excluded(health["excluded_exposures"], words),
        _rejected(health, words),
        _last_event(health, words, now, is_awaited=_is_awaited(document)),
    ]


def arms(document: dict[str, Any], words: Words) -> list[Arm]:
    units, expected = document["units"], document["health"]["srm"]["expected"]
    total = sum(units.values())
    rows = []
    for variant in document["variants"]:
        key = variant["key"]
        weight = expected.get(key, variant["weight"])
        seen = units.get(key, 0)
        gap = words("none")
        if total:
            gap = words(
                "points", value=numbers.fixed(100 * (seen / total - weight), 2, signed=True)
            )
        rows.append(
            Arm(
                key=key,
                name=variant["name"],
                is_control=key == document["control"],
                weight=numbers.share(weight),
                expected=numbers.fixed(
                    total * weight, 0 if float(total * weight).is_integer() else 1
                ),
                observed=numbers.count(seen),
                observed_share=numbers.share(seen / total) if total else words("none"),
                deviation=gap,
            )
        )
    return rows


def _check(words: Words, name: str, state: str, value: str, detail: str) -> Check:
    return Check(name, state, words(f"health.{name}"), value, detail)


def _srm(srm: dict[str, Any], words: Words) -> Check:
    if srm["p_value"] is None:
        return _check(words, "srm", NONE, words("none"), reason_text(srm["reason"], words))
    p = numbers.p_sign(srm["p_value"])
    value = words("health.srm.p", p=p)
    if srm["flagged"]:
        return _check(words, "srm", BAD, value, words("health.srm.bad"))
    crossed = srm.get("with_crossovers") or {}
    if crossed.get("flagged"):
        return _check(words, "srm", WARN, value, words("health.srm.crossed"))
    return _check(words, "srm", OK, value, words("health.srm.ok"))


def _crossovers(crossovers: dict[str, Any], words: Words) -> Check:
    units, share = crossovers["units"], crossovers["share"]
    value = words("health.crossovers.value", n=units, share=numbers.share(share or 0.0))
    state = BAD if crossovers["flagged"] else OK
    return _check(words, "crossovers", state, value, words(f"health.crossovers.{state}"))


def _hash(hashed: dict[str, Any] | None, words: Words) -> Check:
    if hashed is None:
        return _check(words, "hash", NONE, words("health.external"), words("health.hash.none"))
    value = words(
        "health.hash.value", n=hashed["units"], share=numbers.share(hashed["share"] or 0.0)
    )
    state = BAD if hashed["flagged"] else OK
    return _check(words, "hash", state, value, words(f"health.hash.{state}"))


def _excluded(excluded: dict[str, int], words: Words) -> Check:
    total = sum(excluded.values())
    value = words("health.excluded.value", n=total)
    if not total:
        return _check(words, "excluded", OK, value, words("health.excluded.ok"))
    parts = [
        words(
            "health.excluded.part",
            n=number,
            why=words(f"mark.{mark.lower()}") if f"mark.{mark.lower()}" in words else mark,
        )
        for mark, number in sorted(excluded.items())
        if number
    ]
    return _check(words, "excluded", WARN, value, words.list(parts))


def _rejected(health: dict[str, Any], words: Words) -> Check:
    rejected = health["rejected_events"]
    value = words("health.rejected.value", n=rejected)
    state = WARN if rejected else OK
    detail = words(f"health.rejected.{state}")
    letters = health.get("dead_letters")  # a stored report may be older than this count
    if letters and letters["count"]:
        parts = [
            words("health.rejected.part", n=number, code=code)
            for code, number in letters["by_code"].items()
        ]
        naming = words("health.rejected.naming", n=letters["count"], parts=words.list(parts))
        detail = words("sentences").join((detail, naming))
    return _check(words, "rejected", state, value, detail)


def _is_awaited(document: dict[str, Any]) -> bool:
    """Whether a day without an event is odd: not in a phase that is over, nor in a segment."""
    running = document["status"] == "running" and document["ended_at"] is None
    return running and not document.get("segment")


def _last_event(health: dict[str, Any], words: Words, now: datetime, *, is_awaited: bool) -> Check:
    exposure, outcome = health["last_exposure_at"], health["last_outcome_at"]
    if exposure is None and outcome is None:
        return _check(words, "last", NONE, words("none"), words("health.last.none"))
    ages = {
        name: (now - datetime.fromisoformat(at)).total_seconds()
        for name, at in (("exposure", exposure), ("outcome", outcome))
        if at is not None
    }
    value = words.age(min(ages.values()))
    detail = words("list.comma").join(
        words(f"health.last.{name}", age=words.age(age)) for name, age in ages.items()
    )
    silent = is_awaited and min(ages.values()) > 86_400
    return _check(words, "last", WARN if silent else OK, value, detail)


def reason_text(reason: str | None, words: Words) -> str:
    """A typed reason in words; a code that has no text yet is shown as it is."""
    if reason is None:
        return words("none")
    key = f"why.{reason.lower()}"
    return words(key) if key in words else reason
