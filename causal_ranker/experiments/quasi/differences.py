"""Compare the change of a treated group with that of another over the same time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.experiments.readout import mean_difference
from causal_ranker.stats._arrays import Array, binary_vector
from causal_ranker.stats.intervals import Interval

__all__ = ["Differences", "difference_in_differences"]


@dataclass(frozen=True)
class Differences:
    """A difference in differences, and whether the groups moved alike before.

    Parameters
    ----------
    effect : Interval
        Change of the treated less that of the others, from the mean before to the mean after.
    by_period : tuple of Interval
        The same for each period against the last one before; that one itself is 0.
    trend : Interval
        Difference of the groups' slopes before the change, in outcome per period; NaN with one
        period before.
    parallel_p : float
        P-value of a Wald test of no difference in any period before, by units; NaN likewise. A
        large one is no proof of parallel trends.
    treated, controls : int
        Units in each group.
    """

    effect: Interval
    by_period: tuple[Interval, ...]
    trend: Interval
    parallel_p: float
    treated: int
    controls: int

    @property
    def diverged(self) -> bool:
        """Whether the groups moved apart before the change (p < .05): the effect is then void."""
        return self.parallel_p < 0.05


def difference_in_differences(
    panel: ArrayLike, treated: ArrayLike, *, before: int, level: float = 0.95
) -> Differences:
    """Estimate the effect of a change that came to some units at one moment.

    Each unit's row is reduced to its mean after less its mean before, and the groups' means of that
    are compared as in Welch's test: this is two-way fixed effects of a whole panel with intervals
    by units, in closed form. It holds if the treated, without the change, would have moved as the
    others did.

    Parameters
    ----------
    panel : array_like, shape (units, periods)
        The outcome of each unit, at the level at which the change was made (a country, a shop, a
        title; a user if users were), in order of time.
    treated : array_like of 0 and 1, shape (units,)
        Whether the change came to the unit.
    before : int
        Periods before the change, from 1 to all but one.
    level : float
        Probability inside the intervals.

    Returns
    -------
    Differences
        The effect, the effect by period, and the check of trends before.

    Raises
    ------
    SchemaError
        If the panel is not a table of numbers with as many rows as `treated`, or `before` leaves no
        period on a side.
    RowError
        If a value is missing or not finite.
    EmptyError
        If a group has fewer than two units.
    DataError
        If nothing varies between units in some period.
    """
    try:
        table = np.asarray(panel, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected="a table of numbers", came=str(error), do="Convert the outcome to numbers."
        ) from None
    group = binary_vector(treated, name="treated")
    if table.ndim != 2 or table.shape[0] != group.size or not 0 < before < table.shape[-1]:
        raise SchemaError(
            expected="a panel of units by periods, a group for each unit, periods on both sides",
            came=f"shape {table.shape}, {group.size} groups, {before} periods before",
            do="Give one row per unit, one column per period, and 0 < before < periods.",
        )
    if not np.isfinite(table).all():
        bad = int((~np.isfinite(table)).any(axis=1).sum())
        raise RowError(
            expected="a value for every unit in every period",
            came=f"{bad} of {group.size} units with missing ones",
            do="Fill periods without events with 0 if that is what they mean, or leave units out.",
        )
    change = table[:, before:].mean(axis=1) - table[:, :before].mean(axis=1)
    moves = table - table[:, [before - 1]]
    trend, parallel = Interval(*[float("nan")] * 4), float("nan")
    if before > 1:
        time = np.arange(before) - (before - 1) / 2
        slopes = table[:, :before] @ time / (time @ time)
        trend = mean_difference(slopes, group, level=level).interval
        parallel = _wald(moves[:, : before - 1], group)
    return Differences(
        effect=mean_difference(change, group, level=level).interval,
        by_period=tuple(
            Interval(0.0, 0.0, 0.0, 0.0)
            if period == before - 1
            else mean_difference(moves[:, period], group, level=level).interval
            for period in range(table.shape[1])
        ),
        trend=trend,
        parallel_p=parallel,
        treated=int(group.sum()),
        controls=int((~group).sum()),
    )


def _wald(moves: Array, group: NDArray[np.bool_]) -> float:
    """Test that the groups' mean moves are equal in all columns, by F with Hotelling's factor."""
    from scipy.stats import f

    parts = moves[group], moves[~group]
    gap = parts[0].mean(axis=0) - parts[1].mean(axis=0)
    spread = np.atleast_2d(
        sum(np.cov(part, rowvar=False).reshape(gap.size, gap.size) / len(part) for part in parts)
    )
    rank = int(np.linalg.matrix_rank(spread, hermitian=True))
    freedom = len(moves) - 2 - rank + 1
    if rank == 0 or freedom < 1:
        return float("nan")
    distance = float(gap @ np.linalg.pinv(spread, hermitian=True) @ gap)
    return float(f.sf(distance * freedom / (rank * (len(moves) - 2)), rank, freedom))
