from __future__ import annotations

import pytest

from experiments.assignment.conditions import compile_condition
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
        ({"age": {"$gte": 18}}, {"age": [20]}, False),
        ({"on": True}, {"on": 1}, False),
        ({"on": 1}, {"on": True}, False),
        ({"tags": {"$in": ["a"]}}, {"tags": ["b", "a"]}, True),
        ({"tags": {"$nin": ["a"]}}, {"tags": ["b", "a"]}, False),
        ({"name": {"$exists": False}}, {"name": None}, True),
        ({"name": {"$regex": "^a+$"}}, {"name": "aaa"}, True),
        ({"name": {"$regex": "^a+$"}}, {"name": 7}, False),
        ({"name": {"$regex": "x"}}, {"name": "\ud800"}, False),
        ({"$or": []}, {}, True),
        ({"$nor": [{"a": 1}]}, {"a": 1}, False),
        ({"age": {"$gt": 1, "$lt": 5}}, {"age": 3}, True),
        ({"age": {"$gt": 1}}, {"age": 10**400}, False),
    ],
)
def test_what_holds(condition: dict, attributes: dict, expected: bool):
    assert compile_condition(condition)(attributes) is expected


@pytest.mark.parametrize(
    ("condition", "path"),
    [
        ([], "audience"),
        ({"$or": {}}, "audience.$or"),
        ({"$where": 1}, "audience.$where"),
        ({"age": {"$like": 1}}, "audience.age.$like"),
        ({"age": {"$in": 1}}, "audience.age.$in"),
        ({"age": {"$gt": None}}, "audience.age.$gt"),
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
