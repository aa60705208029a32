"""The style sheet keeps contrast in both schemes and loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT_PAIRS = [
    *((ink, ground) for ink in ("text", "muted", "link") for ground in ("ground", "raised")),
    *(
        (ink, ground)
        for ink in ("text", "link", "muted")
        for ground in ("better-ground", "worse-ground", "wait-ground", "warn-ground", "code-ground")
    ),
    *(("better-text", ground) for ground in ("ground", "better-ground")),
    *(("worse-text", ground) for ground in ("ground", "worse-ground")),
    *(("warn-text", ground) for ground in ("ground", "warn-ground")),
    *(("ground", ink) for ink in ("link", "plain", "better-text", "worse-text")),
]
MARK_PAIRS = [
    *((ink, "ground") for ink in ("better", "worse", "plain", "focus")),
    *(("better", "better-ground"), ("worse", "worse-ground"), ("plain", "wait-ground")),
]


@pytest.fixture(scope="module")
def sheet() -> str:
    from api.console import pages  # noqa: PLC0415

    return (Path(pages.__file__).parent / "static" / "console.css").read_text(encoding="utf-8")


def schemes(sheet: str) -> dict[str, dict[str, str]]:
    blocks = re.findall(r":root \{([^}]*)\}", sheet)
    colours = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks[:2]]
    return {"light": colours[0], "dark": colours[1]}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_holds_4_5_and_marks_hold_3(sheet: str, scheme: str) -> None:
    colours = schemes(sheet)[scheme]
    low = {
        (ink, ground): round(contrast(colours[ink], colours[ground]), 2)
        for pairs, least in ((TEXT_PAIRS, 4.5), (MARK_PAIRS, 3.0))
        for ink, ground in pairs
        if contrast(colours[ink], colours[ground]) < least
    }
    assert not low


def test_the_verdict_colours_are_okabe_and_itos(sheet: str) -> None:
    colours = schemes(sheet)["light"]
    assert (colours["better"], colours["worse"]) == ("#0072b2", "#d55e00")


def test_every_colour_that_is_used_is_defined(sheet: str) -> None:
    defined = set(re.findall(r"--([a-z-]+):", sheet))
    assert set(re.findall(r"var\(--([a-z-]+)", sheet)) <= defined


def test_nothing_is_loaded_from_elsewhere(sheet: str) -> None:
    assert "url(" not in sheet
    assert "@import" not in sheet
