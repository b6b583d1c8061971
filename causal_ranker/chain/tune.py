"""Tune and train the built-in base ranker: with at least the trials that the causal layer gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, first_trees, predict_trees
from causal_ranker.chain.config import ChainConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.recommenders.boosted import BoostedRecommender
from causal_ranker.uplift.select import Trial

if TYPE_CHECKING:
    import lightgbm

__all__ = ["tune_base"]

_DAY = 86_400_000_000
_TINY = 1e-12


def tune_base(
    recommender: BoostedRecommender,
    sample: FeatureBlock,
    *,
    cut: int,
    config: ChainConfig,
    advance: Callable[[], None],
) -> list[Trial]:
    """Choose the trees on the later rows, and train one model per stretch of the earlier time.

    Parameters
    ----------
    recommender : BoostedRecommender
        Receives the models: each is in force from a moment by which the horizons of all its
        training rows had ended.
    sample : FeatureBlock
        Training and choosing rows.
    cut : int
        First microsecond of the choosing rows.
    config : ChainConfig
        Trials, and the days between refits.
    advance : callable
        Called once per entry of ``base_trials`` and once at the end.

    Returns
    -------
    list of Trial
        Each trial's log-loss on the choosing rows, at each stop.
    """
    features = sample.without_base
    late = np.flatnonzero(sample.t0 >= cut)

    def trained(seen: NDArray[np.int64], trees: BoostConfig) -> lightgbm.Booster:
        return recommender.train(
            features, sample.outcome, rows=seen, weight=sample.weight, config=trees
        )

    trials, models = [], []
    seen = np.flatnonzero(sample.horizon_end <= cut)
    for trees in config.base_trials:
        whole = trained(seen, trees)
        for rounds in sorted({max(1, round(stop * trees.rounds)) for stop in config.base_stops}):
            model = whole if rounds == trees.rounds else first_trees(whole, rounds)
            guess = predict_trees(model, features, rows=late)
            loss = _log_loss(sample.outcome[late], guess, weight=sample.weight[late])
            trials.append(Trial(trees.model_copy(update={"rounds": rounds}), loss))
            models.append(model)
        advance()
    best = int(np.argmin([trial.loss for trial in trials]))
    first = int(sample.t0.min()) + config.base_first_days * _DAY
    for moment in range(first, cut, config.base_refit_days * _DAY):
        seen = np.flatnonzero(sample.horizon_end <= moment)
        if len(seen):
            recommender.add(trained(seen, trials[best].config), valid_from=moment)
    recommender.add(models[best], valid_from=cut)
    advance()
    return trials


def _log_loss(
    outcome: NDArray[np.int8], guess: NDArray[np.float64], *, weight: NDArray[np.float64]
) -> float:
    chance = np.clip(guess, _TINY, 1 - _TINY)
    return float(np.average(-np.log(np.where(outcome == 1, chance, 1 - chance)), weights=weight))
