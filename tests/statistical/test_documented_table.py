"""The calibration table in the documentation is one that the code still prints."""

import re
from pathlib import Path

import pytest

from stats.calibration import SCENARIOS, calibrate

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
CELLS = [
    [cell.strip() for cell in row.split("|")[1:-1]]
    for row in re.findall(r"^\|.*\|$", PAGE, re.MULTILINE)
]
TABLE = {(row[0], row[1]): row for row in CELLS if len(row) == 7}
# Cheap enough to repeat in full.
QUICK = [s for s in SCENARIOS if s.batch == 20_000 and "100 looks" not in s.setting]


def test_every_scenario_is_in_the_table_and_nothing_else():
    head = {("Method", "Setting"), ("---", "---")}
    assert TABLE.keys() - head == {(s.method, s.setting) for s in SCENARIOS}


def test_every_promise_in_the_table_holds():
    assert {row[6] for row in TABLE.values()} == {"Holds", "---", "yes", "—"}


@pytest.mark.parametrize("scenario", QUICK[::3], ids=lambda s: f"{s.method}, {s.setting}")
def test_figures_are_reproduced(scenario):
    (line,) = calibrate(20_000, seed=0, scenarios=[scenario])
    shown = TABLE[scenario.method, scenario.setting]
    # A count near a rounding edge may move by one with another build of the libraries.
    assert abs(float(shown[4].split(" ")[0]) / 100 - line.rate) < 0.0003
    assert "seed 0" in PAGE
