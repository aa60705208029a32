"""Files as lines: what is read, what is refused, and that nothing gets lost between the two."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.cli.importing.reading import BadLine, DataFile, Line, data_file
from experiments.definitions.errors import Invalid


def read(
    tmp_path: Path, content: bytes, columns: list[str] | None = None, name: str = "file.csv"
) -> list[Line | BadLine]:
    path = tmp_path / name
    path.write_bytes(content)
    return list(data_file(path, None, None).lines(columns))


def good(lines: list[Line | BadLine]) -> list[tuple[int, list[object]]]:
    return [(one.number, list(one.cells.values())) for one in lines if isinstance(one, Line)]


def bad(lines: list[Line | BadLine]) -> list[tuple[int, str]]:
    return [(one.number, one.code) for one in lines if isinstance(one, BadLine)]


def test_csv_with_a_byte_order_mark_quotes_and_blank_lines(tmp_path: Path) -> None:
    lines = read(
        tmp_path,
        b'\xef\xbb\xbfunit,arm\r\n1,a\r\n\r\n"2","b, or ""c"""\r\n"two\nlines",d\r\n5,e',
    )
    assert bad(lines) == []
    assert good(lines) == [
        (2, ["1", "a"]),
        (4, ["2", 'b, or "c"']),
        (5, ["two\nlines", "d"]),
        (7, ["5", "e"]),
    ]


def test_only_the_named_columns_in_their_order(tmp_path: Path) -> None:
    lines = read(tmp_path, b"a,b,c\n1,2,3\n", ["c", "a", "c"])
    assert [line.cells for line in lines if isinstance(line, Line)] == [{"c": "3", "a": "1"}]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        (b"3,x,too many", "COLUMN_COUNT"),
        (b"3", "COLUMN_COUNT"),
        (b"3,\xff\xfe", "ROW_UNREADABLE"),
        (b'3,"never closed', "ROW_UNREADABLE"),
        (b'3,"closed" early', "ROW_UNREADABLE"),
    ],
)
def test_a_broken_line_costs_itself_only(tmp_path: Path, broken: bytes, code: str) -> None:
    lines = read(tmp_path, b"unit,arm\n1,a\n2,b\n" + broken + b'\n4,"d"\n5,e\n6,"f"\n')
    assert bad(lines) == [(4, code)]
    assert [cells[0] for _, cells in good(lines)] == ["1", "2", "4", "5", "6"]


def test_an_open_quote_in_a_long_file_is_given_up(tmp_path: Path) -> None:
    rest = [b"%d,b" % n for n in range(50_000)]
    lines = read(tmp_path, b'unit,arm\n"0,a\n' + b"\n".join(rest))
    assert bad(lines) == [(2, "ROW_UNREADABLE")]
    assert len(good(lines)) == len(rest)


def test_tabs_by_suffix_and_delimiter_by_option(tmp_path: Path) -> None:
    assert good(read(tmp_path, b"a\tb\n1\t2\n", name="file.tsv")) == [(2, ["1", "2"])]
    path = tmp_path / "semicolons.txt"
    path.write_bytes(b"a;b\n1;2\n")
    assert good(list(data_file(path, "csv", ";").lines(None))) == [(2, ["1", "2"])]


@pytest.mark.parametrize(
    ("content", "columns", "code"),
    [
        (b"", ["a"], "FILE_EMPTY"),
        (b"a,b\n", ["c"], "COLUMN_MISSING"),
        (b"a,a\n1,2\n", ["a"], "COLUMN_DUPLICATE"),
        (b'"a,b\n1,2\n', ["a"], "FILE_UNREADABLE"),
    ],
)
def test_a_file_that_cannot_be_used(
    tmp_path: Path, content: bytes, columns: list[str], code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read(tmp_path, content, columns)
    assert caught.value.code == code


def test_an_unknown_suffix_and_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="--format"):
        read(tmp_path, b"a\n", name="file.xlsx")
    with pytest.raises(Invalid, match="Parquet"):
        read(tmp_path, b"a,b\n", name="file.parquet")


def test_json_lines(tmp_path: Path) -> None:
    lines = read(
        tmp_path,
        b'{"a": 1, "b": true}\n\n[1]\n{"a": NaN}\n{"a": \n{"a": "\xff"}\n{"b": null}\n',
        ["a", "b"],
        "file.jsonl",
    )
    assert good(lines) == [(1, [1, True]), (7, [None])]
    assert bad(lines) == [(n, "ROW_UNREADABLE") for n in (3, 4, 5, 6)]


def test_parquet_values_keep_their_types(tmp_path: Path) -> None:
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    table = pa.table(
        {
            "unit": pa.array(["a", "b", None]).dictionary_encode(),
            "flag": pa.array([True, False, None]),
            "amount": pa.array([Decimal("1.50"), None, Decimal("0.00")]),
            "at": pa.array([at, at, None], pa.timestamp("ns", "Europe/Berlin")),
            "unused": pa.array([1, 2, 3]),
        }
    )
    path = tmp_path / "file.parquet"
    pq.write_table(table, path, row_group_size=2)
    steps: list[int] = []
    file = DataFile(path, "parquet", ",")
    lines = list(file.lines(["unit", "flag", "amount", "at"], steps.append))
    assert good(lines) == [
        (1, ["a", True, Decimal("1.50"), at]),
        (2, ["b", False, None, at]),
        (3, [None, None, Decimal("0.00"), None]),
    ]
    assert sum(steps) == file.length() == 3


def test_the_way_made_adds_up_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("a,b\n" + "1,2\n" * 5_000)
    steps: list[int] = []
    file = data_file(path, None, None)
    assert len(list(file.lines(None, steps.append))) == 5_000
    assert sum(steps) == file.length() == path.stat().st_size


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(rows=st.lists(st.tuples(_TEXT.map(lambda text: f"u{text}"), _TEXT), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whatever_the_csv_module_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([("unit", "arm"), *rows])
    lines = read(tmp_path, text.getvalue().encode())
    assert [tuple(cells) for _, cells in good(lines)] == rows
    assert bad(lines) == []
