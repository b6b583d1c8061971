"""Whether the arms can be compared at all: everything about overlap, before anything is fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError, SchemaError
from causal_ranker.stats.overlap import (
    Overlap,
    overlap_summary,
    standardised_mean_differences,
)
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.cells import Cell, worst_cells
from causal_ranker.uplift.overlap import OverlapChoice, comparable, effective_sizes

__all__ = ["OverlapReport", "overlap_report"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class OverlapReport:
    """Where the arms can be compared, and how alike weighting makes them.

    Attributes
    ----------
    summary : Overlap
        Histogram of the propensities by arm, and the shares inside and outside the band.
    estimand : str
        Of whom an average effect is, under the choice that was asked about.
    effective_control, effective_treated : float
        Effective sample sizes of the arms under that choice, in rows.
    names : tuple of str
        The features, p of them.
    before, after : numpy.ndarray
        Standardised mean differences between the arms, treated minus control, of the rows used:
        with their analysis weights, and weighted towards the estimand besides. Shape (p,); NaN for
        categories, whose codes have no mean, and where an arm never has a value.
    cells : tuple of Cell
        At most three cells of the features that lie mostly outside the band.
    """

    summary: Overlap
    estimand: str
    effective_control: float
    effective_treated: float
    names: tuple[str, ...]
    before: Array
    after: Array
    cells: tuple[Cell, ...]


def overlap_report(
    rows: Rows, propensity: Array, *, overlap: OverlapChoice = "trim", lowest: float = 0.02
) -> OverlapReport:
    """Report on the overlap of the two arms.

    Parameters
    ----------
    rows : Rows
        Rows of both arms.
    propensity : numpy.ndarray
        P(T = 1 | X), logged or cross-fitted, in [0, 1], shape (n_rows,).
    overlap : {"trim", "overlap_weights", "all"}
        What is to be done about rows without overlap (see `LearnerConfig`).
    lowest : float
        The band is [lowest, 1 - lowest].

    Returns
    -------
    OverlapReport
        Histogram, shares, effective sample sizes, balance and the worst cells.

    Raises
    ------
    SchemaError
        If there is not one propensity a row.
    RowError
        If a propensity is not in [0, 1].
    OverlapError
        If an arm has no row to be used.
    """
    if np.shape(propensity) != (len(rows),):
        raise SchemaError(
            expected=f"propensities of shape ({len(rows)},), one a row",
            came=f"shape {np.shape(propensity)}",
            do="Pass those of the same rows.",
        )
    summary = overlap_summary(
        propensity, rows.treatment, low=lowest, high=1 - lowest, weights=rows.weight
    )
    chosen = comparable(propensity, rows.weight, overlap=overlap, lowest=lowest)
    used = np.flatnonzero(chosen.kept & (propensity > 0) & (propensity < 1))
    treated, e = rows.treatment[used], propensity[used]
    cells = worst_cells(
        rows.features,
        propensity,
        weight=rows.weight,
        names=rows.names,
        categorical=rows.categorical,
        lowest=lowest,
    )
    if len(np.unique(treated)) < 2:
        raise OverlapError(
            expected="rows of both arms among those with overlap",
            came=f"{int(treated.sum())} treated of {len(used)} rows",
            do="Explore: show what is shown with some chance, and log its propensity.",
        )
    own = np.where(treated == 1, e, 1 - e)

    def differences(weights: Array) -> Array:
        # One column at a time: the whole table may be the largest thing in memory.
        found = np.full(len(rows.names), np.nan)
        for place, name in enumerate(rows.names):
            if name not in rows.categorical:
                column = rows.features[used, place : place + 1]
                found[place] = standardised_mean_differences(column, treated, weights=weights)[0]
        return found

    control, treatment = effective_sizes(rows, propensity, chosen)
    return OverlapReport(
        summary=summary,
        estimand=chosen.estimand,
        effective_control=control,
        effective_treated=treatment,
        names=rows.names,
        before=differences(rows.weight[used]),
        after=differences(rows.weight[used] * chosen.factor[used] / own),
        cells=cells,
    )
