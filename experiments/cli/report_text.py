"""A results document as text: the decision first, then whether to trust it, then the numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import click

from experiments.analysis.judged import judged
from experiments.definitions.lifecycle import DRY_RUN, HOLDBACK, MAIN, PAUSED, RUNNING

Document = dict[str, Any]

_COLOURS = {"ship": "green", "roll_back": "red", "unhealthy": "red"}
_GAP = "  "
_NONE = "–"
_KINDS = {MAIN: "main", DRY_RUN: "dry run", HOLDBACK: "hold-back"}
_READING = {"sequential": "always valid", "fixed": "fixed horizon"}


def report_text(document: Document, width: int, *, colour: bool) -> str:
    """The report in lines of at most `width` columns, where the words allow it."""
    blocks = [_head(document, width, colour=colour), _health(document, width)]
    if document["metrics"]:
        blocks.append(_table(document, width) or _list(document, width))
        blocks += _notes(document, width)
    return "\n\n".join(blocks)


def _head(document: Document, width: int, *, colour: bool) -> str:
    decision = document["decision"]
    label = decision["recommendation"].replace("_", " ").upper()
    shown = label
    if colour:
        shown = click.style(label, bold=True, fg=_COLOURS.get(decision["recommendation"]))
    name = document["experiment"]
    title = name if document["name"] == name else f"{document['name']} ({name})"
    standing = ", ".join(_standing(document))
    where = f"{document['environment']}, {standing}, as of {_moment(document['as_of'])}"
    lines = [_wrap(f"{title} · {where}", width), "", shown, _wrap(decision["reason"], width)]
    return "\n".join(lines)


def _standing(document: Document) -> Iterator[str]:
    """The status, and the phase and segment where they are not what a run has by itself."""
    status, since = document["status"], document["started_at"]
    yield status + (f" since {_moment(since)}" if since else "")
    number, kind = document["phase"], document.get("phase_kind") or MAIN
    is_over = document["ended_at"] is not None and status in {RUNNING, PAUSED}
    if kind != MAIN or is_over or (number is not None and number > 1):
        ended = f" until {_moment(document['ended_at'])}" if is_over else ""
        yield f"phase {number} ({_KINDS[kind]}){ended}"
    if document.get("segment"):
        yield f"segment {document['segment']['name']}"


def _health(document: Document, width: int) -> str:
    health = document["health"]
    srm = health["srm"]
    units = ", ".join(f"{key} {n:,}" for key, n in document["units"].items()) or "none yet"
    sure = _words(srm["reason"]) if srm["p_value"] is None else f"p {_p(srm['p_value'])}"
    parts = [
        f"sample ratio {_flag(srm)} ({sure})",
        f"crossovers {_flag(health['crossovers'])} ({health['crossovers']['units']:,})",
    ]
    if health["hash_disagreement"] is not None:
        disagreement = health["hash_disagreement"]
        parts.append(f"other arm than the hash {_flag(disagreement)} ({disagreement['units']:,})")
    excluded = sum(health["excluded_exposures"].values())
    if excluded:
        parts.append(f"exposures not counted {excluded:,}")
    if health["rejected_events"]:
        parts.append(f"refused events {health['rejected_events']:,}{_letters(health)}")
    return "\n".join(
        (_wrap(f"Units   {units}", width, 8), _wrap(f"Health  {', '.join(parts)}", width, 8))
    )


def _letters(health: Document) -> str:
    """Why events that name the experiment were refused in this phase."""
    letters = health.get("dead_letters")  # a stored report may be older than this count
    if not letters or not letters["count"]:
        return ""
    reasons = ", ".join(f"{code} {n:,}" for code, n in letters["by_code"].items())
    return f" (naming the experiment: {reasons})"


def _table(document: Document, width: int) -> str | None:
    """One row per metric and variant; None where that is wider than the terminal."""
    rows = [_header(document), *(_row(document, *pair) for pair in _pairs(document))]
    used = [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]
    widths = {place: max(len(row[place]) for row in rows) for place in used}
    if sum(widths.values()) + len(_GAP) * (len(used) - 1) > width:
        return None
    return "\n".join(
        _GAP.join(row[place].ljust(widths[place]) for place in used).rstrip() for row in rows
    )


def _list(document: Document, width: int) -> str:
    """The same, a few lines for each, for narrow terminals."""
    names = _header(document)
    blocks = []
    for metric, comparison in _pairs(document):
        row = _row(document, metric, comparison)
        lines = [_wrap(f"{row[0]} ({row[1]})", width)]
        lines += [
            _wrap(f"  {name}: {cell}", width, 4)
            for name, cell in zip(names[2:], row[2:], strict=True)
            if cell
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _notes(document: Document, width: int) -> list[str]:
    """How the numbers are to be read, and the units that are not in them yet."""
    metrics = document["metrics"]
    notes = []
    if any(metric["basis"] == "sequential" for metric in metrics):
        notes.append(
            f"May be read at any time: {100 * (1 - document['alpha']):.3g} % confidence sequences"
            " and always-valid p-values."
        )
    others = [metric["name"] for metric in metrics if metric["basis"] != document["basis"]]
    if others:
        notes.append(
            f"Read once, at the planned size: {', '.join(others)}. Without a window, what a unit"
            " adds goes on changing after it was counted, so that looks have no order; p-values"
            " and intervals are those of a fixed horizon."
        )
    # They have not yet seen a metric's whole window.
    waiting = [f"{metric['name']} {metric['waiting']:,}" for metric in metrics if metric["waiting"]]
    if waiting:
        notes.append(f"Waiting for their window: {', '.join(waiting)}")
    return ["\n".join(_wrap(note, width, 8) for note in notes)] if notes else []


def _pairs(document: Document) -> list[tuple[Document, Document]]:
    return [(metric, one) for metric in document["metrics"] for one in metric["comparisons"]]


def _header(document: Document) -> list[str]:
    bases = {metric["basis"] for metric in document["metrics"]}
    sure = {"bayesian": "Chance to win", "sequential": "Always-valid p"}
    name = sure.get(next(iter(bases)), "p") if len(bases) == 1 else "p"
    adjusted = f"p ({document['correction']})" if document["correction"] != "none" else ""
    reading = "Read" if len(bases) > 1 else ""
    return [
        "Metric",
        "Role",
        "Baseline",
        "Variant",
        "Mean",
        "Lift",
        name,
        adjusted,
        reading,
        "Verdict",
    ]


def _row(document: Document, metric: Document, comparison: Document) -> list[str]:
    means = {one["variant"]: one["mean"] for one in metric["variants"]}
    evidence = judged(metric["basis"], comparison)
    sure, adjusted = _p(evidence.p_value), _p(evidence.adjusted_p_value, "")
    if metric["basis"] == "bayesian":
        chance = evidence.chance_to_win
        sure = _NONE if chance is None else f"{100 * chance:.1f} %"
    is_mixed = len({one["basis"] for one in document["metrics"]}) > 1
    return [
        metric["name"],
        metric["role"],
        _mean(means.get(comparison["against"]), metric["kind"]),
        comparison["variant"],
        _mean(means.get(comparison["variant"]), metric["kind"]),
        _lift(comparison["lift"]["estimate"], evidence.lift_interval, evidence.level),
        sure,
        adjusted,
        _READING[metric["basis"]] if is_mixed else "",
        _verdict(comparison),
    ]


def _verdict(comparison: Document) -> str:
    if comparison["reason"] is not None:
        return _words(comparison["reason"])
    words = comparison["verdict"] or ""
    if comparison["non_inferior"] is not None:
        proven = "within" if comparison["non_inferior"] else "not shown within"
        words += f", {proven} its margin"
    return words


def _lift(estimate: float | None, interval: list[float] | None, level: float) -> str:
    if estimate is None:
        return _NONE
    text = f"{100 * estimate:+.2f} %"
    if interval is None:
        return text
    low, high = interval
    return f"{text} [{100 * low:+.2f}, {100 * high:+.2f}] at {100 * level:.3g} %"


def _mean(mean: float | None, kind: str) -> str:
    if mean is None:
        return _NONE
    return f"{100 * mean:.2f} %" if kind == "conversion" else f"{mean:,.5g}"


def _p(p_value: float | None, none: str = _NONE) -> str:
    if p_value is None:
        return none
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _flag(check: Document) -> str:
    return "FAILED" if check["flagged"] else "ok"


def _moment(text: str) -> str:
    return f"{text[:10]} {text[11:16]} UTC"


def _words(reason: str | None) -> str:
    return (reason or "").lower().replace("_", " ")


def _wrap(text: str, width: int, indent: int = 0) -> str:
    return textwrap.fill(
        text,
        max(width, 20),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
