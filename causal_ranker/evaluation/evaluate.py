"""One call from scored rows to every number of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.accuracy import ListAccuracy
from causal_ranker.evaluation.balance import Balance, covariate_balance, require_both_arms
from causal_ranker.evaluation.compare import PolicyComparison, compare_policies
from causal_ranker.evaluation.effect import (
    CalibrationGroups,
    average_effect,
    calibration_groups,
    effects_by_prediction,
)
from causal_ranker.evaluation.joint import JointLists
from causal_ranker.evaluation.refute.run import Refutation
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.evaluation.totals import TotalComparison, compare_totals
from causal_ranker.stats.bands import CurveBands, PairedBands, paired_half_sample_bands
from causal_ranker.stats.calibration import Calibration, calibration
from causal_ranker.stats.group_effects import GroupEffects
from causal_ranker.stats.intervals import Interval
from causal_ranker.stats.overlap import Overlap, overlap_summary

__all__ = ["Evaluation", "Scope", "evaluate"]

_GRID = np.linspace(0.01, 1.0, 100)


@dataclass(frozen=True)
class Scope:
    """What the evaluation rests on.

    Parameters
    ----------
    requests : int
        Requests, the denominator of every figure at k.
    users : int
        Users, the first clustering.
    units : int or None
        Units of assignment, the second clustering; None where they are the users.
    sampled_rows : int
        Rows of the uniform sample of candidates.
    curve_rows : int
        Those of them with overlap, on which effects, curves and balance are estimated.
    """

    requests: int
    users: int
    units: int | None
    sampled_rows: int
    curve_rows: int


@dataclass(frozen=True)
class Evaluation:
    """Everything that an evaluation found.

    Parameters
    ----------
    comparison : PolicyComparison
        Policies side by side, in plays per slot.
    average_effect : Interval
        Average effect of being shown over all candidates with overlap, in plays per exposure.
    group_effects : GroupEffects
        Effects in five groups by predicted uplift, with their intervals, and the difference between
        the last and the first.
    groups : CalibrationGroups
        Predicted against observed effects in ten groups by predicted uplift.
    curves : mapping of str to CurveBands
        TOC and Qini curves, AUTOC and QINI: under ``"uplift"`` of the predicted uplift, under
        ``"base_score"`` of the base recommender's score.
    curve_difference : CurveBands
        Those of the predicted uplift minus those of the base score, from the same half-samples.
    overlap : Overlap
        Propensities by arm and effective sample sizes, over the whole uniform sample.
    overlap_bounds : tuple of float
        The propensities between which rows count as overlapping.
    propensities : Calibration
        Propensities against the shares that were exposed, over all sampled candidates.
    share_left_out : float
        Weighted share of the candidates that are outside the primary candidate sets.
    balance : Balance or None
        Covariates of the two arms before and after weighting, where covariates were given.
    scope : Scope
        Numbers of requests, users, units and rows.
    draws : int
        Half-samples behind each band.
    estimand : str or None
        Of which rows the effects that the uplift model learned are an average, where these are not
        simply the rows inside the bounds.
    accuracy : ListAccuracy or None
        Accuracy of the same lists, where their items are known.
    totals : TotalComparison or None
        The same lists by the user's total plays, where the rows carry scores of that effect.
    joint : JointLists or None
        Cold and warm items in the base and the frozen list, where they are told apart.
    refutation : Refutation or None
        What was tried against the estimates, where it was.
    """

    comparison: PolicyComparison
    average_effect: Interval
    group_effects: GroupEffects
    groups: CalibrationGroups
    curves: Mapping[str, CurveBands]
    curve_difference: CurveBands
    overlap: Overlap
    overlap_bounds: tuple[float, float]
    propensities: Calibration
    share_left_out: float
    balance: Balance | None
    scope: Scope
    draws: int
    estimand: str | None = None
    accuracy: ListAccuracy | None = None
    totals: TotalComparison | None = None
    joint: JointLists | None = None
    refutation: Refutation | None = None


def evaluate(
    rows: EvaluationRows,
    *,
    k: int,
    covariates: tuple[Sequence[str], NDArray[np.floating]] | None,
    rng: np.random.Generator,
    baseline: str = "base",
    draws: int = 1_000,
    level: float = 0.95,
    overlap_bounds: tuple[float, float] = (0.02, 0.98),
) -> Evaluation:
    """Estimate what the policies and the scores are worth.

    Parameters
    ----------
    rows : EvaluationRows
        Scored candidates.
    k : int
        Slots.
    covariates : tuple of names and ndarray of float, shape (s, p), or None
        Covariates of the rows of ``rows.sampled``, in that order, for the balance of the arms.
    rng : numpy.random.Generator
        Source of the half-samples.
    baseline : str
        The policy that the others are compared with.
    draws : int
        Half-samples for each band and each clustering.
    level : float
        Probability that an interval or a band holds the truth.
    overlap_bounds : tuple of float
        The propensities within which the primary candidate sets were taken, for the overlap
        figures; which rows are primary is said by their ranks alone.

    Returns
    -------
    Evaluation
        Every number of the report.

    Raises
    ------
    ConfigError
        If a setting is out of range or the baseline is unknown.
    OverlapError
        If one arm is missing in the curve sample.
    RowError
        If a list has gaps, or there is only one user or one unit.
    SchemaError
        If the covariates do not fit the sample.
    """
    require_both_arms(rows)
    names, table = covariates if covariates is not None else ((), None)
    low, high = overlap_bounds
    at, weight = rows.sampled, rows.sample_weight
    comparison = compare_policies(rows, k=k, baseline=baseline, level=level)
    bands = _bands(rows, draws=draws, rng=rng, level=level)
    return Evaluation(
        comparison=comparison,
        average_effect=average_effect(rows, level=level),
        group_effects=effects_by_prediction(rows, level=level),
        groups=calibration_groups(rows, level=level),
        curves={C.UPLIFT: bands.first, C.BASE_SCORE: bands.second},
        curve_difference=bands.difference,
        overlap=overlap_summary(
            rows.propensity[at], rows.treatment[at], low=low, high=high, weights=weight[at]
        ),
        overlap_bounds=overlap_bounds,
        propensities=calibration(rows.propensity[at], rows.treatment[at], weights=weight[at]),
        share_left_out=float(weight[at][~rows.primary[at]].sum() / weight[at].sum()),
        balance=None if table is None else covariate_balance(rows, table, names=names),
        scope=Scope(
            requests=int(rows.requests),
            users=_distinct(rows.user),
            units=None if rows.second_cluster is None else _distinct(rows.second_cluster),
            sampled_rows=at.size,
            curve_rows=rows.curve_rows.size,
        ),
        draws=draws,
        totals=None if rows.total_gamma is None else compare_totals(rows, comparison),
    )


def _bands(
    rows: EvaluationRows, *, draws: int, rng: np.random.Generator, level: float
) -> PairedBands:
    at = rows.curve_rows
    return paired_half_sample_bands(
        rows.uplift[at],
        rows.base_score[at],
        rows.gamma[at],
        rows.user[at],
        second_cluster=None if rows.second_cluster is None else rows.second_cluster[at],
        draws=draws,
        rng=rng,
        grid=_GRID,
        weights=rows.sample_weight[at],
        level=level,
    )


def _distinct(labels: NDArray[Any]) -> int:
    # a set of Python strings is several times faster than sorting them
    return len(set(labels.tolist())) if labels.dtype.kind in "OUT" else np.unique(labels).size
