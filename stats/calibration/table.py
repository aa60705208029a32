"""The calibration table: what one simulated scenario found, and whether its promise holds."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import scipy.special as sc
from numpy.typing import NDArray

from stats.errors import refuse
from stats.records import Array

Promise: TypeAlias = Literal["equals", "at most", "at least", "shown"]
Hits: TypeAlias = NDArray[np.bool_]

# A promise is broken when the target lies outside a 99.9 % interval: with some fifty scenarios a
# correct method fails one table in twenty.
_VERDICT_Z = float(-sc.ndtri(0.0005))
_Z = float(-sc.ndtri(0.025))


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to simulate: `draw(rng, simulations)` returns hits, or p-values that hit below 0.05.

    `quantity` names the hits ("rejects", "covers"). The promise compares their rate with
    `target`; "shown" promises nothing and stands in the table for comparison. `batch`
    simulations are drawn at a time.
    """

    method: str
    setting: str
    quantity: str
    promise: Promise
    target: float
    draw: Callable[[np.random.Generator, int], Hits | Array]
    batch: int = 1000


@dataclass(frozen=True, slots=True)
class Calibration:
    """One line of the table.

    `rate` is the share of `simulations` that hit, with its 95 % Wilson interval `lower`…`upper`.
    `ks` is the Kolmogorov–Smirnov distance of the p-values from uniform and `ks_p_value` its
    p-value, None where the scenario has no p-values. `holds` is None where nothing is promised.
    """

    method: str
    setting: str
    quantity: str
    promise: Promise
    target: float
    rate: float
    lower: float
    upper: float
    ks: float | None
    ks_p_value: float | None
    holds: bool | None
    simulations: int
    seed: int


def run(scenario: Scenario, simulations: int, seed: int) -> Iterator[int | Calibration]:
    """Yield the number of simulations done after each batch, and the line last."""
    name = f"{scenario.method}, {scenario.setting}".encode()
    rng = np.random.default_rng([seed, zlib.crc32(name)])
    found: list[Hits | Array] = []
    done = 0
    while done < simulations:
        batch = min(scenario.batch, simulations - done)
        found.append(scenario.draw(rng, batch))
        done += batch
        yield done
    yield _line(scenario, found, seed)


def wilson(hits: int, n: int, z: float = _Z) -> tuple[float, float]:
    """Return the Wilson (1927) interval of a rate.

    >>> low, high = wilson(50, 1000)
    >>> round(low, 4), round(high, 4)
    (0.0381, 0.0653)
    """
    if n < 1:
        refuse("not_positive", "simulations must be 1 or more")
    rate, spread = hits / n, z * z / n
    centre = (rate + spread / 2) / (1 + spread)
    reach = z * np.sqrt(rate * (1 - rate) / n + spread / (4 * n)) / (1 + spread)
    return float(centre - reach), float(centre + reach)


def _line(scenario: Scenario, found: list[Hits | Array], seed: int) -> Calibration:
    values = np.concatenate(found, dtype=np.float64)
    n = values.size
    given_p = found[0].dtype != np.bool_
    hits = int((values < 0.05).sum() if given_p else values.sum())
    distance = _distance_from_uniform(values) if given_p else None
    lower, upper = wilson(hits, n)
    return Calibration(
        method=scenario.method,
        setting=scenario.setting,
        quantity=scenario.quantity,
        promise=scenario.promise,
        target=scenario.target,
        rate=hits / n,
        lower=lower,
        upper=upper,
        ks=distance,
        ks_p_value=None if distance is None else float(sc.kolmogorov(distance * np.sqrt(n))),
        holds=_holds(scenario, hits, n),
        simulations=n,
        seed=seed,
    )


def _holds(scenario: Scenario, hits: int, n: int) -> bool | None:
    low, high = wilson(hits, n, _VERDICT_Z)
    match scenario.promise:
        case "equals":
            return low <= scenario.target <= high
        case "at most":
            return low <= scenario.target
        case "at least":
            return high >= scenario.target
        case "shown":
            return None


def _distance_from_uniform(p: Array) -> float:
    ordered = np.sort(p)
    steps = np.arange(p.size + 1) / p.size
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
