"""One LightGBM model of how wide intervals are, in place of the many fits they come from.

Half-sample intervals cost a prediction of each half's model, which no answer can wait for. A
student learns half of their width, which has no noise, and is measured on users it never saw: by
rank correlation, and by how far its widths are off, since draws follow the width and not its rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import FidelityError
from causal_ranker.stats.agreement import spearman
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.base import Predicts, Rows

if TYPE_CHECKING:
    import lightgbm

__all__ = ["LearnedWidth", "WidthConfig", "WidthFidelity", "learn_width"]


class WidthConfig(FrozenConfig):
    """How the model of the half-widths is made, and how faithful it has to be.

    Parameters
    ----------
    trees : BoostConfig
        Trees of a Poisson regression, whose answers are above 0.
    held_out : float
        Share of the users on whose rows fidelity is measured.
    least_spearman : float
        Smallest rank correlation with the half-widths it was taught; not asked for where those are
        all the same.
    most_error : float
        Largest mean difference from them, as a share of their mean.
    """

    trees: BoostConfig = BoostConfig(
        rounds=150,
        learning_rate=0.1,
        leaves=31,
        min_rows_leaf=50,
        feature_share=1.0,
        # What a teacher says of a category is no chance find.
        category_l2=1.0,
        category_smoothing=1.0,
    )
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    least_spearman: Annotated[float, Field(ge=-1, le=1)] = 0.7
    most_error: Annotated[float, Field(gt=0)] = 0.25


@dataclass(frozen=True)
class WidthFidelity:
    """How far the model says the half-widths it was taught, on rows of users it never saw.

    Attributes
    ----------
    rows : int
        Rows it was measured on.
    spearman : float
        Weighted rank correlation; NaN where the half-widths are all the same.
    error : float
        Weighted mean absolute difference, as a share of the mean half-width.
    """

    rows: int
    spearman: float
    error: float

    def __str__(self) -> str:
        told = "" if np.isnan(self.spearman) else f"Spearman {self.spearman:.3f}, "
        return f"{told}off by {self.error:.1%} on average, on {self.rows} rows held out"


@dataclass(frozen=True)
class LearnedWidth:
    """A model of half-widths.

    Attributes
    ----------
    model_ : lightgbm.Booster
        Half of an interval's width, in plays per impression.
    fidelity : WidthFidelity
        How far it says what it was taught.
    """

    model_: lightgbm.Booster
    fidelity: WidthFidelity


def learn_width(
    teacher: Predicts,
    rows: Rows,
    *,
    judge: Rows,
    config: WidthConfig,
    seed: int,
    apart: NDArray[np.bool_] | None = None,
) -> LearnedWidth:
    """Learn half of the width of a learner's intervals.

    Parameters
    ----------
    teacher : Predicts
        A fitted learner with intervals.
    rows : Rows
        Rows to learn on; T and Y are not read.
    judge : Rows
        Rows to measure fidelity on, those of the users held out.
    config : WidthConfig
        Trees, and the fidelity asked for.
    seed : int
        Decides which users are held out, and the feature draws.
    apart : numpy.ndarray, optional
        Rows of `judge`, shape (n_judge,), on which its error must be as small as on all of them.

    Returns
    -------
    LearnedWidth
        The model.

    Raises
    ------
    FidelityError
        If it is too far from what it was taught, or there is no user to measure it on.
    """
    seen = np.flatnonzero(~_held_out(rows, config, seed=seed))
    judged = np.flatnonzero(_held_out(judge, config, seed=seed))
    if not seen.size or not judged.size:
        raise _refused(config, f"{seen.size} rows to learn from, {judged.size} to judge")
    target = np.zeros(len(rows))
    target[seen] = _half(teacher, rows.features[seen])
    middle = target[seen].mean()
    if not middle > 0:
        raise _refused(config, "intervals without any width")
    model = rows.binned(config.trees).fit(
        target,
        rows=seen,
        # Second derivatives of the loss are as large as the widths: without this, small ones would
        # count as too little to split.
        weight=rows.weight / middle,
        objective="poisson",
        config=config.trees,
        seed=seed,
    )
    features, weight = judge.features[judged], judge.weight[judged]
    taught, said = _half(teacher, features), predict_trees(model, features)
    same = bool(np.ptp(taught) <= 1e-9 * taught.max())
    found = WidthFidelity(
        rows=judged.size,
        spearman=float("nan") if same else spearman(taught, said, weights=weight),
        error=float(weight @ np.abs(said - taught) / (weight @ taught)),
    )
    special = np.zeros(judged.size, dtype=bool) if apart is None else apart[judged]
    if special.any():
        missed = weight[special] @ np.abs(said - taught)[special]
        error = float(missed / (weight[special] @ taught[special]))
        if not error <= config.most_error:
            raise _refused(config, f"off by {error:.1%} on {int(special.sum())} rows of cold items")
    ranks = same or found.spearman >= config.least_spearman
    if not (ranks and found.error <= config.most_error):  # NaN is below every floor
        raise _refused(config, str(found))
    return LearnedWidth(model, found)


def _held_out(rows: Rows, config: WidthConfig, *, seed: int) -> NDArray[np.bool_]:
    return uniform_hash(rows.user, salt=f"width-{seed}") < config.held_out


def _half(teacher: Predicts, features: NDArray[np.float32]) -> NDArray[np.float64]:
    effect = teacher.predict(features)
    assert effect.low is not None
    assert effect.high is not None
    return (effect.high - effect.low) / 2


def _refused(config: WidthConfig, came: str) -> FidelityError:
    return FidelityError(
        expected="one model that says how wide the intervals are, rank correlation at least "
        f"{config.least_spearman:g} and off by at most {config.most_error:.0%} on average",
        came=came,
        do="Give more half-samples (HalfSampleConfig(draws=...)) or more rows, or leave intervals "
        "out.",
    )
