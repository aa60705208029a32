"""A public A/B test of 90,189 players of a mobile game, from the log to the decision."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from experiments.analysis.service import Report, Reports
from experiments.definitions.experiment import experiment_from_document
from experiments.definitions.lifecycle import Standing, move
from experiments.definitions.metric import metric_from_document
from experiments.settings import Settings
from experiments.store import definitions
from experiments.store.definitions import Stored
from experiments.store.experiments import insert_standing

AT = 1_700_000_000_000_000
METRICS = {"retention_1": "conversion", "retention_7": "conversion", "sum_gamerounds": "sum"}


def test_cookie_cats(log: Any, shared: Path) -> None:
    # On PostgreSQL a change is a transaction: no row may be newer than the newest of those.
    with (shared / "data" / "cookie_cats.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            log.expose(row["userid"], row["version"], AT, created_seq=1, change_seq=1)
            for name, kind in METRICS.items():
                if kind == "sum":
                    log.outcome(row["userid"], name, AT, float(row[name]), change_seq=1)
                elif row[name] == "True":
                    log.outcome(row["userid"], name, AT, change_seq=1)
    log.write()
    experiment = experiment_from_document(
        {
            "key": "exp",
            "assignment": "external",
            "variants": [{"key": "gate_30", "weight": 0.5}, {"key": "gate_40", "weight": 0.5}],
            "metrics": [{"metric": name, "role": "goal"} for name in METRICS],
        }
    )
    with log.database.write() as connection:
        for name, kind in METRICS.items():
            document = {"key": name, "kind": kind, "event": name}
            metric = Stored("production", metric_from_document(document), 1, AT, AT)
            definitions.METRICS.insert(connection, metric)
        standing = Standing("production", experiment, "draft", 1, AT, AT)
        insert_standing(connection, move(standing, "start", AT))
    reports = Reports(log.database, Settings(database_url="", data_dir=Path()))
    report = reports.results("production", "exp", wait=120)
    assert isinstance(report, Report)
    document = report.document

    assert document["units"] == {"gate_30": 44_700, "gate_40": 45_489}
    srm = document["health"]["srm"]
    assert srm["p_value"] == pytest.approx(0.0086, abs=5e-5)
    assert not srm["flagged"]
    first, seventh, rounds = document["metrics"]
    assert _means(first) == pytest.approx((0.448188, 0.442283), abs=5e-7)
    assert _difference(first)["estimate"] == pytest.approx(-0.005905, abs=5e-7)
    assert _difference(first)["p_value"] == pytest.approx(0.074414, abs=5e-6)
    assert _means(seventh) == pytest.approx((0.190201, 0.182000), abs=5e-7)
    assert _difference(seventh)["estimate"] == pytest.approx(-0.008201, abs=5e-7)
    assert _difference(seventh)["interval"] == pytest.approx((-0.013282, -0.003121), abs=5e-7)
    assert _difference(seventh)["p_value"] == pytest.approx(0.0015565, abs=5e-7)
    assert _means(rounds) == pytest.approx((52.456, 51.299), abs=5e-4)
    assert _difference(rounds)["p_value"] == pytest.approx(0.37592, abs=5e-5)
    decision = document["decision"]
    assert (decision["recommendation"], decision["variant"]) == ("roll_back", "gate_40")
    assert decision["facts"]["metric"] == "retention_7"


def _means(metric: dict[str, Any]) -> tuple[float, ...]:
    return tuple(variant["mean"] for variant in metric["variants"])


def _difference(metric: dict[str, Any]) -> dict[str, Any]:
    return dict(metric["comparisons"][0]["difference"])
