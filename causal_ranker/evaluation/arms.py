"""Sections on whether the exposed and the unexposed can be compared at all."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.balance import Balance
from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.wording import estimand_text, percent
from causal_ranker.reporting.blocks import Block, Figure, Section, Table, Text
from causal_ranker.reporting.figures import histogram, points
from causal_ranker.stats.calibration import Calibration

__all__ = ["balance_section", "overlap_section"]

_WORST = 15
_TOLERABLE = 0.1  # standard deviations; the usual rule of thumb (Austin, 2011)


def overlap_section(evaluation: Evaluation) -> Section:
    """Return where the arms can be compared, and the share of candidates left out.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.

    Returns
    -------
    Section
        A sentence, a histogram of propensities by arm, the effective sample sizes, and how often
        candidates of each propensity were exposed.
    """
    overlap, (low, high) = evaluation.overlap, evaluation.overlap_bounds
    arms = {"exposed": overlap.treated_counts, "not exposed": overlap.control_counts}
    sentence = Text(
        f"Left out of every other figure: {percent(evaluation.share_left_out)} of the candidates. "
        f"The chance of being exposed is below {low:g} for {percent(overlap.share_below)} of all "
        f"candidates and above {high:g} for {percent(overlap.share_above)}."
        + estimand_text(evaluation.estimand)
    )
    drawing = partial(
        histogram,
        overlap.bin_edges,
        {name: 100 * counts / max(counts.sum(), 1e-300) for name, counts in arms.items()},
        xlabel="chance of being exposed (propensity)",
        ylabel="candidates of the arm (%)",
        marks=[low, high],
    )
    sizes = {"exposed": overlap.ess_treated, "not exposed": overlap.ess_control}
    return Section(
        "Overlap of the exposed and the unexposed",
        [
            sentence,
            Figure(
                drawing,
                "Propensities of both arms; upright rules mark the bounds. Effects can be "
                "estimated where both arms are present.",
                "Histogram of propensities by arm",
            ),
            Table(
                ["arm", "candidates", "effective sample size"],
                [[name, round(float(arms[name].sum())), round(sizes[name])] for name in arms],
                "Candidates: all that the sampled rows stand for. Effective sample size: sampled "
                "rows of equal weight with the same variance, weighted by inverse propensity, "
                "within the bounds.",
            ),
            _calibration_table(evaluation.propensities),
        ],
    )


def _calibration_table(found: Calibration) -> Table:
    rows = zip(found.predicted, found.observed, found.count, strict=True)
    return Table(
        ["propensity (%)", "exposed (%)", "sampled candidates"],
        [[100 * float(said), 100 * float(seen), int(count)] for said, seen, count in rows],
        "Groups of about one size by propensity, the lowest first: where the propensities are "
        "right, the first two columns agree, up to chance. Rows of one unit of assignment are "
        "exposed together, so chance is larger than the number of candidates says.",
    )


def balance_section(balance: Balance) -> Section:
    """Return the covariates that differ most between the arms after weighting.

    Parameters
    ----------
    balance : Balance
        Standardised mean differences.

    Returns
    -------
    Section
        A sentence, a drawing and a table of at most 15 covariates.
    """
    size = np.where(np.isnan(balance.after), -1.0, np.abs(balance.after))
    worst = np.argsort(-size, kind="stable")[:_WORST]
    before, after = (
        int((np.abs(values) > _TOLERABLE).sum()) for values in (balance.before, balance.after)
    )
    blocks: list[Block] = [
        Text(
            f"Of {len(balance.names)} covariates, {before} differ between the arms by more than "
            f"{_TOLERABLE:g} standard deviations before weighting by inverse propensity, and "
            f"{after} after."
        ),
        *_drawing(balance, worst[np.isfinite(size[worst]) & (size[worst] >= 0)]),
        Table(
            ["covariate", "before", "after"],
            [[balance.names[j], float(balance.before[j]), float(balance.after[j])] for j in worst],
            f"Standardised mean differences, exposed minus not exposed, in standard deviations; "
            f"the {len(worst)} largest after weighting.",
        ),
    ]
    return Section("Balance of the covariates", blocks)


def _drawing(balance: Balance, shown: NDArray[np.intp]) -> list[Figure]:
    """Draw the differences that are known; none where none is."""
    if not shown.size:
        return []
    drawing = partial(
        points,
        [balance.names[j] for j in shown],
        {"before weighting": balance.before[shown], "after": balance.after[shown]},
        xlabel="difference (standard deviations)",
        marks=(-_TOLERABLE, _TOLERABLE),
    )
    said = (
        "Means of the covariates, exposed minus not exposed, before and after weighting; upright "
        f"rules mark {_TOLERABLE:g} standard deviations either way."
    )
    return [Figure(drawing, said, "Standardised mean differences of covariates, before and after")]
