"""Chance learned from whole days: how far a day without drift lies from others of its weekday.

Rows of one day move together, and weeks have a rhythm, so that a test of independent rows alarms
every weekend. Here each day of the reference is compared with the reference's other days of the
same weekday, and the window's day must be further away than those were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["Calendar", "DayChance", "further_than_days"]

_DRAWS: Final = 999
_WEEKDAYS: Final = (
    *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    *("Saturday", "Sunday"),
)


@dataclass(frozen=True, eq=False)
class Calendar:
    """Which days of a reference a day is compared with.

    Parameters
    ----------
    reference, window : ndarray of int64, shapes (n_days,) and (m_days,)
        The group of each day; days of one group are comparable.
    """

    reference: IntArray
    window: IntArray

    @classmethod
    def of_days(
        cls, reference: NDArray[Any], window: NDArray[Any], *, weekly: bool = True
    ) -> Calendar:
        """Group days by weekday.

        Parameters
        ----------
        reference, window : ndarray of datetime64[D]
            Distinct days.
        weekly : bool
            Without it all days are comparable.

        Returns
        -------
        Calendar
            The calendar.

        Raises
        ------
        EmptyError
            If the reference has no day of a weekday of the window.
        """
        if not weekly:
            return cls(np.zeros(reference.size, np.int64), np.zeros(window.size, np.int64))
        groups = [
            (days.astype("datetime64[D]").astype(np.int64) + 3) % 7 for days in (reference, window)
        ]
        absent = np.setdiff1d(groups[1], groups[0])
        if absent.size:
            raise EmptyError(
                expected="a reference with every weekday of the window",
                came="none for " + ", ".join(_WEEKDAYS[k] for k in absent),
                do="Take at least a whole week as reference (rather eight), or switch weekly off.",
            )
        return cls(*groups)

    def beside_window(self) -> Array:
        """Return the weights of reference days for each day of the window.

        Returns
        -------
        ndarray of float64, shape (m_days, n_days)
            1 for days of its group.
        """
        weights: Array = (self.window[:, None] == self.reference[None, :]).astype(np.float64)
        return weights

    def beside_reference(self) -> tuple[IntArray, Array]:
        """Return what each day of the reference is compared with: the others of its group.

        Returns
        -------
        days : ndarray of int64, shape (k,)
            Positions of the days that have others.
        weights : ndarray of float64, shape (k, n_days)
            1 for the others.
        """
        same = self.reference[:, None] == self.reference[None, :]
        np.fill_diagonal(same, False)
        days = np.flatnonzero(same.any(axis=1))
        return days, same[days].astype(np.float64)

    def widening(self) -> float:
        """Say how much wider the mean change of a window is than that of days drawn by lot.

        Days of the window share what they are compared with: of k days of a group beside g of the
        reference the mean change has a variance of ``(k + k^2 / g) / k^2`` days, but k changes of
        reference days beside the g - 1 others, drawn with replacement, of ``g / (g - 1) / k``.

        Returns
        -------
        float
            A factor of at least 1 on what is drawn.
        """
        groups, k = np.unique(self.window, return_counts=True)
        g = np.array([np.sum(self.reference == group) for group in groups], dtype=np.float64)
        if g.min() < 2:
            return 1.0
        return float(np.sqrt(max(np.sum(k * (1 + k / g)) / np.sum(k * g / (g - 1)), 1.0)))

    def mixture(self, rows: NDArray[Any], window_rows: NDArray[Any]) -> Array:
        """Weigh the reference's rows so that its weekdays have the window's shares.

        Parameters
        ----------
        rows, window_rows : ndarray, shapes (n_days,) and (m_days,)
            Rows of each day.

        Returns
        -------
        ndarray of float64, shape (1, n_days)
            Weights; rows times weights sum to the number of independent rows that the mixture is
            worth, ``1 / sum(share^2 / rows)`` over weekdays.
        """
        groups = int(max(self.reference.max(), self.window.max())) + 1
        share = np.bincount(self.window, weights=window_rows, minlength=groups)
        share = share / share.sum()
        there = np.bincount(self.reference, weights=rows, minlength=groups)
        per_row = np.divide(share, there, out=np.zeros(groups), where=there > 0)
        worth = 1 / np.sum(per_row * share)
        weights: Array = (worth * per_row)[self.reference][None, :]
        return weights


@dataclass(frozen=True)
class DayChance:
    """How signals of a window lie beside those of days without drift.

    Parameters
    ----------
    score : ndarray of float64, shape (n_signals,)
        Size of the change in units of the chance learned for its signal.
    threshold : float
        The largest score of all signals together that days without drift reach at the level.
    level : float
        The level that could be learned: the asked one, or one in the number of days and one.
    scale : ndarray of float64, shape (n_signals,)
        The learned chance, in the unit of the change.
    p_value : ndarray of float64, shape (n_signals,)
        Share of days (with the window) on which any signal had such a score.
    """

    score: Array
    threshold: float
    level: float
    scale: Array
    p_value: Array


def further_than_days(
    change: Array,
    chance: Array,
    *,
    window_change: Array,
    window_chance: Array,
    level: float,
    seed: int,
    widening: float = 1.0,
) -> DayChance:
    """Say how far the window is beside days without drift, all signals together.

    Every signal is set in units of its own root mean square over the reference's days (that of
    chance among rows where it is larger), without the day itself. The largest score of a day over
    all signals is kept; the window's scores must be beyond the ``1 - level`` quantile of these
    (Westfall and Young, 1993), so that any number of signals, however related, raises a false
    alarm on a share `level` of days.

    Parameters
    ----------
    change, chance : ndarray of float64, shape (n_days, n_signals)
        Signals of the reference's days beside the others of their weekday.
    window_change, window_chance : ndarray of float64, shape (m_days, n_signals)
        Signals of the window's days. Of several days the mean counts, and chance is that of means
        of as many days drawn from the reference, each in units of the days that were not drawn: a
        window is no part of what its unit is learned from either.
    level : float
        Rate of false alarms of the family.
    seed : int
        Decides the draws.
    widening : float
        Of several days, `Calendar.widening`.

    Returns
    -------
    DayChance
        Scores and their threshold.
    """
    days, m = len(change), len(window_change)
    square = np.sum(change**2, axis=0)
    one = np.sqrt(np.mean(window_chance**2, axis=0))
    scale = np.maximum(np.sqrt(square / days), one)
    if m == 1:
        without = np.sqrt((square - change**2) / max(days - 1, 1))
        largest = (np.abs(change) / np.maximum(without, chance)).max(axis=1)
    else:
        drawn = stage_rng(seed, "drift-days").integers(0, days, size=(_DRAWS, m))
        times = np.zeros((_DRAWS, days))
        np.add.at(times, (np.arange(_DRAWS)[:, None], drawn), 1.0)
        left = (times == 0).astype(np.float64)
        unit = np.sqrt(left @ change**2 / np.maximum(left.sum(axis=1, keepdims=True), 1.0))
        mean = np.abs(times @ change) * (widening / m)
        largest = (mean / np.maximum(unit, np.sqrt(np.mean(chance**2, axis=0)))).max(axis=1)
    score = np.abs(window_change.mean(axis=0)) / scale
    beyond = max(int(level * (largest.size + 1) + 1e-9), 1)
    ordered = np.sort(largest)
    p_value = (1 + largest.size - np.searchsorted(ordered, score, side="left")) / (largest.size + 1)
    return DayChance(
        score=score,
        threshold=float(ordered[-beyond]),
        level=max(level, 1 / (largest.size + 1)),
        scale=scale,
        p_value=p_value,
    )
