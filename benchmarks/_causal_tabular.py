"""Tabular learners on pairs: what one log told is known, what the next one tells is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_features import PairTable
from benchmarks._causal_logits import dense
from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.auto import SMALL_TREES, AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import cross_fit

__all__ = ["TABULAR", "labelled", "prepared"]

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
#: Effects by columns.
_Learned = Callable[[Floats], Array]
_Learner = Callable[[Mapping[str, Any]], _Learned]

#: Pairs without a play that are kept of each arm, about; plays are all kept.
_SAMPLED: Final = 200_000
#: Penalty on leaves of `stack`: where an arm is rare, so are its plays.
_L2: Final = 50.0


def labelled(table: PairTable, log: Interactions, *, users: NDArray[np.int64], seed: int) -> Rows:
    """Put what happened in a log beside what was known before it.

    All plays are kept, and of the other pairs of each arm a sample, which stands for them by its
    weight: they are dozens for each play, and tell little more than so many.

    Parameters
    ----------
    table : PairTable
        Of an earlier log.
    log : Interactions
        Exposures and plays; propensities are not read, but estimated anew by who needs them.
    users : ndarray of int64
        Whose pairs are taken.
    seed : int
        Decides the sample.

    Returns
    -------
    Rows
        By user, then by item.
    """
    t, y = (each[users].reshape(-1) for each in dense(log))
    rate = np.ones(t.size)
    for arm in (t, ~t):
        without = arm & ~y
        rate[without] = min(1.0, _SAMPLED / max(int(without.sum()), 1))
    kept = np.flatnonzero(stage_rng(seed, "causal_ranking/sample").random(t.size) < rate)
    user = users[kept // log.n_items]
    return Rows(
        features=table.features[user * log.n_items + kept % log.n_items],
        treatment=t[kept].astype(np.int8),
        outcome=y[kept].astype(np.float64),
        weight=1 / rate[kept],
        user=user,
        unit=user,
        propensity=np.full(kept.size, np.nan),
        names=table.names,
    )


def prepared(key: str, rows: Rows, *, seed: int) -> _Learner:
    """Do what a learner does before its settings matter.

    Parameters
    ----------
    key : str
        One of `TABULAR`.
    rows : Rows
        To learn from.
    seed : int
        Decides folds.

    Returns
    -------
    callable
        From settings to what then estimates effects, in plays per exposure, by columns.
    """
    return _LEARNERS[key](rows, seed)


def _arms(rows: Rows, seed: int) -> _Learner:
    """Fit P(Y | T = 1, X) and P(Y | T = 0, X), each by trees of its own arm's pairs."""

    def learn(settings: Mapping[str, Any]) -> _Learned:
        config = BoostConfig(l2=_L2, feature_share=1.0, **settings)
        control, treated = (
            rows.binned(config).fit(
                rows.outcome,
                rows=np.flatnonzero(rows.treatment == arm),
                weight=rows.weight,
                objective="binary",
                config=config,
                seed=seed,
            )
            for arm in (0, 1)
        )
        return lambda columns: predict_trees(treated, columns) - predict_trees(control, columns)

    return learn


def _dr(rows: Rows, seed: int) -> _Learner:
    nuisance = SMALL_TREES.nuisance
    values = cross_fit(rows, config=nuisance, seed=seed)

    def learn(settings: Mapping[str, Any]) -> _Learned:
        # Every pair is to be ranked, also one that is hardly ever shown.
        config = LearnerConfig(
            final=BoostConfig(**settings), nuisance=nuisance, overlap="overlap_weights"
        )
        fitted = DRLearner(config=config, seed=seed).fit(rows, nuisances=values)
        return lambda columns: fitted.predict(columns).point

    return learn


def _auto(rows: Rows, seed: int) -> _Learner:
    def learn(settings: Mapping[str, Any]) -> _Learned:
        fitted = AutoLearner(config=AutoConfig(**settings), seed=seed).fit(rows)
        return lambda columns: fitted.predict(columns).point

    return learn


_LEARNERS: Final[Mapping[str, Callable[[Rows, int], _Learner]]] = {
    "dr": _dr,
    "auto": _auto,
    "stack": _arms,
}
#: Those that learn from columns.
TABULAR: Final = tuple(_LEARNERS)
