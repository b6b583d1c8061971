"""Small evaluations with everything that makes them hard: short requests, rows without overlap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.evaluate import Evaluation, evaluate
from causal_ranker.evaluation.rows import EvaluationRows

K = 3
NAMES = ("price", "age", "empty")


def ranked(score: NDArray[np.float64], request: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank 1 .. m within each request, one request after the other."""
    ranks = np.zeros(score.size, dtype=np.int64)
    for code in np.unique(request):
        rows = np.flatnonzero(request == code)
        ranks[rows[np.argsort(-score[rows])]] = np.arange(1, rows.size + 1)
    return ranks


def make_rows(seed: int = 0, *, users: int = 12, requests: int = 36) -> EvaluationRows:
    """Requests with 1 to 9 candidates, of which some lack overlap; one request has none left."""
    rng = np.random.default_rng(seed)
    request = np.repeat(np.arange(requests), rng.integers(1, 10, requests))
    n = request.size
    user = (request % users) + 100
    unit = np.array([f"item {code}" for code in rng.integers(0, 8, n)])
    e = rng.uniform(0.05, 0.95, n)
    inside = (rng.random(n) < 0.9) & (request != 4)
    e[~inside] = 0.0
    treatment = (rng.random(n) < e).astype(float)
    uplift = rng.normal(size=n)
    gamma = 0.3 * uplift + rng.normal(size=n)
    gamma[~inside] = np.nan
    base_score = rng.normal(size=n)
    rank = {}
    for name, score in {"base": base_score, "uplift": uplift, "blend": base_score + uplift}.items():
        rank[name] = np.zeros(n, dtype=np.int64)
        rank[name][inside] = ranked(score[inside], request[inside])
    weight = np.where(rng.random(n) < 0.7, 1 / 0.7, 0.0)
    rows = EvaluationRows(
        user=user,
        unit=unit,
        request=request,
        treatment=treatment,
        outcome=(rng.random(n) < 0.3).astype(float),
        propensity=e,
        gamma=gamma,
        rank=rank,
        sample_weight=weight,
        uplift=uplift,
        base_score=base_score,
        requests=requests,
    )
    return take(rows, np.flatnonzero(needed(rows)))


def needed(rows: EvaluationRows) -> NDArray[np.bool_]:
    """Rows in the sample or in some policy's first K; the first row of each request as well."""
    keep = rows.sample_weight > 0
    for ranks in rows.rank.values():
        keep |= (ranks > 0) & (ranks <= K)
    keep[np.unique(rows.request, return_index=True)[1]] = True
    return keep


def take(rows: EvaluationRows, at: NDArray[np.int64], **changed: Any) -> EvaluationRows:
    """Return the chosen rows, in the order given."""
    vectors = {
        name: value[at]
        for name, value in vars(rows).items()
        if isinstance(value, np.ndarray)
        and name in EvaluationRows.__dataclass_fields__
        and name not in changed
    }
    rank = {name: ranks[at] for name, ranks in rows.rank.items()}
    return replace(rows, **{"rank": rank, **vectors, **changed})


def make_evaluation(seed: int = 0, *, draws: int = 20) -> Evaluation:
    rows = make_rows(seed)
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(rows.sampled.size, len(NAMES)))
    table[:, 2] = np.nan
    return evaluate(rows, k=K, covariates=(NAMES, table), draws=draws, rng=rng)
