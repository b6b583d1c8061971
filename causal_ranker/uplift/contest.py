"""How candidates are fitted and judged, be it on folds of users or on later rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import first_trees, predict_trees
from causal_ranker.errors import OverlapError
from causal_ranker.uplift.base import Predicts, Rows
from causal_ranker.uplift.candidates import Candidate
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import FinalStageLearner, LearnerConfig
from causal_ranker.uplift.league import Scored
from causal_ranker.uplift.nuisance import Nuisances, NuisanceValues
from causal_ranker.uplift.overlap import inside
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.ridge import RidgeLearner
from causal_ranker.uplift.score import ScoreEffect
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.x import XLearner

__all__ = ["Fitting", "estimates_along", "fit_candidate", "judge_rows", "tune"]

Array = NDArray[np.float64]
_BATCH: Final = 2**20
_STAGES: Final[dict[str, type[FinalStageLearner]]] = {
    "dr": DRLearner,
    "r": RLearner,
    "x": XLearner,
}


@dataclass(frozen=True)
class Fitting:
    """What all candidates are fitted on.

    Attributes
    ----------
    rows : Rows
        Training rows.
    values : NuisanceValues
        Their nuisances, out of fold.
    models : Nuisances
        Outcome models of these rows.
    config : LearnerConfig
        Nuisances and overlap.
    seed : int
        Of every candidate.
    """

    rows: Rows
    values: NuisanceValues
    models: Nuisances
    config: LearnerConfig
    seed: int


def fit_candidate(candidate: Candidate, fitting: Fitting, *, setting: float) -> Predicts:
    """Fit one candidate at one of the settings of its path.

    Parameters
    ----------
    candidate : Candidate
        Which learner.
    fitting : Fitting
        Rows and nuisances.
    setting : float
        Rounds or penalty.

    Returns
    -------
    Predicts
        The fitted learner.
    """
    rows, values, config, seed = fitting.rows, fitting.values, fitting.config, fitting.seed
    if candidate.final is not None:
        final = candidate.final.model_copy(update={"rounds": int(setting)})
        staged = config.model_copy(update={"final": final})
        return _STAGES[candidate.learner](config=staged, seed=seed).fit(rows, nuisances=values)
    if candidate.column is not None:
        score = ScoreEffect(candidate.column, config=config, seed=seed)
        return score.fit(rows, nuisances=values)
    if candidate.learner == "linear":
        ridge = RidgeLearner(config=config, seed=seed, penalty=setting)
        return ridge.fit(rows, nuisances=values)
    if candidate.learner == "t":
        return TLearner(config=config, seed=seed).fit(rows, nuisances=fitting.models)
    return ConstantEffect(config=config, seed=seed).fit(rows, nuisances=values)


def estimates_along(
    candidate: Candidate,
    fitting: Fitting,
    features: NDArray[np.float32],
    *,
    chosen: NDArray[np.int64] | None = None,
) -> Iterator[tuple[float, Array]]:
    """Estimate other rows at each setting; trees are fitted once for all their stops.

    Parameters
    ----------
    candidate : Candidate
        Which learner.
    fitting : Fitting
        Rows and nuisances.
    features : numpy.ndarray
        Of the other rows, shape (n_rows, n_features).
    chosen : numpy.ndarray, optional
        Positions of those to estimate; all by default.

    Yields
    ------
    tuple of float and numpy.ndarray
        The setting, and the uplift of the rows.
    """
    if candidate.final is None:
        for setting in candidate.path:
            learner = fit_candidate(candidate, fitting, setting=setting)
            yield setting, _predicted(learner, features, chosen)
        return
    longest = fit_candidate(candidate, fitting, setting=candidate.path[-1])
    assert isinstance(longest, FinalStageLearner)
    assert longest.model_ is not None
    for rounds in candidate.path:
        # Batch by batch: the rows may lie in a file.
        model = first_trees(longest.model_, int(rounds))
        yield rounds, predict_trees(model, features, rows=chosen)


def _predicted(
    learner: Predicts, features: NDArray[np.float32], chosen: NDArray[np.int64] | None
) -> Array:
    """Estimate some rows batch by batch, as they may lie in a file."""
    if chosen is None:
        return learner.predict(features).point
    estimate = np.empty(len(chosen))
    for start in range(0, len(chosen), _BATCH):
        batch = slice(start, start + _BATCH)
        estimate[batch] = learner.predict(features[chosen[batch]]).point
    return estimate


def judge_rows(
    rows: Rows, held_out: NuisanceValues, *, lowest: float
) -> tuple[Scored, NDArray[np.bool_]]:
    """Score the rows that estimates are judged on.

    Parameters
    ----------
    rows : Rows
        Rows of both arms.
    held_out : NuisanceValues
        Their nuisances, of models that saw no outcome of the row's user.
    lowest : float
        Smallest propensity of either arm.

    Returns
    -------
    Scored
        The rows inside the overlap band; each counts by e (1 - e), so that noisy scores count
        least.
    numpy.ndarray
        Which they are, boolean, shape (n_rows,).

    Raises
    ------
    OverlapError
        If there are none.
    """
    kept = inside(held_out.propensity, lowest=lowest)
    if not kept.any():
        raise OverlapError(
            expected="choosing rows whose propensity lies in the overlap band",
            came=f"none among {len(rows)} rows",
            do="Explore: show what is shown with some chance, and log its propensity.",
        )
    e, user = held_out.propensity[kept], rows.user[kept]
    judged = Scored(
        scores=held_out.take(kept).scores(rows.treatment[kept], rows.outcome[kept]),
        weight=rows.weight[kept] * e * (1 - e),
        user=user,
        # One and the same array where they are alike: then there is one clustering to count by.
        unit=user if np.array_equal(rows.unit, rows.user) else rows.unit[kept],
    )
    return judged, kept


def tune(
    estimates: Mapping[tuple[str, float], NDArray[Any]], judged: Scored
) -> tuple[dict[str, NDArray[Any]], dict[str, float]]:
    """Keep each candidate's best setting.

    Parameters
    ----------
    estimates : mapping of (str, float) to numpy.ndarray
        By candidate and setting, of the judged rows.
    judged : Scored
        The rows.

    Returns
    -------
    dict of str to numpy.ndarray
        Each candidate's estimates at its best setting.
    dict of str to float
        That setting.
    """
    loss: dict[str, float] = {}
    best: dict[str, NDArray[Any]] = {}
    tuned: dict[str, float] = {}
    for (name, setting), guess in estimates.items():
        missed = float(np.average(np.square(judged.scores - guess), weights=judged.weight))
        if name not in loss or missed < loss[name]:
            loss[name], best[name], tuned[name] = missed, guess, setting
    return best, tuned
