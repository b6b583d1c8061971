"""Of whom an average effect is: rows with overlap, rows weighted by overlap, or every row.

Where one arm hardly occurs nothing can be compared. Leaving such rows out (Crump, Hotz, Imbens and
Mitnik, 2009, Biometrika 96(1)) or weighting rows by ``e (1 - e)`` (Li, Morgan and Zaslavsky, 2018,
JASA 113(521)) are answers to that, and each changes whose average effect is estimated. So the
choice is a setting, and comes with a sentence that later tables print.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError
from causal_ranker.stats.weights import effective_sample_size
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.cells import worst_cells

__all__ = [
    "Comparable",
    "OverlapChoice",
    "comparable",
    "effective_sizes",
    "inside",
    "require_overlap",
]

Array = NDArray[np.float64]

#: Leave rows outside the band out, weight every row by e (1 - e), or take every row as it is.
OverlapChoice = Literal["trim", "overlap_weights", "all"]


@dataclass(frozen=True)
class Comparable:
    """The rows an effect is estimated from, and of whom it then is.

    Attributes
    ----------
    kept : numpy.ndarray
        Boolean, shape (n_rows,).
    factor : numpy.ndarray
        What multiplies the analysis weight, shape (n_rows,); 0 where a row is not kept.
    share_outside : float
        Weighted share of the rows outside the band, kept or not.
    estimand : str
        Of whom the average is, e.g. ``"average over rows with propensity in [0.02, 0.98]: 3.4 % of
        the weight left out"``.
    """

    kept: NDArray[np.bool_]
    factor: Array
    share_outside: float
    estimand: str


def comparable(
    propensity: Array,
    weight: Array,
    *,
    overlap: OverlapChoice,
    lowest: float,
    own_weights: bool = False,
) -> Comparable:
    """Say which rows an effect is estimated from, and of whom it then is.

    Parameters
    ----------
    propensity : numpy.ndarray
        P(T = 1 | X), in [0, 1], shape (n_rows,).
    weight : numpy.ndarray
        Analysis weights.
    overlap : {"trim", "overlap_weights", "all"}
        Leave out rows outside the band; weight every row by e (1 - e), which is 0 at a propensity
        of 0 or 1; or take every row as it is.
    lowest : float
        The band is [lowest, 1 - lowest].
    own_weights : bool
        Whether the learner weights rows by e (1 - e) by itself, as the R-learner does: then no
        choice does so again, and each says it.

    Returns
    -------
    Comparable
        Rows, weights and words.
    """
    band = inside(propensity, lowest=lowest)
    share_outside = float(weight[~band].sum() / weight.sum())
    kept = band if overlap == "trim" else np.ones(len(band), dtype=bool)
    factor = kept.astype(np.float64)
    if overlap == "overlap_weights":
        factor = propensity * (1 - propensity)
        kept = factor > 0
        if own_weights:
            factor = kept.astype(np.float64)
    whom = {
        "trim": f"average over rows with propensity in [{lowest:g}, {1 - lowest:g}]",
        "overlap_weights": "average over every row",
        "all": "average over every row",
    }[overlap]
    if overlap == "overlap_weights" or own_weights:
        whom += ", weighted by e (1 - e), e being the propensity"
    share = f"{100 * share_outside:.1f} % of the weight"
    whom += (
        f": {share} left out"
        if overlap == "trim"
        else f": {share} outside [{lowest:g}, {1 - lowest:g}] and not left out"
    )
    return Comparable(kept=kept, factor=factor, share_outside=share_outside, estimand=whom)


def require_overlap(
    rows: Rows,
    propensity: Array,
    chosen: Comparable,
    *,
    lowest: float,
    fewest_effective_rows: float,
) -> None:
    """Refuse rows whose arms cannot be compared, and name the cells where.

    Parameters
    ----------
    rows : Rows
        Training rows.
    propensity : numpy.ndarray
        P(T = 1 | X), shape (n_rows,).
    chosen : Comparable
        The rows to be used.
    lowest : float
        The band is [lowest, 1 - lowest].
    fewest_effective_rows : float
        Smallest effective sample size of an arm.

    Raises
    ------
    OverlapError
        If a row to be used has a propensity of 0 or 1, or an arm's effective sample size is below
        the floor.
    """
    certain = chosen.kept & ((propensity <= 0) | (propensity >= 1))
    if certain.any():
        raise _refusal(
            rows,
            propensity,
            lowest=lowest,
            expected=f"propensities strictly between 0 and 1 for an {_whom(chosen)}",
            came=f"{int(certain.sum())} of {len(rows)} rows with 0 or 1",
            do="Leave such rows out: overlap='trim' or 'overlap_weights'.",
        )
    sizes = effective_sizes(rows, propensity, chosen)
    for arm in (1, 0):
        if sizes[arm] < fewest_effective_rows:
            raise _refusal(
                rows,
                propensity,
                lowest=lowest,
                expected=f"at least {fewest_effective_rows:g} effective rows with T = {arm} for an "
                + _whom(chosen),
                came=f"{sizes[arm]:.1f} (share of rows outside the band: "
                f"{chosen.share_outside:.1%})",
                do="Explore: show what is shown with some chance, and log its propensity.",
            )


def _whom(chosen: Comparable) -> str:
    return chosen.estimand.partition(":")[0]


def _refusal(
    rows: Rows, propensity: Array, *, lowest: float, expected: str, came: str, do: str
) -> OverlapError:
    """Name the cells of the features in which overlap fails."""
    cells = worst_cells(
        rows.features,
        propensity,
        weight=rows.weight,
        names=rows.names,
        categorical=rows.categorical,
        lowest=lowest,
    )
    where = f"; without overlap: {'; '.join(map(str, cells))}" if cells else ""
    return OverlapError(expected=expected, came=came + where, do=do)


def effective_sizes(rows: Rows, propensity: Array, chosen: Comparable) -> tuple[float, float]:
    """Return the effective sample sizes of the control rows and of the treated ones.

    Parameters
    ----------
    rows : Rows
        The rows.
    propensity : numpy.ndarray
        P(T = 1 | X), shape (n_rows,).
    chosen : Comparable
        The rows to be used; each counts by the inverse of its own arm's chance.

    Returns
    -------
    tuple of float
        In rows of equal weight; 0 for an arm without rows.
    """

    def size(arm: int, chance: Array) -> float:
        mine = chosen.kept & (rows.treatment == arm)
        if not mine.any():
            return 0.0
        return effective_sample_size(rows.weight[mine] * chosen.factor[mine] / chance[mine])

    return size(0, 1 - propensity), size(1, propensity)


def inside(propensity: NDArray[np.float64], *, lowest: float) -> NDArray[np.bool_]:
    """Mark the rows whose propensity leaves both arms a chance.

    Parameters
    ----------
    propensity : numpy.ndarray
        Shape (n_rows,).
    lowest : float
        Smallest chance of either arm.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (n_rows,).
    """
    return (propensity >= lowest) & (propensity <= 1 - lowest)
