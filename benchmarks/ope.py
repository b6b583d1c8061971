"""Off-policy estimates of lists against the truth, in a world and in a real log."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import Result
from benchmarks._ope_bandit import bandit_rows
from benchmarks._ope_world import (
    HOLDS,
    SCENARIOS,
    Requests,
    draw_requests,
    play_chances,
    true_value,
)
from causal_ranker.evaluation.ope.estimators import ESTIMATORS
from causal_ranker.evaluation.ope.evaluate import evaluate_weighted
from causal_ranker.evaluation.ope.model import model_values
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.weights import ListWeights
from causal_ranker.seeds import stage_rng

__all__ = ["DESCRIPTION", "run"]

DESCRIPTION: Final = (
    "off-policy values of new lists against the truth: bias, RMSE and coverage; Open Bandit"
)

Array = NDArray[np.float64]
_USERS: Final = 2_500
#: How often logs of so many slates are drawn.
_DRAWS: Final = {500: 200, 2_000: 200, 8_000: 100}
_QUICK: Final = {500: 10}
_BLOCK: Final = 10


def run(*, quick: bool) -> Result:
    """Draw logs from the streaming world and estimate a new policy's value from each.

    Users are drawn with replacement from a world of which every request's value is known, lists
    by Plackett-Luce exploration over base scores; the new policy is Plackett-Luce over effects.
    Four versions of what a slot brings show what each estimator assumes. On the Open Bandit
    Dataset the value of the uniform policy is estimated from the Bernoulli-Thompson log.

    Parameters
    ----------
    quick : bool
        Few draws of one size.

    Returns
    -------
    Result
        Figures ``world`` (a line per scenario, size and estimator: bias, RMSE, coverage of 95 %
        intervals, share refused), ``truth`` per scenario, ``open_bandit`` (empty where the data
        set is not there), and over estimators whose assumption holds ``min_coverage`` and
        ``max_coverage`` at the largest size.
    """
    world = _world(_USERS)
    truth = {name: true_value(world, scenario=name) for name in SCENARIOS}
    draws = _QUICK if quick else _DRAWS
    lines: list[dict[str, Any]] = []
    for size, found in _drawn(draws, parallel=not quick).items():
        for at, scenario in enumerate(SCENARIOS):
            for column, name in enumerate(ESTIMATORS):
                line = {
                    "scenario": scenario,
                    "slates": size,
                    "draws": len(found),
                    "estimator": name,
                    "assumption_holds": name in HOLDS[scenario],
                }
                lines.append({**line, **_summary(found[:, at, column], truth[scenario][0])})
    bandit = bandit_rows(_bandit_folder(), quick=quick)
    largest = [each for each in lines if each["assumption_holds"] and each["slates"] == max(draws)]
    held = [each["coverage"] for each in largest]
    return Result(
        columns=("slot brings by", "estimator", "holds", *(f"{size:,} slates" for size in draws)),
        rows=[*_world_cells(lines, sizes=list(draws)), *_bandit_cells(bandit, blank=len(draws))],
        figures={
            "world": lines,
            "truth": {name: {"new": new, "logging": old} for name, (new, old) in truth.items()},
            "open_bandit": bandit,
            "min_coverage": min(held),
            "max_coverage": max(held),
        },
        note="Bias, RMSE (plays per list of 3 slots) and coverage of 95 % intervals, over the "
        "draws that were not refused. Holds: whether the estimator's assumption does. "
        "The model of dm, dr, cascade_dr, switch and shrinkage is the base recommender's chance of "
        "a play: nearly right where slots do not disturb each other, wrong where they do; switch "
        "and shrinkage take on bias for less variance. Open Bandit: relative error of the uniform "
        "policy's click rate, with its 95 % interval (dm's leaves out its model's error); a log has"
        " about 50 clicks, which hardly tells the estimators apart.",
    )


def _world_cells(lines: list[dict[str, Any]], *, sizes: list[int]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for scenario in SCENARIOS:
        for name in ESTIMATORS:
            cells = {
                each["slates"]: _cell(each)
                for each in lines
                if (each["scenario"], each["estimator"]) == (scenario, name)
            }
            holds = "yes" if name in HOLDS[scenario] else "no"
            rows.append((scenario, name, holds, *(cells[size] for size in sizes)))
    return rows


def _cell(line: dict[str, Any]) -> str:
    told = f"{line['bias']:+.3f} {line['rmse']:.3f} {line['coverage']:.0%}"
    return told if not line["refused"] else f"{told} ({line['refused']:.0%} refused)"


def _bandit_cells(bandit: list[dict[str, Any]], *, blank: int) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for each in bandit:
        told = f"{each['relative_error']:+.0%} ({each['low']:+.0%} to {each['high']:+.0%})"
        if each["refusal"] is not None:
            told = "refused"
        name = f"{each['campaign']}, {each['clicks']} clicks"
        rows.append((name, each["estimator"], "", told, *[""] * (blank - 1)))
    return rows


def _drawn(draws: dict[int, int], *, parallel: bool) -> dict[int, Array]:
    """Estimate from all logs, by size; shape (draws, scenarios, estimators, 3)."""
    work = [
        (size, range(start, min(start + _BLOCK, count)), _USERS)
        for size, count in draws.items()
        for start in range(0, count, _BLOCK)
    ]
    if parallel:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            found = list(pool.map(_block, *zip(*work, strict=True)))
    else:
        found = [_block(*each) for each in work]
    return {
        size: np.concatenate(
            [part for each, part in zip(work, found, strict=True) if each[0] == size]
        )
        for size in draws
    }


@cache
def _world(users: int) -> Requests:
    return draw_requests(users=users, seed=0)


def _block(size: int, seeds: range, users: int) -> Array:
    """Estimate from some logs: points and ends of intervals."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return np.stack([_one(_world(users), size=size, seed=seed) for seed in seeds])


def _one(world: Requests, *, size: int, seed: int) -> Array:
    rng = stage_rng(seed, f"ope/{size}")
    first = np.flatnonzero(np.diff(world.user, prepend=-1))
    count = np.diff(first, append=len(world))
    drawn = rng.integers(first.size, size=round(size / count.mean()))
    user = np.repeat(np.arange(drawn.size), count[drawn])
    within = np.arange(user.size) - np.repeat(np.cumsum(count[drawn]) - count[drawn], count[drawn])
    requests = world.take(np.repeat(first[drawn], count[drawn]) + within, user=user)
    logging, target = requests.logging, requests.target
    weights = ListWeights(logging.sample(3, rng=rng), logging, target)
    model = model_values(requests.predicted, weights.items, target=target)
    uniform = rng.random(weights.items.shape)
    found = np.full((len(SCENARIOS), len(ESTIMATORS), 3), np.nan)
    for at, scenario in enumerate(SCENARIOS):
        plays = uniform < play_chances(requests, weights.items, scenario=scenario)
        answered = evaluate_weighted(
            LoggedSlates(weights.items, plays.astype(np.float64), user),
            weights,
            estimators=list(ESTIMATORS),
            model=model,
        )
        for each in answered.estimates:
            value = each.value
            found[at, list(ESTIMATORS).index(each.estimator)] = value.point, value.low, value.high
    return found


def _summary(found: Array, truth: float) -> dict[str, float]:
    answered = found[~np.isnan(found[:, 0])]
    refused = 1 - len(answered) / len(found)
    if not len(answered):
        return {"bias": np.nan, "rmse": np.nan, "coverage": np.nan, "refused": refused}
    point, low, high = answered.T
    return {
        "bias": float(point.mean() - truth),
        "rmse": float(np.sqrt(np.square(point - truth).mean())),
        "coverage": float(np.mean((low <= truth) & (truth <= high))),
        "refused": refused,
    }


def _bandit_folder() -> Path:
    default = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("CAUSAL_RANKER_DATA", default)) / "open_bandit"
