"""`evenhand assign`: files of units against a real store, and the service's own answers."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from experiments.assignment.evaluate import compile_experiment, evaluate
from experiments.cli.assign import assign
from experiments.cli.main import main
from experiments.definitions.lifecycle import Standing
from experiments.registry import Experiments
from experiments.store.database import Database

VARIANTS = [{"key": "grey", "weight": 0.5}, {"key": "green", "weight": 0.5}]
IDS = ["u1", "007", "7", "ünï", "日本", "😀", "a,b", 'a"b', *(f"user-{n}" for n in range(300))]


@pytest.fixture
def url(new_sqlite: Callable[[], str]) -> str:
    return new_sqlite()


def started(url: str, environment: str = "production", **fields: Any) -> Standing:
    database = Database(url)
    try:
        experiments = Experiments(database, lambda: None)
        document = {"key": "button", "variants": VARIANTS, "traffic": 0.8, **fields}
        experiments.create(environment, document, "tests")
        return experiments.move(environment, "button", "start", "tests")[0]
    finally:
        database.dispose()


def call(url: str, folder: Path, source: Path, target: str, *more: str) -> Result:
    return CliRunner().invoke(
        main,
        [
            "assign", "--experiment", "button", "--input", str(source), "--unit", "id",
            "--output", str(folder / target), *more,
        ],
        env={"EVENHAND_DATABASE_URL": url, "EVENHAND_DATA_DIR": str(folder)},
    )  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=100)
    return path


def read(path: Path) -> list[tuple[str, str | None, str]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pq.read_table(path).to_pylist()
    return [(row["unit"], row["variant"] or None, row["reason"]) for row in rows]


@pytest.mark.parametrize("source", ["units.csv", "units.parquet"])
@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
def test_what_the_service_answers(url: str, tmp_path: Path, source: str, target: str):
    condition = {
        "$or": [{"country": "FR", "app.version": {"$vgte": "2.0.0"}}, {"vip": True}],
        "id": {"$ne": "user-7"},
    }
    compiled = compile_experiment(started(url, audience=condition))
    rows = [
        {
            "id": one,
            "country": ("FR", "DE", "")[n % 3],
            "app.version": f"{n % 4}.0.0",
            "vip": n % 7 == 0,
        }
        for n, one in enumerate(IDS)
    ]
    file = tmp_path / source
    texts = [{**row, "vip": str(row["vip"]).lower()} for row in rows]
    write(file, texts if file.suffix == ".csv" else rows)
    result = call(url, tmp_path, file, target)
    assert result.exit_code == 0, result.output
    assert f"{len(IDS)} units written" in result.stderr
    expected = [
        evaluate(
            compiled,
            row["id"],
            {
                "id": row["id"],
                "country": row["country"],
                "vip": row["vip"],
                "app": {"version": row["app.version"]},
            },
        )
        for row in rows
    ]
    found = read(tmp_path / target)
    assert found == [
        (one, given.variant, given.reason) for one, given in zip(IDS, expected, strict=True)
    ]
    assert {reason for _, _, reason in found} == {"SPLIT", "TARGETING_MISMATCH", "NOT_IN_TRAFFIC"}


def test_structs_and_numbers_of_parquet(url: str, tmp_path: Path):
    compiled = compile_experiment(
        started(url, audience={"app.version": {"$gt": 1}, "tags": {"$in": ["x"]}})
    )
    rows = [
        {"id": n, "app": {"version": n % 3}, "tags": ["x"] if n % 2 else None} for n in range(200)
    ]
    result = call(url, tmp_path, write(tmp_path / "units.parquet", rows), "out.csv")
    assert result.exit_code == 0, result.output
    assert read(tmp_path / "out.csv") == [
        (str(row["id"]), given.variant, given.reason)
        for row in rows
        for given in [evaluate(compiled, str(row["id"]), {**row, "id": str(row["id"])})]
    ]


def test_what_a_cell_of_csv_is(url: str, tmp_path: Path):
    cells = ["7", "7.0", "007", "true", "TRUE", "", "9" * 5_000, "1e999", "-"]
    compiled = compile_experiment(
        started(url, traffic=1.0, audience={"x": {"$in": [7, "007", True]}})
    )
    rows = [{"id": f"u{n}", "x": cell} for n, cell in enumerate(cells)]
    assert call(url, tmp_path, write(tmp_path / "units.csv", rows), "out.csv").exit_code == 0
    given = [variant is not None for _, variant, _ in read(tmp_path / "out.csv")]
    assert given == [True, True, True, True, False, False, False, False, False]
    assert evaluate(compiled, "u0", {"id": "u0", "x": 7}).in_experiment


def test_a_unit_without_an_id(url: str, tmp_path: Path):
    started(url)
    rows = [{"id": "u1", "x": 1}, {"id": "", "x": 1}]
    result = call(url, tmp_path, write(tmp_path / "units.csv", rows), "out.csv")
    assert read(tmp_path / "out.csv")[1] == ("", None, "ERROR")
    assert "1 of them have no id in column 'id'" in result.stderr


def test_an_environment_and_an_empty_file(url: str, tmp_path: Path):
    started(url, "staging")
    (tmp_path / "units.csv").write_text("id\n")
    missing = call(url, tmp_path, tmp_path / "units.csv", "out.parquet")
    assert "EXPERIMENT_NOT_FOUND" in missing.stderr
    result = call(url, tmp_path, tmp_path / "units.csv", "out.parquet", "--env", "staging")
    assert result.exit_code == 0, result.output
    assert read(tmp_path / "out.parquet") == []


@pytest.mark.parametrize(
    ("name", "content", "target", "code"),
    [
        ("units.csv", "name\nu1\n", "out.csv", "COLUMN_MISSING"),
        ("units.csv", "id\nu1\n", "out.csv", "COLUMN_MISSING"),  # the audience's
        ("units.csv", "id,country\nu1,FR,more\n", "out.csv", "FILE_UNREADABLE"),
        ("units.csv", "", "out.csv", "FILE_UNREADABLE"),
        ("units.parquet", "no parquet", "out.csv", "FILE_UNREADABLE"),
        ("units.xlsx", "x", "out.csv", "FORMAT_UNKNOWN"),
        ("units.csv", "id,country\nu1,FR\n", "out.txt", "FORMAT_UNKNOWN"),
        ("units.csv", "id,country\nu1,FR\n", "units.csv", "OUTPUT_IS_INPUT"),
        ("units.csv", "id,country\nu1,FR\n", "nowhere/out.csv", "OUTPUT_UNWRITABLE"),
    ],
)
def test_what_cannot_be_done_is_said(
    url: str, tmp_path: Path, name: str, content: str, target: str, code: str
):
    started(url, audience={"country": "FR"})
    source = tmp_path / name
    source.write_text(content)
    result = call(url, tmp_path, source, target)
    assert result.exit_code == 1
    assert f"[{code}]" in result.stderr
    assert not (tmp_path / "out.csv").exists()
    assert source.read_text() == content
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*.partial"))


def test_ids_that_are_no_ids(url: str, tmp_path: Path):
    started(url)
    source = write(tmp_path / "units.parquet", [{"id": 1.5}])
    assert "[UNIT_TYPE]" in call(url, tmp_path, source, "out.csv").stderr


def test_a_draft_assigns_nobody(url: str, tmp_path: Path):
    database = Database(url)
    document = {"key": "button", "variants": VARIANTS}
    Experiments(database, lambda: None).create("production", document, "tests")
    database.dispose()
    source = write(tmp_path / "units.csv", [{"id": "u1"}])
    assert "[EXPERIMENT_IS_DRAFT]" in call(url, tmp_path, source, "out.csv").stderr


def test_the_help_says_where_attributes_come_from():
    text = " ".join((assign.help or "").split())
    assert "are read from the columns of the same names" in text


def test_a_unit_with_an_override(url: str, tmp_path: Path):
    started(url, traffic=0.0, overrides={"green": ["u1"]})
    rows = [{"id": "u1"}, {"id": "u2"}]
    assert call(url, tmp_path, write(tmp_path / "units.csv", rows), "out.csv").exit_code == 0
    found = read(tmp_path / "out.csv")
    assert found == [("u1", "green", "OVERRIDE"), ("u2", None, "NOT_IN_TRAFFIC")]
