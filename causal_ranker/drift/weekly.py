"""One variable whose weeks have a rhythm: its Mondays are compared with Mondays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, PrivateAttr

from causal_ranker.drift.days import Calendar, further_than_days
from causal_ranker.drift.histograms import coarse, jensen_shannon, psi, wasserstein
from causal_ranker.drift.profiles import Numbers
from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.drift.signals import Kind, measure
from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.stats._arrays import Array, float_vector, same_size

__all__ = ["WeeklyDetector", "WeeklyKind"]

WeeklyKind = Literal[
    "distribution",
    "mean",
    "spread",
    "low",
    "median",
    "high",
    "psi",
    "jensen_shannon",
    "wasserstein",
]
_DISTANCES = frozenset({"psi", "jensen_shannon", "wasserstein"})


@dataclass(frozen=True, eq=False)
class _Learned:
    profile: Numbers
    whole: Numbers
    days: NDArray[np.datetime64]


class WeeklyDetector(DetectorConfig):
    """A statistic of numbers by day, beside how days of its weekday differ without drift.

    Parameters
    ----------
    level : float
        Rate of false alarms; that of k days of reference is a multiple of 1 / (k + 1), rounded
        down, but not below one.
    least_effect : float
        Smallest change that matters, in the unit of `causal_ranker.drift.signals.measure`; for
        "psi", "jensen_shannon" and "wasserstein" (in standard deviations) the distance itself.
    kind : str
        What is looked at.
    weekly : bool
        Without it any day is compared with all.
    seed : int
        Decides the draws where a window has several days.
    """

    kind: WeeklyKind = "distribution"
    weekly: bool = True
    seed: Annotated[int, Field(ge=0)] = 0
    _learned: _Learned | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, days: ArrayLike) -> WeeklyDetector:
        """Profile the reference's days.

        Parameters
        ----------
        reference : array_like, shape (n,)
            Finite numbers.
        days : array_like of datetime64 or date, shape (n,)
            The day of each.

        Returns
        -------
        WeeklyDetector
            Itself.

        Raises
        ------
        EmptyError
            If no weekday is there twice.
        RowError, SchemaError
            If a value is no finite number, or has no day.
        """
        values = float_vector(reference, name="reference")
        known, place = _days(days, size=values.size)
        if not Calendar.of_days(known, known, weekly=self.weekly).beside_reference()[0].size:
            raise EmptyError(
                expected="a reference in which some weekday comes twice",
                came=f"{known.size} days",
                do="Take at least two weeks, rather eight.",
            )
        profile = Numbers.of_values(values, place, size=known.size)
        self._learned = _Learned(profile, profile.mixed(np.ones((1, known.size))), known)
        return self

    def predict(self, window: ArrayLike, *, days: ArrayLike) -> Decision:
        """Compare the window's days with those of their weekday.

        Parameters
        ----------
        window : array_like, shape (m,)
            Finite numbers.
        days : array_like of datetime64 or date, shape (m,)
            The day of each.

        Returns
        -------
        Decision
            The statistic is the change in units of its chance among days.

        Raises
        ------
        EmptyError, NotFittedError, RowError, SchemaError
            As `fit`, or before it, or if the reference lacks a weekday of the window, or is not
            over when the window begins.
        """
        learned = fitted(self._learned, detector=self)
        values = float_vector(window, name="window")
        known, place = _days(days, size=values.size)
        if known[0] <= learned.days[-1]:
            raise RowError(
                expected=f"days after the reference's last, {learned.days[-1]}",
                came=f"{known[0]}",
                do="Fit on the older rows, and pass no day twice.",
            )
        now = Numbers.of_values(values, place, size=known.size, like=learned.profile)
        calendar = Calendar.of_days(learned.days, known, weekly=self.weekly)
        at, others = calendar.beside_reference()
        null = self._changes(
            learned.profile.days(at), learned.profile.mixed(others), whole=learned.whole
        )
        beside = learned.profile.mixed(calendar.beside_window())
        seen = self._changes(now, beside, whole=learned.whole)
        chance = further_than_days(
            null[0][:, None],
            null[1][:, None],
            window_change=seen[0][:, None],
            window_chance=seen[1][:, None],
            level=self.level,
            seed=self.seed,
            widening=calendar.widening(),
        )
        score, p_value = float(chance.score[0]), float(chance.p_value[0])
        effect = abs(float(seen[0].mean()))
        found = decide(self, score, threshold=chance.threshold, effect_size=effect)
        # with few days the smallest p-value is above the level, and the threshold decides
        return Decision(score, chance.threshold, p_value, effect, found.drifted)

    def _changes(self, days: Numbers, others: Numbers, *, whole: Numbers) -> tuple[Array, Array]:
        if self.kind not in _DISTANCES:
            kind: Kind = self.kind  # type: ignore[assignment]
            found = measure(days, others, whole=whole)[kind]
            return found.change, found.chance
        if self.kind == "wasserstein":
            low, high = min(days.low, others.low), max(days.high, others.high)
            away = wasserstein(
                days.counts, others.counts, edges=days.edges, low=low, high=high
            ) / max(float(whole.spread()[0]), np.finfo(float).tiny)
        else:
            sides = [coarse(side.counts, whole=whole.counts[0]) for side in (days, others)]
            away = (psi if self.kind == "psi" else jensen_shannon)(*sides)
        # distances have a chance of their own, which the days teach; rows are no help
        return away, np.full(away.size, np.finfo(float).tiny)


def _days(days: ArrayLike, *, size: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    try:
        column = np.asarray(days, dtype="datetime64[D]")
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected="dates in 'days'", came=str(error), do="Convert them with numpy.datetime64."
        ) from None
    same_size(size, days=column)
    if np.isnat(column).any():
        raise SchemaError(
            expected="a day in every row",
            came=f"{int(np.isnat(column).sum())} without one",
            do="Drop these rows, or mend the log.",
        )
    known, place = np.unique(column, return_inverse=True)
    return known, place
