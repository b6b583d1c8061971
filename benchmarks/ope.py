"""Off-policy estimates of lists against the truth, in a world and in a real log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final

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
    world = draw_requests(users=_USERS, seed=0)
    truth = {name: true_value(world, scenario=name) for name in SCENARIOS}
    draws = _QUICK if quick else _DRAWS
    rows: list[tuple[object, ...]] = []
    lines: list[dict[str, object]] = []
    for size, seeds, found in _drawn(draws, parallel=not quick):
        for at, scenario in enumerate(SCENARIOS):
            for column, name in enumerate(ESTIMATORS):
                line = _summary(found[:, at, column], truth[scenario][0])
                holds = name in HOLDS[scenario]
                lines.append(
                    {
                        "scenario": scenario, "slates": size, "draws": seeds, "estimator": name,
                        "assumption_holds": holds, **line,
                    }
                )  # fmt: skip
                rows.append((scenario, size, name, "yes" if holds else "no", *line.values()))
    bandit = bandit_rows(_bandit_folder(), quick=quick)
    for each in bandit:
        rows.append(
            (
                each["campaign"], each["rows"], each["estimator"], "–", each["relative_error"],
                "", "", "" if each["refusal"] is None else 1.0,
            )
        )  # fmt: skip
    held = [
        float(str(line["coverage"]))
        for line in lines
        if line["assumption_holds"] and line["slates"] == max(draws)
    ]
    return Result(
        columns=(
            "what a slot brings by", "slates", "estimator", "assumption holds", "bias", "RMSE",
            "coverage", "refused",
        ),
        rows=rows,
        figures={
            "world": lines,
            "truth": {name: {"new": new, "logging": old} for name, (new, old) in truth.items()},
            "open_bandit": bandit,
            "min_coverage": min(held),
            "max_coverage": max(held),
        },
        note="Plays per list of 3 slots; coverage of 95 % intervals over the draws that were "
        "answered; refused: share below 50 effective lists. The model of dm is the base "
        "recommender's chance of a play, which is wrong everywhere; switch and shrinkage trade "
        "bias for variance by it. Open Bandit (bts men, bts women): relative error of the uniform "
        "policy's click rate in the column of bias; about 50 clicks a log, so its intervals (in "
        "the JSON) are as wide as the value itself.",
    )  # fmt: skip


def _drawn(draws: dict[int, int], *, parallel: bool) -> Iterable[tuple[int, int, Array]]:
    for size, seeds in draws.items():
        blocks = [range(start, min(start + _BLOCK, seeds)) for start in range(0, seeds, _BLOCK)]
        work: Callable[[range], Array] = partial(_block, size)
        if parallel:
            context = get_context("spawn")
            with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
                found = list(pool.map(work, blocks))
        else:
            found = list(map(work, blocks))
        yield size, seeds, np.concatenate(found)


def _block(size: int, seeds: range) -> Array:
    """Estimate from some logs; shape (seeds, scenarios, estimators, 3): point, low, high."""
    from threadpoolctl import threadpool_limits

    world = draw_requests(users=_USERS, seed=0)
    with threadpool_limits(1):
        return np.stack([_one(world, size=size, seed=seed) for seed in seeds])


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
