"""Stretches of a reference's days that stand for a window without drift.

For what takes all rows of a window at once, such as the distance of two distributions, so that
days cannot be looked at one by one and put together (`causal_ranker.drift.days` does that).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from causal_ranker.drift.days import Calendar, DayChance, further_than_days
from causal_ranker.seeds import stage_rng
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["further_than_stretches", "stretches_of"]

_STRETCHES: Final = 59
_WEEK: Final = 7


def stretches_of(calendar: Calendar, *, seed: int) -> list[tuple[IntArray, IntArray]]:
    """Choose days of a reference that stand for a window without drift.

    Of a window of one day it is every day that has others of its group. Of a longer one it is days
    drawn by lot, at most 59 times, of the window's groups or of the same pattern one day later, two
    days later and so on: of three weeks there are nine pairs of a Monday and a Tuesday, and 63 of
    two days in a row.

    Parameters
    ----------
    calendar : Calendar
        Which days are comparable.
    seed : int
        Decides the draws.

    Returns
    -------
    list of (ndarray of int64, ndarray of int64)
        Positions of the days, and of those that they are compared with; empty where no group has
        days left to compare with.
    """
    reference = calendar.reference
    if calendar.window.size == 1:
        days, others = calendar.beside_reference()
        return [(days[k : k + 1], np.flatnonzero(others[k])) for k in range(days.size)]
    patterns = _patterns(calendar)
    rng = stage_rng(seed, "drift-stretches")
    drawn = set()
    for k in range(_STRETCHES if patterns else 0):
        here = [
            rng.choice(np.flatnonzero(reference == group), size=n, replace=False)
            for group, n in zip(*patterns[k % len(patterns)], strict=True)
        ]
        drawn.add(tuple(np.sort(np.concatenate(here)).tolist()))
    found = []
    for stretch in sorted(drawn):
        alike = np.flatnonzero(np.isin(reference, reference[list(stretch)]))
        found.append((np.array(stretch), np.setdiff1d(alike, stretch)))
    return found


def further_than_stretches(
    calendar: Calendar, null: Array, seen: Array, *, least: Array, level: float, seed: int
) -> DayChance:
    """Say how far a window is beside stretches without drift, all signals together.

    Of a window of one day as `further_than_days`. Of a longer one every signal is set in units of
    its own mean and standard deviation over stretches, without the stretch itself, and the window
    must be beyond the ``1 - level`` quantile of each stretch's largest score. But stretches have
    days in common: each is in a unit that it has a part in, as a normal variable in a known one,
    and the window in a unit that other days have made, as Student's t of as many degrees as those
    days leave. Its scores are those that are as rare among normal variables.

    Parameters
    ----------
    calendar : Calendar
        Which days are comparable.
    null : ndarray of float64, shape (n_stretches, n_signals)
        Distances of `stretches_of` from what they are compared with, 0 or more.
    seen : ndarray of float64, shape (n_signals,)
        Those of the window.
    least : ndarray of float64, shape (n_signals,)
        Smallest unit of each signal: days may not differ at all, as where nothing ever is missing.
    level : float
        Rate of false alarms of the family.
    seed : int
        As of `stretches_of`.

    Returns
    -------
    DayChance
        Scores and their threshold.
    """
    from scipy.special import ndtri, stdtr

    floor = np.broadcast_to(least, null.shape)
    if calendar.window.size == 1:
        return further_than_days(
            null,
            floor,
            window_change=seen[None],
            window_chance=floor[:1],
            level=level,
            seed=seed,
        )
    count, total, square = len(null), null.sum(axis=0), np.sum(null**2, axis=0)
    mean = (total - null) / max(count - 1, 1)
    variance = (square - null**2) / max(count - 1, 1) - mean**2
    largest = ((null - mean) / np.sqrt(np.maximum(variance, floor**2))).max(axis=1)
    scale = np.maximum(null.std(axis=0), least)
    score = -ndtri(stdtr(_degrees(calendar), -(seen - null.mean(axis=0)) / scale))
    beyond = max(int(level * (count + 1) + 1e-9), 1)
    ordered = np.sort(largest)
    return DayChance(
        score=score,
        threshold=float(ordered[-beyond]),
        level=max(level, 1 / (count + 1)),
        scale=scale,
        p_value=(1 + count - np.searchsorted(ordered, score, side="left")) / (count + 1),
    )


def _patterns(calendar: Calendar) -> list[tuple[IntArray, IntArray]]:
    """List groups, and days of each, of which the reference has more than a stretch takes."""
    groups, times = np.unique(calendar.window, return_counts=True)
    found = []
    for later in range(_WEEK):
        turned = (groups + later) % _WEEK
        if np.all((calendar.reference[:, None] == turned).sum(axis=0) > times):
            found.append((turned, times))
    return found


def _degrees(calendar: Calendar) -> int:
    """Count the days of all patterns, less a mean for each group."""
    groups = np.unique(np.concatenate([turned for turned, _ in _patterns(calendar)]))
    return int(np.isin(calendar.reference, groups).sum() - groups.size)
