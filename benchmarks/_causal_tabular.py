"""Tabular learners on pairs: what one log told is known, what the next one tells is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_features import PairTable
from benchmarks._causal_logits import dense
from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.auto import SMALL_TREES, AutoConfig, AutoLearner
from causal_ranker.uplift.base import Predicts, Rows
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import LearnerConfig

__all__ = ["TABULAR", "estimated", "labelled"]

Floats = NDArray[np.float32]
Array = NDArray[np.float64]
#: Effects by columns.
_Learned = Callable[[Floats], Array]

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


def estimated(
    key: str, rows: Rows, features: Sequence[Floats], *, settings: Mapping[str, Any], seed: int
) -> Array:
    """Learn what exposure changed, and estimate it for other rows.

    Parameters
    ----------
    key : str
        One of `TABULAR`.
    rows : Rows
        To learn from.
    features : sequence of ndarray, shape (n, n_features)
        What is known of each of n pairs, at one time or several: estimates are averaged.
    settings : mapping
        Of the learner.
    seed : int
        Decides folds.

    Returns
    -------
    ndarray of float64, shape (n,)
        Effects, in plays per exposure.
    """
    learned = _LEARNERS[key](rows, settings, seed)
    return np.asarray(sum(learned(each) for each in features) / len(features))


def _arms(rows: Rows, settings: Mapping[str, Any], seed: int) -> _Learned:
    """Fit P(Y | T = 1, X) and P(Y | T = 0, X), each by trees of its own arm's pairs."""
    control, treated = (
        fit_trees(
            rows.features,
            rows.outcome,
            rows=np.flatnonzero(rows.treatment == arm),
            weight=rows.weight,
            objective="binary",
            config=BoostConfig(l2=_L2, feature_share=1.0, **settings),
            names=rows.names,
            categorical=(),
            seed=seed,
        )
        for arm in (0, 1)
    )
    return lambda features: predict_trees(treated, features) - predict_trees(control, features)


def _dr(rows: Rows, settings: Mapping[str, Any], seed: int) -> _Learned:
    # Every pair is to be ranked, also one that is hardly ever shown.
    config = LearnerConfig(
        final=BoostConfig(**settings), nuisance=SMALL_TREES.nuisance, overlap="overlap_weights"
    )
    return _effects(DRLearner(config=config, seed=seed).fit(rows))


def _auto(rows: Rows, settings: Mapping[str, Any], seed: int) -> _Learned:
    return _effects(AutoLearner(config=AutoConfig(**settings), seed=seed).fit(rows))


def _effects(learner: Predicts) -> _Learned:
    return lambda features: learner.predict(features).point


_LEARNERS: Final[Mapping[str, Callable[[Rows, Mapping[str, Any], int], _Learned]]] = {
    "dr": _dr,
    "auto": _auto,
    "stack": _arms,
}
#: Those that learn from columns.
TABULAR: Final = tuple(_LEARNERS)
