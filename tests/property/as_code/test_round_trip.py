"""What is exported is applied back unchanged, whatever is defined."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from experiments.as_code.exporting import exported
from experiments.as_code.files import read_files, write_file
from experiments.as_code.kinds import BY_SUBJECT
from experiments.as_code.yaml_text import read_yaml, write_yaml
from experiments.definitions.errors import Invalid
from experiments.registry import Changeset, Outcome, Wanted
from experiments.store.database import Database
from tests.property.as_code.strategies import environments, json_values

WITH_FIXTURES = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # a whole environment takes minutes to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@given(json_values)
def test_any_json_comes_back_from_yaml(value: object):
    again = read_yaml(write_yaml({"value": value}))["value"]
    assert repr(again) == repr(value)


@given(
    st.text(
        st.one_of(st.characters(), st.sampled_from("\n :-?,[]{}#&*!|>'\"%@~=<.0e")), max_size=30
    )
)
def test_any_text_is_read_or_refused(text: str):
    try:
        value = read_yaml(text)
    except Invalid as error:
        assert error.code == "YAML_INVALID"
    else:
        json.dumps(value, allow_nan=False)


def as_they_are(wanted: list[Wanted]) -> list[tuple[str, dict]]:
    return sorted(
        ((one.subject, BY_SUBJECT[one.subject].normal(one.document)) for one in wanted),
        key=lambda one: (one[0], one[1]["key"]),
    )


def by_key(outcomes: list[Outcome]) -> dict[tuple[str, str], Outcome]:
    return {(one.wanted.subject, one.wanted.key): one for one in outcomes}


@given(environments())
@WITH_FIXTURES
def test_a_file_says_what_was_defined(tmp_path: Path, wanted: list[Wanted]):
    file = tmp_path / "all.yaml"
    file.write_text(write_file(wanted), "utf-8")
    found = read_files([file])
    assert not found.mistakes
    assert as_they_are(list(found.wanted)) == as_they_are(wanted)


@given(environments())
@WITH_FIXTURES
@pytest.mark.parametrize("database", ["sqlite_database", "postgres_database"])
def test_an_environment_moves_by_its_file(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, wanted: list[Wanted]
):
    store: Database = request.getfixturevalue(database)
    changeset = Changeset(store, lambda: None)
    first, second = f"a-{uuid4().hex}", f"b-{uuid4().hex}"
    changeset.write(first, changeset.plan(first, wanted), "ann")
    file = tmp_path / "all.yaml"
    file.write_text(write_file(exported(changeset.present(first))), "utf-8")
    read = read_files([file])
    assert not read.mistakes
    assert not any(one.changes for one in changeset.plan(first, read.wanted))
    outcomes = changeset.plan(second, read.wanted)
    assert [one.refusal for one in outcomes] == [None] * len(wanted)
    changeset.write(second, outcomes, "bob")
    assert by_key(changeset.present(second)) == by_key(changeset.present(first))
