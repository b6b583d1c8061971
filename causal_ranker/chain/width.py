"""Intervals of the effects that are served, as one LightGBM model of half their width."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.reporting.progress import Stages
from causal_ranker.uplift.base import Predicts, Rows
from causal_ranker.uplift.contest import Fitting
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.final import FinalStageLearner
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from causal_ranker.uplift.new_items import NewItemIntervals, item_spread
from causal_ranker.uplift.nuisance import NuisanceValues
from causal_ranker.uplift.overlap import inside
from causal_ranker.uplift.width import WidthConfig, learn_width

if TYPE_CHECKING:
    import lightgbm

__all__ = ["ServedWidth", "check_intervals", "serve_width"]

_ABLE: Final = frozenset({"constant", "dr", "r", "x"})


@dataclass(frozen=True)
class ServedWidth:
    """A model of half-widths that a bundle can hold.

    Attributes
    ----------
    model_ : lightgbm.Booster
        Half of an interval's width, in plays per impression.
    level : float
        Probability that an interval holds what it covers.
    story : str
        What the intervals come from and how faithful the model is, in sentences.
    """

    model_: lightgbm.Booster
    level: float
    story: str


def check_intervals(config: ChainConfig, *, learner: str) -> None:
    """Refuse intervals of learners that have none, before anything is fitted.

    Parameters
    ----------
    config : ChainConfig
        All settings.
    learner : str
        "auto", or the learner that is named.

    Raises
    ------
    ConfigError
        If intervals are asked for, and a learner that may be served has no half-samples.
    """
    if config.intervals is None:
        return
    asked: Iterable[str] = [learner]
    if learner == "auto":
        asked = (each.learner for each in config.candidates)
    unable = sorted(set(asked) - _ABLE)
    if unable:
        raise ConfigError(
            expected=f"learners with half-sample intervals ({', '.join(sorted(_ABLE))}), as "
            "intervals are asked for",
            came=", ".join(map(repr, unable)),
            do="Name one of these, or leave intervals out.",
        )


def serve_width(
    learner: Predicts,
    fitting: Fitting,
    *,
    config: HalfSampleConfig,
    judge: Rows,
    judge_values: NuisanceValues,
    judge_items: NDArray[Any],
    stages: Stages,
) -> ServedWidth:
    """Fit a learner's half-samples, and one model of the half-widths of its intervals.

    Parameters
    ----------
    learner : Predicts
        One of those that `check_intervals` lets pass, fitted; it gets the same trees again.
    fitting : Fitting
        What it was fitted on.
    config : HalfSampleConfig
        Draws and level.
    judge : Rows
        Later rows, on which the model is measured, and how far cold items differ where the
        features say which are.
    judge_values : NuisanceValues
        Their nuisances, by models that did not see them.
    judge_items : numpy.ndarray
        Their items, shape (n_judge,).
    stages : Stages
        Progress.

    Returns
    -------
    ServedWidth
        What a bundle can hold.

    Raises
    ------
    FidelityError
        If the model is too far from the half-widths it was taught.
    """
    rows = fitting.rows
    if not isinstance(learner, FinalStageLearner):
        # One effect for all is the mean of the scores that the DR-learner's trees would split.
        final = BoostConfig(rounds=1, min_rows_leaf=len(rows))
        whole = fitting.config.model_copy(update={"final": final})
        learner = DRLearner(config=whole, seed=fitting.seed)
    intervals = HalfSampleIntervals(learner, config=config, seed=fitting.seed)
    with stages.stage("Intervals", total=intervals.steps(rows)) as advance:
        intervals.fit(rows, nuisances=fitting.values, advance=advance)
        teacher, apart, told = _with_new_items(
            intervals, fitting, config=config, judge=judge, values=judge_values, items=judge_items
        )
        learned = learn_width(
            teacher, rows, judge=judge, config=WidthConfig(), seed=fitting.seed, apart=apart
        )
    story = (
        f"Served uplifts have {100 * config.level:g} % intervals, of {config.draws} half-samples; "
        f"one LightGBM model says half of their width: {learned.fidelity}.{told}"
    )
    return ServedWidth(learned.model_, config.level, story)


def _with_new_items(
    intervals: HalfSampleIntervals,
    fitting: Fitting,
    *,
    config: HalfSampleConfig,
    judge: Rows,
    values: NuisanceValues,
    items: NDArray[Any],
) -> tuple[Predicts, NDArray[np.bool_] | None, str]:
    """Widen intervals of cold items; say which rows of the judge are theirs, and what was done."""
    if C.IS_COLD not in judge.names:
        return intervals, None, ""
    place = judge.names.index(C.IS_COLD)
    cold = judge.features[:, place] > 0
    some = np.flatnonzero(cold & inside(values.propensity, lowest=fitting.config.lowest_propensity))
    spread = None
    if some.size:
        rows = judge.take(some)
        spread = item_spread(
            values.take(some).scores(rows.treatment, rows.outcome),
            intervals.predict(rows.features),
            item=items[some],
            user=rows.user,
            weight=rows.weight,
            config=config,
        )
    if spread is None:
        told = (
            " Too few cold items on the choosing rows to say how far they differ: their "
            "intervals are only as wide as their features make them."
        )
        return intervals, cold, told
    wider = NewItemIntervals(intervals, spread, place=place, level=config.level)
    return wider, cold, f" {spread}"
