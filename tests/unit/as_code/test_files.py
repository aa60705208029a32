"""Files of definitions: what is wrong is named with file, line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.as_code.compact import compact
from experiments.as_code.diff import diff
from experiments.as_code.files import read_files, write_file
from experiments.registry import Outcome, Wanted

BUTTON = """\
metrics:
  - key: sale
    kind: conversion
    event: sale
experiments:
  - key: button
    variants:
      - {key: grey, weight: 0.5}
      - {key: green, weight: 0.5}
"""


def said(folder: Path, text: str) -> list[str]:
    file = folder / "a.yaml"
    file.write_text(text, "utf-8")
    return [str(one).removeprefix(f"{folder}/") for one in read_files([file]).mistakes]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("event: sale", "event: sale\n    evnt: x", 5, "metric sale evnt: there is no such field"),
        ("    event: sale\n", "", 2, "metric sale event: this field is required"),
        ("kind: conversion", "kind: click", 3, "metric sale kind: use one of conversion, count"),
        ("event: sale", "event: 1", 4, "metric sale event: write a text; in quotes"),
        ("0.5}\n      -", "0.6}\n      -", 7, "experiment button variants: the weights sum to 1.1"),
        ("green, weight: 0.5", "green, weight: 2", 9, "experiment button variants.1.weight: write"),
        ("key: button", "key: a b", 6, "experiment a b key: 'a b' is not a key"),
        ("key: button", "name: button", 6, "experiment key: this field is required"),
        ("experiments:", "experimets:", 5, "experimets: there is no such list"),
        ("metrics:\n  - key: sale", "metrics:\n    key: sale", 1, "metrics: write a list"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    tmp_path: Path, old: str, new: str, line: int, message: str
):
    assert old in BUTTON
    found = said(tmp_path, BUTTON.replace(old, new, 1))
    assert len(found) == 1
    assert found[0].startswith(f"a.yaml:{line}: {message}")
    assert found[0].endswith("]")


def test_all_mistakes_of_all_files_are_named(tmp_path: Path):
    first, second, third = (tmp_path / f"{name}.yaml" for name in "abc")
    first.write_text("metrics:\n  - {key: m, kind: x, event: e}\n  - {key: n, kind: y, event: e}\n")
    second.write_text("a: 1\na: 2\n")
    third.write_bytes(b"\xff")
    found = read_files([first, second, third, tmp_path / "none.yaml", tmp_path])
    places = [(Path(one.where.partition(":")[0]).name, one.problem.code) for one in found.mistakes]
    assert places == [
        ("a.yaml", "INVALID"), ("a.yaml", "INVALID"), ("b.yaml", "YAML_INVALID"),
        ("c.yaml", "FILE_UNREADABLE"), ("none.yaml", "FILE_UNREADABLE"),
        (tmp_path.name, "FILE_UNREADABLE"),
    ]  # fmt: skip


def test_a_definition_stands_in_one_place(tmp_path: Path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    for file in (first, second):
        file.write_text(BUTTON, "utf-8")
    found = read_files([first, second])
    assert [one.key for one in found.wanted] == ["sale", "button"]
    again = "it stands at {}:{} too; keep one of them [DEFINED_TWICE]"
    assert [str(one) for one in found.mistakes] == [
        f"{second}:2: metric sale key: {again.format(first, 2)}",
        f"{second}:6: experiment button key: {again.format(first, 6)}",
    ]


@pytest.mark.parametrize("text", ["", "[]", "metrics", "null"])
def test_a_file_without_lists_is_no_file_of_definitions(tmp_path: Path, text: str):
    assert "lists of definitions" in said(tmp_path, text)[0]


def test_the_example_of_the_guide_is_a_file_of_definitions(tmp_path: Path):
    guide = (Path(__file__).parents[3] / "docs" / "as-code.md").read_text("utf-8")
    example = guide.partition("```yaml\n")[2].partition("```")[0]
    assert said(tmp_path, example) == []
    role = example.replace("role: goal", "role: gaol")
    assert [f"checkout.yaml:{one.partition(':')[2]}" for one in said(tmp_path, role)] == [
        line for line in guide.splitlines() if line.startswith("checkout.yaml:")
    ]


def test_an_environment_without_definitions_is_a_file_without_any(tmp_path: Path):
    assert said(tmp_path, write_file([])) == []


def test_what_is_as_by_default_is_left_out():
    arms = [
        {"key": "a", "name": "a", "weight": 0.5, "value": "a", "control": True},
        {"key": "b", "name": "B", "weight": 0.5, "value": None, "control": False},
    ]
    plan = {"basis": "sequential", "alpha": 0.01, "planned_units": None}
    document = {"owner": "", "variants": arms, "key": "t", "feature": "t", "plan": plan}
    assert compact("experiment", document) == {
        "key": "t",
        "variants": [
            {"key": "a", "weight": 0.5},
            {"key": "b", "name": "B", "weight": 0.5, "value": None},
        ],
        "plan": {"alpha": 0.01},
    }


def test_rules_keep_their_names_wherever_they_are_moved():
    rules = [{"value": 1, "coverage": 0.1}, {"experiment": "t"}]
    document = {"key": "f", "type": "number", "default": 0, "rules": rules}
    assert compact("feature", document)["rules"] == [
        {"id": "rule-1", "value": 1, "coverage": 0.1},
        {"id": "rule-2", "experiment": "t"},
    ]


def test_a_control_that_is_not_the_first_is_named():
    arms = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5, "control": True}]
    assert compact("experiment", {"key": "t", "variants": arms})["variants"] == arms


def test_a_diff_shows_what_goes_and_comes():
    before = {"key": "m", "kind": "count", "event": "e", "window_hours": 24}
    after = {"key": "m", "kind": "count", "event": "e", "name": "no"}
    wanted = Wanted("metric", after)
    assert list(diff(Outcome(wanted, before, after, "", 1))) == [
        "@@ -1,4 +1,4 @@", " key: m", '+name: "no"', " kind: count", " event: e",
        "-window_hours: 24",
    ]  # fmt: skip
    assert list(diff(Outcome(wanted, None, after, "", 0)))[1:] == [
        "+key: m", '+name: "no"', "+kind: count", "+event: e",
    ]  # fmt: skip
