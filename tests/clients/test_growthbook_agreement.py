"""Ten thousand units in an environment with everything: all that answers agrees on every one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from growthbook import GrowthBook

from tests.clients.growthbook_bazaar import EXPERIMENTS, FEATURES, Bazaar, open_bazaar, unit
from tests.clients.growthbook_shop import SCRIPTS, run_node
from tests.conftest import Service

UNITS = [unit(number) for number in range(10_000)]
FILLED = {one["key"]: one.get("feature", one["key"]) for one in EXPERIMENTS} | {
    one["key"]: f"$holdout:{one['key']}" for one in EXPERIMENTS if "holdout" in one
}
UNIT_TYPE = {one["key"]: one.get("unit_type", "id") for one in EXPERIMENTS}
DEFINED = {one["key"] for one in FEATURES}
Given = tuple[Any, str, str | None]  # a value, the id of the rule, the variation


@pytest.fixture(scope="module")
def bazaar(service: Service) -> Bazaar:
    environment = "bazaar"
    return open_bazaar(service, service.client("admin", environment), environment)


@pytest.fixture(scope="module")
def by_python(bazaar: Bazaar) -> dict[str, list[Given]]:
    """What the Python SDK makes of our payload, by feature."""
    payload = bazaar.payload()
    sdk = GrowthBook(features=payload["features"], savedGroups=payload.get("savedGroups", {}))
    found: dict[str, list[Given]] = {key: [] for key in payload["features"]}
    for attributes in UNITS:
        sdk.set_attributes({**attributes})  # the SDK empties it in the end
        for key, answers in found.items():
            result = sdk.eval_feature(key)
            run = result.experimentResult
            variation = run.key if run and run.inExperiment else None
            answers.append((result.value, result.ruleId or "", variation))
    sdk.destroy()
    return found


async def asked(bazaar: Bazaar, requests: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    waiting = iter(enumerate(requests))
    found: dict[int, Any] = {}

    async def ask(client: httpx.AsyncClient) -> None:
        for number, (path, body) in waiting:
            answer = await client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            found[number] = answer.json()

    headers = bazaar.admin.headers
    async with httpx.AsyncClient(base_url=bazaar.url, headers=headers, timeout=60) as client:
        await asyncio.gather(*(ask(client) for _ in range(8)))
    return [found[number] for number in range(len(requests))]


def variant_of(bazaar: Bazaar, experiment: str, given: Given) -> str | None:
    """The variant of an experiment that lies behind what an SDK gives; None where it is not in."""
    _value, rule, variation = given
    if rule != f"experiment:{experiment}":
        return None
    return variation or bazaar.winners.get(experiment)


def test_all_of_it_happens(bazaar: Bazaar, by_python: dict[str, list[Given]]):
    """So that the agreement is about every rule, and every variant of what runs."""
    rules = {(key, rule) for key, found in by_python.items() for _, rule, _ in found}
    assert {rule for _, rule in rules} >= {
        "old-apps", "europeans", "a-third", "some-devices", "robots", "prerequisite:banner",
    }  # fmt: skip
    for one in EXPERIMENTS:
        key = one["key"]
        found = {variant_of(bazaar, key, given) for given in by_python[FILLED[key]]}
        expected = {arm["key"] for arm in one["variants"]}
        if key in {"over", "halted", "halted-too"}:
            expected = {None}
        elif key == "kept-back":
            expected = {"low", "mid"}
        elif key in bazaar.winners:
            expected = {bazaar.winners[key]}
        assert found - {None} == expected - {None}, key


def test_the_javascript_sdk_agrees(
    bazaar: Bazaar, by_python: dict[str, list[Given]], node: Path, npm_install: Any
):
    request = {
        "host": bazaar.url,
        "clientKey": bazaar.key,
        "features": list(by_python),
        "units": UNITS,
    }
    found = run_node(node, npm_install(SCRIPTS) / "assign.mjs", request)
    for key, expected in by_python.items():
        assert [tuple(one) for one in found[key]] == expected, key


def test_our_assignments_agree(bazaar: Bazaar, by_python: dict[str, list[Given]]):
    requests = []
    for attributes in UNITS:
        for unit_type in ("id", "device") if "device" in attributes else ("id",):
            body = {
                "unit_id": attributes[unit_type],
                "unit_type": unit_type,
                "attributes": attributes,
            }
            requests.append(("/api/v1/assignments", body))
    answers = iter(asyncio.run(asked(bazaar, requests)))
    for number, attributes in enumerate(UNITS):
        given = next(answers)["assignments"]
        if "device" in attributes:
            given += next(answers)["assignments"]
        names = [key for key, kind in UNIT_TYPE.items() if kind in attributes]
        assert sorted(one["experiment"] for one in given) == sorted(names)
        for one in given:
            expected = by_python[FILLED[one["experiment"]]][number]
            variant = variant_of(bazaar, one["experiment"], expected)
            assert (one["variant"], one["value"]) == (variant, expected[0]), (one, attributes)
            assert one["in_experiment"] == (variant is not None and expected[2] is not None), one


def test_openfeature_agrees(bazaar: Bazaar, by_python: dict[str, list[Given]]):
    requests = [
        ("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": one["id"], **one}})
        for one in UNITS
    ]
    fillers = {f"experiment:{one['key']}": one["key"] for one in EXPERIMENTS}
    alone = {feature: key for key, feature in FILLED.items() if feature not in DEFINED}

    def variant(feature: str, given: Given) -> str:
        experiment = fillers.get(given[1]) or alone.get(feature)
        if feature == "note" and given[0] is None:  # the SDKs name no rule where a gate is shut
            return "prerequisite:banner"
        if experiment is None:
            return given[1] or "default"
        return variant_of(bazaar, experiment, given) or bazaar.controls[experiment]

    asked_for = [key for key in by_python if not key.startswith("$")]
    for number, answer in enumerate(asyncio.run(asked(bazaar, requests))):
        found = {one["key"]: (one.get("value"), one["variant"]) for one in answer["flags"]}
        expected = {
            key: (by_python[key][number][0], variant(key, by_python[key][number]))
            for key in asked_for
        }
        assert found == expected, UNITS[number]


def test_the_bulk_command_agrees(
    service: Service, bazaar: Bazaar, by_python: dict[str, list[Given]], tmp_path: Path
):
    source, target = tmp_path / "units.parquet", tmp_path / "assigned.parquet"
    columns = ("id", "device", "country", "app", "geo", "plan", "bot")
    pq.write_table(pa.table({name: [one.get(name) for one in UNITS] for name in columns}), source)
    for key, feature in FILLED.items():
        service.evenhand(
            "assign", "--experiment", key, "--env", bazaar.environment, "--unit", UNIT_TYPE[key],
            "--input", str(source), "--output", str(target),
        )  # fmt: skip
        found = pq.read_table(target).column("variant").to_pylist()
        expected = [
            variant_of(bazaar, key, given) if UNIT_TYPE[key] in attributes else None
            for given, attributes in zip(by_python[feature], UNITS, strict=True)
        ]
        assert found == expected, key
