"""Tabular learners on pairs: what one log told is known, what the next one tells is learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_features import PairTable
from benchmarks._causal_logits import dense
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
Array = NDArray[np.float64]
#: Effects by columns.
_Learned = Callable[[Floats], Array]

#: Pairs without a play that `dr` and `auto` keep of each arm, about; plays are all kept.
_SAMPLED: Final = 150_000
#: Penalty on leaves of `stack`: plays are rare in an arm that is hardly ever chosen.
_L2: Final = 50.0


def tabular_scores(
    key: str,
    tables: Sequence[PairTable],
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
    tables : sequence of PairTable
        The first is of an earlier log, by which it is learned. Effects are estimated by each, and
        averaged.
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
    learned = _LEARNERS[key](_Labels(tables[0], known, t, y, log.n_items), settings, seed)
    effect: Array = np.mean([learned(each.features) for each in tables], axis=0)
    return effect.reshape(exposed.shape).astype(np.float32)


@dataclass(frozen=True)
class _Labels:
    """Pairs to learn from: their rows in the table, T and Y."""

    table: PairTable
    row: NDArray[np.int64]
    t: Bools
    y: Bools
    n_items: int


def _arms(labels: _Labels, settings: Mapping[str, Any], seed: int) -> _Learned:
    """Fit P(Y | T = 1, X) and P(Y | T = 0, X), each by trees of its own arm's pairs."""
    config = BoostConfig(l2=_L2, feature_share=1.0, **settings)
    treated, control = (
        fit_trees(
            labels.table.features[labels.row[arm]],
            labels.y[arm].astype(np.float64),
            weight=np.ones(int(arm.sum())),
            objective="binary",
            config=config,
            names=labels.table.names,
            categorical=(),
            seed=seed,
        )
        for arm in (labels.t, ~labels.t)
    )
    return lambda features: predict_trees(treated, features) - predict_trees(control, features)


def _dr(labels: _Labels, settings: Mapping[str, Any], seed: int) -> _Learned:
    # Every pair is to be ranked, also one that is hardly ever shown.
    config = LearnerConfig(
        final=BoostConfig(**settings), nuisance=SMALL_TREES.nuisance, overlap="overlap_weights"
    )
    return _effects(DRLearner(config=config, seed=seed), labels, seed)


def _auto(labels: _Labels, settings: Mapping[str, Any], seed: int) -> _Learned:
    return _effects(AutoLearner(config=AutoConfig(**settings), seed=seed), labels, seed)


def _effects(learner: UpliftModel, labels: _Labels, seed: int) -> _Learned:
    """Fit on all plays, and on some pairs of each arm without one, which stand for the others."""
    rate = np.ones(labels.t.size)
    for arm in (labels.t, ~labels.t):
        without = arm & ~labels.y
        rate[without] = min(1.0, _SAMPLED / max(int(without.sum()), 1))
    kept = stage_rng(seed, "causal_ranking/sample").random(rate.size) < rate
    row = labels.row[kept]
    user = row // labels.n_items
    learner.fit(
        Rows(
            features=labels.table.features[row],
            treatment=labels.t[kept].astype(np.int8),
            outcome=labels.y[kept].astype(np.float64),
            weight=1 / rate[kept],
            user=user,
            unit=user,
            propensity=np.full(row.size, np.nan),
            names=labels.table.names,
        )
    )
    return lambda features: learner.predict(features).point


_LEARNERS: Final[Mapping[str, Callable[[_Labels, Mapping[str, Any], int], _Learned]]] = {
    "dr": _dr,
    "auto": _auto,
    "stack": _arms,
}
#: Those that learn from columns.
TABULAR: Final = tuple(_LEARNERS)
