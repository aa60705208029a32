"""YAML that means what JSON means, with the lines where it stands."""

from __future__ import annotations

import pytest

from experiments.as_code.yaml_text import read_marked, read_yaml, write_yaml
from experiments.definitions.errors import Invalid


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2026-01-01", "2026-01-01"),
        ("010", "010"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        (".5", ".5"),
        (".inf", ".inf"),
        ("=", "="),
        ("true", True),
        ("null", None),
        ("~", None),
        ("-3", -3),
        ("1.0", 1.0),
        ("1e3", 1000.0),
        ('"1"', "1"),
        ("'true'", "true"),
    ],
)
def test_words_mean_what_they_mean_in_json(text: str, value: object):
    read = read_yaml(f"a: {text}\n")["a"]
    assert (read, type(read)) == (value, type(value))


def test_what_yaml_1_1_would_misread_is_written_in_quotes():
    words = ["no", "2026-01-01", "010", "1", "true", "null", "~", "", "1e3", "=", "<<", " a", "#"]
    text = write_yaml({"words": words})
    assert read_yaml(text) == {"words": words}
    for word in ("no", "2026-01-01", "010", "=", "<<"):
        assert f'"{word}"' in text


@pytest.mark.parametrize(
    "text",
    ["a\nb\n", "a\n\n\n", "\n", "\n a", "a\rb", "a\x85", "a\u2028\nb", "\ufeffa", "a\x1b[0m", "\t"],
)
def test_texts_come_back_to_the_letter(text: str):
    assert read_yaml(write_yaml({"a": [text]})) == {"a": [text]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' stands here twice"),
        ("a: &x [1]\nb: *x\n", "line 2, column 4: write an alias (*) out"),
        ("a:\n  - [1\n", "line 3, column 1"),
        ("1: a\n", "a key is a text"),
        ("a: 1e999\n", "line 1, column 4: this number is out of range"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("a: !!timestamp 2026-01-01\n", "line 1, column 4: leave the tag"),
        ("a: !!set {b}\n", "line 1, column 4: leave the tag"),
        ("a: !!python/name:os.system x\n", "line 1, column 4: leave the tag"),
        ("!!bool maybe: 1\n", "line 1, column 1: leave the tag"),
        ("a: \x00\n", "special characters are not allowed"),
        ("[" * 5_000, "nested too deep"),
        ("a: " + "9" * 5_000, "4300"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, said: str):
    with pytest.raises(Invalid) as caught:
        read_yaml(text)
    assert caught.value.code == "YAML_INVALID"
    assert said in caught.value.detail


def test_a_field_stands_where_its_key_stands():
    text = "metrics:\n  - key: a\n    kind:\n      count\n  - {key: b,\n     x: 1}\n"
    document, lines = read_marked(text)
    assert document == {"metrics": [{"key": "a", "kind": "count"}, {"key": "b", "x": 1}]}
    assert lines == {
        "": 1, "metrics": 1, "metrics.0": 2, "metrics.0.key": 2, "metrics.0.kind": 3,
        "metrics.1": 5, "metrics.1.key": 5, "metrics.1.x": 6,
    }  # fmt: skip


def test_json_is_yaml():
    assert read_yaml('{"a": [1, 2.5, "x", null, {"b": "\\u00e9"}]}') == {
        "a": [1, 2.5, "x", None, {"b": "é"}]
    }


def test_nothing_is_nothing():
    assert read_yaml("") is None
    assert read_yaml("# a remark\n") is None
