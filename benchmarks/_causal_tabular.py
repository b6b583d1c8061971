"""Tabular learners on pairs: what one log told is known, what the next one tells is learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_features import PairTable, dense
from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.auto import SMALL_TREES, AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows, UpliftModel
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig

__all__ = ["TABULAR", "tabular_scores"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

TABULAR: Final = ("dr", "auto", "stack")
#: Pairs without a play that `dr` and `auto` keep of each arm, about; plays are all kept.
_SAMPLED: Final = 150_000


def tabular_scores(
    key: str,
    table: PairTable,
    log: Interactions,
    *,
    settings: Mapping[str, Any],
    seed: int,
    users: Bools | None = None,
) -> Floats:
    """Learn what exposure changed in a log from what was known before it.

    Parameters
    ----------
    key : str
        One of `TABULAR`.
    table : PairTable
        Of an earlier log.
    log : Interactions
        Exposures and plays to learn from; propensities are not read but estimated anew.
    settings : mapping
        Of the trees.
    seed : int
        Decides samples and folds.
    users : ndarray of bool, shape (n_users,), optional
        Whose pairs are learned from; all by default.

    Returns
    -------
    ndarray of float32, shape (n_users, n_items)
        Effects, in plays per exposure.
    """
    exposed, played = dense(log)
    rows = np.repeat(np.ones(log.n_users, bool) if users is None else users, log.n_items)
    known = np.flatnonzero(rows)
    t, y = exposed.reshape(-1)[known], played.reshape(-1)[known]
    if key == "stack":
        effect = _arms(table, known, t, y, settings=settings, seed=seed)
    else:
        learner: UpliftModel = (
            _dr(settings, seed) if key == "dr" else AutoLearner(config=AutoConfig(), seed=seed)
        )
        sampled = _sampled(table, known, t, y, n_items=log.n_items, seed=seed)
        effect = learner.fit(sampled).predict(table.features).point
    return effect.reshape(exposed.shape).astype(np.float32)


def _arms(
    table: PairTable,
    known: NDArray[np.int64],
    t: Bools,
    y: Bools,
    *,
    settings: Mapping[str, Any],
    seed: int,
) -> NDArray[np.float64]:
    """Return P(Y | T = 1, X) - P(Y | T = 0, X), each by trees of its own arm's pairs."""
    config, found = BoostConfig(**settings), []
    for arm in (t, ~t):
        model = fit_trees(
            table.features[known[arm]],
            y[arm].astype(np.float64),
            weight=np.ones(int(arm.sum())),
            objective="binary",
            config=config,
            names=table.names,
            categorical=(),
            seed=seed,
        )
        found.append(predict_trees(model, table.features))
    return found[0] - found[1]


def _dr(settings: Mapping[str, Any], seed: int) -> DRLearner:
    # Every pair is to be ranked, also one that is hardly ever shown.
    config = LearnerConfig(
        final=BoostConfig(**settings), nuisance=SMALL_TREES.nuisance, overlap="overlap_weights"
    )
    return DRLearner(config=config, seed=seed)


def _sampled(
    table: PairTable, known: NDArray[np.int64], t: Bools, y: Bools, *, n_items: int, seed: int
) -> Rows:
    """Keep plays, and some pairs of each arm without one, which then stand for the others."""
    rate = np.ones(t.size)
    for arm in (t, ~t):
        without = arm & ~y
        rate[without] = min(1.0, _SAMPLED / max(int(without.sum()), 1))
    kept = stage_rng(seed, "causal_ranking/sample").random(t.size) < rate
    row = known[kept]
    user = row // n_items
    return Rows(
        features=table.features[row],
        treatment=t[kept].astype(np.int8),
        outcome=y[kept].astype(np.float64),
        weight=1 / rate[kept],
        user=user,
        unit=user,
        propensity=np.full(row.size, np.nan),
        names=table.names,
    )
