"""Definitions as files, promoted and cloned, as a person does it on the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from click.testing import CliRunner

from experiments.cli import main
from tests.conftest import ROOT, Service

Run = Callable[..., subprocess.CompletedProcess]

FILE = """\
segments:
  - key: french
    condition: {country: FR}
layers:
  - key: page
metrics:
  - key: sale
    kind: conversion
    event: sale
    window_hours: 72
features:
  - key: headline
    type: string
    default: Hello
    rules:
      - experiment: button
experiments:
  - key: button
    feature: headline
    audience: {$savedGroup: {id: french}}
    layer: {key: page, size: 0.5}
    variants:
      - {key: grey, weight: 0.333333}
      - {key: green, weight: 0.333333}
      - {key: blue, weight: 0.333333}
    metrics:
      - {metric: sale, role: goal}
"""


@pytest.fixture
def run(service: Service) -> Run:
    """Runs the command in a process of its own on the store of the service."""

    def evenhand(*words: object, answer: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "experiments.cli", *(str(word) for word in words)],
            env=service.env,
            cwd=ROOT,
            input=answer,
            capture_output=True,
            text=True,
            check=False,
        )

    return evenhand


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "definitions.yaml"
    path.write_text(FILE, "utf-8")
    return path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def at(file: Path, text: str) -> str:
    """FILE:LINE of the line that holds this text."""
    lines = file.read_text("utf-8").splitlines()
    return f"{file}:{next(n for n, line in enumerate(lines, start=1) if text in line)}"


def keys(admin: httpx.Client, kind: str) -> list[str]:
    return [one["key"] for one in admin.get(f"/api/v1/{kind}").json()[kind]]


def test_a_file_is_shown_asked_for_and_applied(
    admin: httpx.Client, environment: str, run: Run, file: Path
):
    apply = ("apply", file, "--env", environment)
    looked = run(*apply, "--dry-run")
    assert looked.returncode == 3
    assert f"{environment}: 5 to create, 0 to change, 0 as they are." in looked.stdout
    assert "+ experiment button\n" in looked.stdout
    assert "\x1b" not in looked.stdout
    refused = run(*apply, answer="n\n")
    assert refused.returncode == 1
    assert run(*apply, answer="").returncode == 1
    assert keys(admin, "experiments") == []
    done = run(*apply, answer="y\n")
    assert (done.returncode, done.stdout.splitlines()[-1][-5:]) == (0, "Done."), done.stderr
    assert keys(admin, "experiments") == ["button"]
    again = run(*apply)
    assert again.returncode == 0
    assert again.stdout == f"{environment}: 0 to create, 0 to change, 5 as they are.\n"
    assert run(*apply, "--dry-run").returncode == 0
    history = admin.get("/api/v1/experiments/button/history").json()["revisions"]
    assert [one["verb"] for one in history] == ["create"]
    assert history[0]["actor"].startswith("cli")


def test_a_terminal_shows_colours(service: Service, environment: str, run: Run, file: Path):
    run("apply", file, "--env", environment, "--yes")
    edit(file, "key: page", "key: page\n    name: Page")
    edit(file, "window_hours: 72", "delay_hours: 1")
    words = ["apply", str(file), "--env", environment, "--dry-run"]
    done = CliRunner().invoke(main, words, env=service.env, color=True)
    lines = done.stdout.splitlines()
    assert "\x1b[1m~ layer page\x1b[0m" in lines
    assert "\x1b[32m    +name: Page\x1b[0m" in lines
    assert "\x1b[31m    -window_hours: 72\x1b[0m" in lines


def test_what_was_applied_is_assigned(admin: httpx.Client, environment: str, run: Run, file: Path):
    assert run("apply", file, "--env", environment, "--yes").returncode == 0
    assert admin.post("/api/v1/experiments/button/start").status_code == 200
    asked = {"attributes": {"country": "FR"}}
    variants = set()
    for number in range(40):
        answer = admin.post("/api/v1/assignments", json={**asked, "unit_id": f"u{number}"}).json()
        variants |= {one["variant"] for one in answer["assignments"]}
    assert variants - {None} == {"grey", "green", "blue"}


def test_mistakes_are_named_by_file_and_line_and_nothing_is_written(
    admin: httpx.Client, environment: str, run: Run, file: Path
):
    apply = ("apply", file, "--env", environment, "--yes")
    edit(file, "role: goal", "role: gaol")
    edit(file, "kind: conversion", "kindd: conversion")
    form = run(*apply)
    assert form.returncode == 1
    role = "experiment button metrics.0.role: use one of goal, guardrail, secondary [INVALID]"
    assert form.stderr.splitlines() == [
        f"{at(file, 'kindd')}: metric sale kindd: there is no such field [INVALID]",
        f"{at(file, 'key: sale')}: metric sale kind: this field is required [INVALID]",
        f"{at(file, 'gaol')}: {role}",
        "Error: nothing was changed; mend the lines above [DEFINITIONS_INVALID]",
    ]
    file.write_text(FILE.replace("metric: sale", "metric: sales"), "utf-8")
    edit(file, "{key: page, size", "{key: home, size")
    names = run(*apply)
    assert names.returncode == 1
    assert (
        f"{at(file, 'metric: sales')}: experiment button metrics.0.metric: there is no metric"
        in names.stderr
    )
    assert (
        f"{at(file, 'key: home')}: experiment button layer.key: there is no layer" in names.stderr
    )
    assert "[METRIC_UNKNOWN]" in names.stderr
    assert "nothing was changed; see the reasons above [CHANGES_REFUSED]" in names.stderr
    for kind in ("experiments", "metrics", "layers", "segments", "features"):
        assert keys(admin, kind) == []


def test_a_running_experiment_keeps_what_is_locked(
    admin: httpx.Client, environment: str, run: Run, file: Path
):
    apply = ("apply", file, "--env", environment, "--yes")
    run(*apply)
    admin.post("/api/v1/experiments/button/start")
    edit(file, "window_hours: 72", "window_hours: 72\n    name: Sales")
    edit(file, "key: green, weight", "key: red, weight")
    locked = run(*apply)
    assert locked.returncode == 1
    assert "~ experiment button (running)" in locked.stdout
    assert (
        f"{at(file, 'variants:')}: experiment button variants: keys, weights, values"
        in locked.stderr
    )
    assert "[LOCKED_AFTER_START]" in locked.stderr
    assert admin.get("/api/v1/metrics/sale").json()["name"] == "sale"
    edit(file, "key: red, weight", "key: green, name: Green, weight")
    done = run(*apply)
    assert done.returncode == 0, done.stderr
    shown = admin.get("/api/v1/experiments/button").json()
    assert (shown["status"], shown["variants"][1]["name"]) == ("running", "Green")
    assert admin.get("/api/v1/metrics/sale").json()["name"] == "Sales"


def test_what_is_exported_is_applied_unchanged(
    admin: httpx.Client, environment: str, run: Run, file: Path, tmp_path: Path
):
    run("apply", file, "--env", environment, "--yes")
    admin.post("/api/v1/experiments", json={"key": "old", "variants": [
        {"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]})  # fmt: skip
    for verb in ("start", "stop", "archive"):
        assert admin.post(f"/api/v1/experiments/old/{verb}").status_code == 200
    written = tmp_path / "all.yaml"
    done = run("export-definitions", "--env", environment, "--output", written)
    assert done.returncode == 0
    assert "old" not in written.read_text("utf-8")
    assert run("export-definitions", "--env", environment).stdout == written.read_text("utf-8")
    assert run("apply", written, "--env", environment, "--dry-run").returncode == 0
    elsewhere = f"test-{uuid4().hex[:12]}"
    assert run("apply", written, "--env", elsewhere, "--yes").returncode == 0
    assert run("export-definitions", "--env", elsewhere).stdout == written.read_text("utf-8")
    some = run("export-definitions", "--env", environment, "--only", "layers", "--only", "metrics")
    assert [line for line in some.stdout.splitlines() if line[0] != " "] == ["layers:", "metrics:"]
    assert run("export-definitions", "--output", tmp_path / "no" / "file").returncode == 1


def test_an_experiment_is_promoted_with_what_it_names(
    admin: httpx.Client, environment: str, run: Run, file: Path
):
    run("apply", file, "--env", environment, "--yes")
    admin.post("/api/v1/experiments/button/start")
    there = f"test-{uuid4().hex[:12]}"
    promote = ("promote", "button", "--from", environment, "--to", there)
    assert run(*promote, "--dry-run").returncode == 3
    done = run(*promote, "--yes")
    assert f"{there}: 5 to create, 0 to change, 0 as they are." in done.stdout
    assert "has no keys yet" in done.stderr
    assert "button  draft" in run("experiment", "list", "--env", there).stdout
    assert run(*promote).returncode == 0
    run("experiment", "start", "button", "--env", there)
    admin.patch("/api/v1/experiments/button", json={"owner": "Ann", "traffic": 1})
    assert "+owner: Ann" in run(*promote, "--yes").stdout
    run("apply", file, "--env", there, "--yes")  # the owner goes
    other = f"test-{uuid4().hex[:12]}"
    edit(file, "country: FR", "country: DE")
    run("apply", file, "--env", other, "--yes")
    locked = run("promote", "button", "--from", other, "--to", there, "--yes")
    assert locked.returncode == 1
    assert "segment french: 'french' is in the audience of button" in locked.stderr
    assert "[SEGMENT_IN_USE]" in locked.stderr
    assert run("promote", "none", "--from", other, "--to", there).returncode == 1
    assert run("promote", "button", "--from", other, "--to", other).returncode == 2


def test_a_clone_is_a_draft_with_a_seed_of_its_own(
    admin: httpx.Client, environment: str, run: Run, file: Path
):
    run("apply", file, "--env", environment, "--yes")
    admin.post("/api/v1/experiments/button/start")
    clone = "/api/v1/experiments/button/clone"
    made = admin.post(clone, json={"key": "button-2"})
    assert made.status_code == 201
    assert made.headers["Location"] == "/api/v1/experiments/button-2"
    source, copy = admin.get("/api/v1/experiments/button").json(), made.json()
    assert (copy["status"], copy["phases"], copy["revision"]) == ("draft", [], 1)
    assert copy["name"] == "button-2"
    same = ("feature", "variants", "metrics", "audience", "layer", "plan", "traffic")
    assert [copy[name] for name in same] == [source[name] for name in same]
    taken = admin.post(clone, json={"key": "button-2"})
    assert (taken.status_code, taken.json()["code"]) == (409, "KEY_TAKEN")
    unknown = admin.post("/api/v1/experiments/none/clone", json={"key": "x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "EXPERIMENT_NOT_FOUND")
    third = ("experiment", "clone", "button", "button-3", "--name", "Third", "--env", environment)
    assert run(*third).returncode == 0
    assert admin.get("/api/v1/experiments/button-3").json()["name"] == "Third"
    admin.post("/api/v1/experiments/button/stop")
    admin.post("/api/v1/experiments/button/archive")
    started = admin.post("/api/v1/experiments/button-2/start").json()
    assert started["phases"][0]["seed"] == "button-2"


def test_a_clone_waits_for_nobodys_clock(admin: httpx.Client):
    arms = [{"key": "a", "weight": 0.5}, {"key": "b", "weight": 0.5}]
    schedule = {"start_at": "2026-01-01T00:00:00Z", "ramp": [{"traffic": 0.1, "hours": 1}]}
    admin.post("/api/v1/experiments", json={"key": "timed", "variants": arms, "schedule": schedule})
    copy = admin.post("/api/v1/experiments/timed/clone", json={"key": "again", "name": "Again"})
    assert copy.json()["name"] == "Again"
    assert copy.json()["feature"] == "timed"
    assert copy.json()["schedule"]["start_at"] is None
    assert copy.json()["schedule"]["ramp"] == [{"traffic": 0.1, "hours": 1.0}]


def test_a_holdouts_clone_is_a_holdout(admin: httpx.Client):
    admin.post("/api/v1/holdouts", json={"key": "away", "size": 0.1})
    copy = admin.post("/api/v1/experiments/away/clone", json={"key": "away-2"})
    assert copy.status_code == 201
    assert admin.get("/api/v1/holdouts/away-2").json()["size"] == pytest.approx(0.1)
