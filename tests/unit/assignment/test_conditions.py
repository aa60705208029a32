from __future__ import annotations

import pytest

from experiments.assignment.conditions import (
    MAX_TESTS,
    attributes_of,
    compile_condition,
    read_condition,
)
from experiments.definitions.errors import Invalid


@pytest.mark.parametrize(
    ("condition", "attributes", "expected"),
    [
        ({}, {}, True),
        ({"a.b": {"$gt": 3}}, {"a": {"b": 4}}, True),
        ({"a.b": {"$gt": 3}}, {"a": 4}, False),
        ({"age": {"$lt": 18}}, {}, True),  # JavaScript compares a missing value as 0
        ({"age": {"$gte": 18}}, {"age": "20"}, True),
        ({"age": {"$gte": 18}}, {"age": "1_000"}, False),
        ({"age": {"$gte": 18}}, {"age": "inf"}, False),
        # JavaScript writes a list out and reads that as a number.
        ({"age": {"$gte": 18}}, {"age": [20]}, True),
        ({"age": {"$gte": 18}}, {"age": [20, 21]}, False),
        ({"on": True}, {"on": 1}, True),
        ({"on": 1}, {"on": True}, True),
        ({"on": {"$eq": True}}, {"on": 1}, False),
        ({"on": {"$in": [1]}}, {"on": True}, False),
        ({"id": "7"}, {"id": 7}, True),
        ({"id": {"$eq": "7"}}, {"id": 7}, False),
        ({"id": {"$in": [9007199254740993]}}, {"id": 9007199254740992}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2, "b": 1}}, False),
        ({"a": [1.0]}, {"a": [1]}, True),
        ({"a": [1]}, {"a": [True]}, False),
        ({"tags.1": "b"}, {"tags": ["a", "b"]}, True),
        ({"tags.length": {"$gt": 1}}, {"tags": ["a", "b"]}, True),
        # Code units, not code points: a surrogate sorts before U+FFEE.
        ({"name": {"$lt": "\uffee"}}, {"name": "😀"}, True),
        ({"tags": {"$in": ["a"]}}, {"tags": ["b", "a"]}, True),
        ({"tags": {"$nin": ["a"]}}, {"tags": ["b", "a"]}, False),
        ({"name": {"$exists": False}}, {"name": None}, True),
        ({"name": {"$regex": "^a+$"}}, {"name": "aaa"}, True),
        ({"name": {"$regex": "^a+$"}}, {"name": 7}, False),
        ({"name": {"$regex": "x"}}, {"name": "\ud800"}, False),
        ({"name": {"$regexi": "^ANNA$"}}, {"name": "anna"}, True),
        ({"name": {"$notRegex": "^a"}}, {"name": "anna"}, False),
        ({"name": {"$notRegex": "^A"}}, {"name": "anna"}, True),
        ({"name": {"$notRegexi": "^A"}}, {"name": "anna"}, False),
        ({"name": {"$notRegex": "^a"}}, {}, True),
        ({"tags": {"$elemMatch": {"a": {"$gt": 1}}}}, {"tags": [{"a": 1}, {"a": 2}]}, True),
        ({"tags": {"$elemMatch": {"$gt": 1}}}, {"tags": [0, 1]}, False),
        ({"tags": {"$elemMatch": {"length": 2}}}, {"tags": [[1], [1, 2]]}, True),
        ({"tags": {"$all": [{"$gt": 5}, "a"]}}, {"tags": ["a", 7]}, True),
        ({"version": {"$veq": None}}, {"version": True}, True),
        ({"$or": []}, {}, True),
        ({"$nor": [{"a": 1}]}, {"a": 1}, False),
        ({"age": {"$gt": 1, "$lt": 5}}, {"age": 3}, True),
        ({"age": {"$gt": 1}}, {"age": 10**400}, True),
    ],
)
def test_what_holds(condition: dict, attributes: dict, expected: bool):
    assert read_condition(condition)(attributes) is expected


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ([], "audience"),
        ({"$or": {}}, "audience.$or"),
        ({"$where": 1}, "audience.$where"),
        ({"age": {"$like": 1}}, "audience.age.$like"),
        ({"age": {"$in": 1}}, "audience.age.$in"),
        ({"age": {"$gt": None}}, "audience.age.$gt"),
        ({"age": {"$eq": [1]}}, "audience.age.$eq"),
        ({"age": {"$gt": 1, "b": 2}}, "audience.age"),
        ({"age": {"$type": "integer"}}, "audience.age.$type"),
        ({"age": {"$not": {"$ini": 1}}}, "audience.age.$not.$ini"),
        ({"tags": {"$all": ["a", {"$gt": []}]}}, "audience.tags.$all.1.$gt"),
        ({"tags": {"$elemMatch": 1}}, "audience.tags.$elemMatch"),
        ({"version": {"$vgt": []}}, "audience.version.$vgt"),
        ({"name": {"$regexi": 1}}, "audience.name.$regexi"),
        ({"id": {"$inGroup": "nobody"}}, "audience.id.$inGroup"),
        ({"$savedGroup": {"id": "nobody"}}, "audience.$savedGroup"),
        ({"$savedGroup": "nobody"}, "audience.$savedGroup"),
        ({"name": {"$regex": "("}}, "audience.name.$regex"),
        ({"name": {"$regex": "(?=look)"}}, "audience.name.$regex"),
        ({"$and": [{}, {"a": {"$x": 1}}]}, "audience.$and.1.a.$x"),
    ],
)
def test_a_mistake_is_named_with_its_place(condition: object, path: str):
    with pytest.raises(Invalid) as error:
        compile_condition(condition)
    assert path in {problem.path for problem in error.value.problems}


def test_depth_is_bounded():
    condition: dict = {"a": 1}
    for _ in range(500):
        condition = {"$not": condition}
    with pytest.raises(Invalid):
        compile_condition(condition)


def test_a_hostile_expression_cannot_hang():
    predicate = compile_condition({"name": {"$regex": "(a+)+$"}})
    assert predicate({"name": "a" * 50_000 + "b"}) is False


GROUPS = {
    "plain": [1, "2"],
    "staff": {"type": "list", "attributeKey": "email", "values": ["a@x.org", "b@x.org"]},
    "french": {"type": "condition", "condition": {"country": "FR"}},
    "abroad": {"type": "condition", "condition": {"$not": {"$savedGroup": {"id": "french"}}}},
    "own": {"type": "condition", "condition": {"$savedGroup": {"id": "own"}}},
    "broken": {"type": "new"},
}


@pytest.mark.parametrize(
    ("condition", "attributes", "expected"),
    [
        ({"id": {"$inGroup": "plain"}}, {"id": 2}, False),
        ({"id": {"$inGroup": "staff"}}, {"id": "a@x.org"}, True),
        ({"id": {"$notInGroup": "broken"}}, {"id": 2}, False),
        ({"id": {"$notInGroup": "nobody"}}, {"id": 2}, True),
        ({"$savedGroup": {"id": "staff"}}, {"email": "b@x.org"}, True),
        ({"$savedGroup": {"id": "staff", "attributeKey": "work"}}, {"work": "b@x.org"}, True),
        ({"$savedGroup": {"id": "staff", "attributeKey": 1}}, {"email": "b@x.org"}, False),
        ({"$savedGroup": {"id": "french"}}, {"country": "FR"}, True),
        ({"$savedGroup": {"id": "abroad"}}, {"country": "FR"}, False),
        ({"$savedGroup": {"id": "plain"}}, {"id": 1}, False),
        ({"$not": {"$savedGroup": {"id": "own"}}}, {}, True),
    ],
)
def test_saved_groups(condition: dict, attributes: dict, expected: bool):
    assert read_condition(condition, GROUPS)(attributes) is expected


@pytest.mark.parametrize("group", ["own", "broken", "plain"])
def test_a_definition_names_a_saved_group_that_can_hold(group: str):
    with pytest.raises(Invalid):
        compile_condition({"$savedGroup": {"id": group}}, "audience", GROUPS)


def test_groups_that_name_each_other_twice_do_not_grow_without_end():
    twice = {
        f"g{n}": {
            "type": "condition",
            "condition": {"$and": [{"$savedGroup": {"id": f"g{n + 1}"}}] * 2},
        }
        for n in range(200)
    }
    assert read_condition({"$savedGroup": {"id": "g0"}}, twice)({}) is False
    wide = {"$or": [{"a": n} for n in range(MAX_TESTS)]}
    with pytest.raises(Invalid, match=str(MAX_TESTS)):
        compile_condition(wide)


def test_which_attributes_a_condition_looks_at():
    condition = {
        "$or": [{"app.version": {"$vgt": "1"}}, {"$savedGroup": {"id": "abroad"}}],
        "tags": {"$elemMatch": {"inner": 1}},
    }
    assert attributes_of(condition, GROUPS) == ("app.version", "country", "tags")
