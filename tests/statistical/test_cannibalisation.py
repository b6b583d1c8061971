"""What is left of uplift in the user's total, against worlds where that is known.

Without cannibalisation both levels say the same; with half of it the item level says too much, and
the total is right, in both directions. The judge's model of totals is the world's own here (any
function of X may serve); that a learned one does is tested with the chain.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.compare import compare_policies
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.evaluation.totals import compare_totals
from causal_ranker.stats.aipw import aipw_scores
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns, WorldLogs
from causal_ranker.worlds.slates import rank_by
from causal_ranker.worlds.streaming import StreamingWorld

pytestmark = pytest.mark.slow

WORLDS, K, CANDIDATES = 30, 5, 24
BAND = 3.5  # standard errors
DISPLACED = 0.09  # of a figure: what the mean of displaced items leaves in it
KEY = [C.USER, C.T0]

Array = NDArray[np.float64]


def world(seed: int, share: float) -> WorldLogs:
    config = WorldConfig(
        users=320,
        items=80,
        days=5,
        candidates=CANDIDATES,
        slate_size=6,
        organic_rate=0.02,
        discovery_rate=0.4,
        background_plays=0.1,
        temperature=3.0,
        cannibalisation=share,
        seed=seed,
    )
    return StreamingWorld(config).simulate()


def totals(logs: WorldLogs) -> Array:
    """Titles that the user plays in the horizon, by request, in the order of the requests."""
    asked = logs.candidates.iloc[::CANDIDATES][[*KEY, C.HORIZON_END]].reset_index(names="request")
    plays = asked.merge(logs.plays, on=C.USER)
    inside = plays[C.PLAYED_AT].between(plays[C.T0], plays[C.HORIZON_END], inclusive="left")
    counts = plays[inside].groupby("request")[C.ITEM].nunique()
    found: Array = counts.reindex(asked["request"], fill_value=0).to_numpy().astype(np.float64)
    return found


def rows_of(logs: WorldLogs, seed: int) -> tuple[EvaluationRows, pd.DataFrame]:
    """Requests whose horizon has ended; lists by organic plays, and by effect with noise."""
    ended = (logs.candidates[C.HORIZON_END] <= logs.log_end).to_numpy()
    total = totals(logs)[ended[::CANDIDATES]]
    row, truth = logs.candidates[ended], logs.truth[ended]
    requests, n = total.size, len(row)
    e, t = row[C.PROPENSITY].to_numpy(), row[C.SHOWN].to_numpy(dtype=np.float64)
    tau, whole, y0 = (
        truth[name].to_numpy()
        for name in (TruthColumns.TAU, TruthColumns.TOTAL_TAU, TruthColumns.Y0_PROBABILITY)
    )
    y = np.where(t == 1, truth[TruthColumns.Y1], truth[TruthColumns.Y0]).astype(np.float64)
    # every play that would be there without slates, titles instead of candidates included
    instead = truth[TruthColumns.ATTENTION] * truth[TruthColumns.EFFECT_IF_EXAMINED].clip(lower=0)
    alone = y0 + np.where(tau > 0, 1 - whole / np.maximum(tau, 1e-300), 0.0) * instead
    expected = (alone + e * whole).to_numpy().reshape(requests, -1).sum(axis=1).repeat(CANDIDATES)
    request = np.arange(requests).repeat(CANDIDATES)
    seen = tau + 0.05 * np.random.default_rng(seed).normal(size=n)
    rows = EvaluationRows(
        user=row[C.USER].to_numpy(),
        unit=request,
        request=request,
        treatment=t,
        outcome=y,
        propensity=np.clip(e, 1e-6, 1 - 1e-6),
        gamma=aipw_scores(y, t, propensity=e, mu0=y0, mu1=y0 + tau),
        rank={
            name: rank_by(score.reshape(requests, -1)).ravel()
            for name, score in (("base", y0), ("uplift", seen))
        },
        sample_weight=np.ones(n),
        uplift=seen,
        base_score=y0,
        requests=requests,
        total_gamma=aipw_scores(
            total.repeat(CANDIDATES), t, propensity=e, mu0=expected, mu1=expected
        ),
    )
    return rows, truth


def true_difference(rows: EvaluationRows, effect: Array) -> float:
    first = {name: effect[rank <= K].sum() for name, rank in rows.rank.items()}
    return float(first["uplift"] - first["base"]) / K / rows.requests


def true_left(
    rows: EvaluationRows, towards: Array, tau: Array, whole: Array, among: Array | None = None
) -> float:
    room = rows.propensity * (1 - rows.propensity)
    room = (room if among is None else room * among).reshape(-1, CANDIDATES)
    w = towards.reshape(-1, CANDIDATES)
    weight = np.maximum(room.sum(axis=1, keepdims=True), 1e-300)
    pull = (room * (w - (room * w).sum(axis=1, keepdims=True) / weight)).ravel()
    return float((pull * whole).sum() / (pull * tau).sum())


@cache
def found(share: float) -> dict[str, Array]:
    """Estimates and truths over worlds, and whether intervals held the truth."""
    columns: dict[str, list[float]] = {}
    for seed in range(WORLDS):
        rows, truth = rows_of(world(seed, share), seed)
        tau, whole = (truth[n].to_numpy() for n in (TruthColumns.TAU, TruthColumns.TOTAL_TAU))
        result = compare_totals(rows, compare_policies(rows, k=K))
        (uplift,) = result.policies
        assert result.left is not None
        assert uplift.left is not None
        ours, base = ((rows.rank[name] <= K).astype(np.float64) for name in ("uplift", "base"))
        truths = {
            "item": true_difference(rows, tau),
            "total": true_difference(rows, whole),
            "left": true_left(rows, rows.uplift, tau, whole),
            "left of lists": true_left(rows, ours, tau, whole, abs(ours - base)),
        }
        estimates = {
            "item": uplift.item_difference,
            "total": uplift.total_difference,
            "left": result.left,
            "left of lists": uplift.left,
        }
        for name, interval in estimates.items():
            columns.setdefault(name, []).append(interval.point)
            columns.setdefault(f"true {name}", []).append(truths[name])
            held = interval.low <= truths[name] <= interval.high
            columns.setdefault(f"{name} held", []).append(held)
    return {name: np.array(values) for name, values in columns.items()}


def mean_error(estimate: Array, truth: Array) -> tuple[float, float]:
    error = estimate - truth
    return float(error.mean()), float(error.std(ddof=1) / np.sqrt(error.size))


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("name", ["item", "total", "left", "left of lists"])
def test_each_figure_lies_around_its_truth(share: float, name: str) -> None:
    columns = found(share)
    truth = columns[f"true {name}"]
    error, spread = mean_error(columns[name], truth)
    slack = 0.0 if name == "item" else DISPLACED * truth.mean()
    assert abs(error) < BAND * spread + slack, (error, spread, truth.mean())
    assert spread < 0.2 * truth.mean()  # sharp enough to tell one from half
    assert columns[f"{name} held"].mean() > 0.8  # 95 % less 3.5 binomial standard errors


def test_without_cannibalisation_both_levels_say_the_same() -> None:
    columns = found(0.0)
    np.testing.assert_array_equal(columns["true item"], columns["true total"])
    np.testing.assert_allclose(columns["true left"], 1.0)


def test_with_half_of_it_the_item_level_says_too_much() -> None:
    columns = found(0.5)
    assert columns["true total"].mean() < 0.65 * columns["true item"].mean()
    error, spread = mean_error(columns["item"], columns["true total"])
    assert error > BAND * spread + DISPLACED * columns["true total"].mean()
    error, spread = mean_error(columns["left"], np.ones(WORLDS))
    assert error < -BAND * spread - DISPLACED
