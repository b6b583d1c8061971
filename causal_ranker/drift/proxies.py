"""Early signs of an outcome: what each was worth in the past, and what it says now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.stats._arrays import Array, IntArray, as_numbers, binary_vector, same_size
from causal_ranker.stats._codes import whole_numbers
from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.stats.intervals import Interval, clustered_ratio

__all__ = ["Proxy", "ProxyReading"]

_INSIDE: Final = 0.95


@dataclass(frozen=True)
class ProxyReading:
    """What a proxy is worth, and what it says of a window.

    Parameters
    ----------
    weight : Interval
        Share by which knowing the proxy lowered the Brier score of the matured outcome, on
        periods later than those it was learned from: 1 for an oracle, 0 for nothing, below 0 if
        it misled. A skill score, with a 95 % interval over periods.
    wander : float
        Standard deviation, beyond chance, of the rate that came out less the rate that the proxy
        promised, over those periods; a share of the mean rate.
    refusal : str or None
        Why it is not believed; None where it is.
    rate : Interval or None
        Rate of the outcome that the window will show once matured, with a 95 % prediction
        interval, from what the proxy missed by in the past; None where it is refused.
    before : float
        Rate of the outcome in the reference.
    """

    weight: Interval
    wander: float
    refusal: str | None
    rate: Interval | None
    before: float


@dataclass(frozen=True)
class _Curve:
    """Mean outcome by bin of the proxy; missing values are the last bin."""

    edges: Array
    means: Array

    @classmethod
    def of(cls, proxy: Array, outcome: Array, *, bins: int) -> _Curve:
        known = proxy[~np.isnan(proxy)]
        levels = np.linspace(0, 1, bins + 1)[:-1]
        # Values themselves, never a point between two: zeros stay a bin of their own.
        edges = known  # none at all, if a stretch of the past has no value
        if known.size:
            edges = np.unique(np.quantile(known, levels, method="inverted_cdf"))
        curve = cls(edges, np.zeros(edges.size + 2))
        place = curve.places(proxy)
        rows = np.bincount(place, minlength=edges.size + 2)
        plays = np.bincount(place, weights=outcome, minlength=edges.size + 2)
        # One row of the overall rate stands in each bin, so that an empty one has a mean.
        return cls(edges, (plays + outcome.mean()) / (rows + 1))

    def places(self, proxy: Array) -> IntArray:
        found = np.searchsorted(self.edges, proxy, side="left")
        return np.where(np.isnan(proxy), self.edges.size + 1, found).astype(np.int64)

    def rates(self, proxy: Array) -> Array:
        rates: Array = self.means[self.places(proxy)]
        return rates


@dataclass(frozen=True)
class _Past:
    curve: _Curve
    weight: Interval
    missed: Array
    chance: Array
    said: Array
    before: float
    spread: float  # variance of what rows foretell
    rows: float  # of a period, harmonic mean

    def smaller(self, rows: int) -> float:
        """Say by how much of a row's variance a mean of fewer rows than a period's has more."""
        return max(1 / rows - 1 / self.rows, 0.0)


class Proxy(DetectorConfig):
    """One early sign (plays within a day, clicks, dwell) of an outcome that matures later.

    The reference is cut into periods (days or weeks, about as long as the windows asked about).
    Each period is foretold from the periods before it: how much better than their plain rate is
    the proxy's weight, and by how much the foretold rate missed is the error of what it says now.
    A proxy is refused if its weight may be 0, or if what it missed by wanders more than chance
    explains and more than `most_wander` of the rate: an autoplay that starts to count as a click
    moves clicks and no plays.

    As a detector it alarms if the rate that it foretells for the window lies further from those
    it says of the reference's periods than they lie from each other; a refused proxy never does.
    Of a window of fewer rows than a period has, the mean is taken to be as much less certain as
    that of independent rows.
    The effect size is the distance from their mean, in plays per row.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest change of the rate that matters.
    bins : int
        Quantile bins of the proxy; a missing value is a bin of its own.
    most_wander : float
        Largest standard deviation, beyond chance, of what the proxy missed by; a share of the
        mean rate.
    """

    bins: Annotated[int, Field(ge=1, le=100)] = 10
    most_wander: Annotated[float, Field(gt=0)] = 0.2
    _past: _Past | None = PrivateAttr(default=None)

    def fit(
        self, reference: ArrayLike, *, outcome: ArrayLike, period: ArrayLike, clusters: ArrayLike
    ) -> Self:
        """Learn what the proxy was worth.

        Parameters
        ----------
        reference : array_like, shape (n,)
            The proxy as it was known early, by the age at which windows are asked about; NaN is
            missing.
        outcome : array_like of 0 and 1, shape (n,)
            What came of it.
        period : array_like of whole numbers, shape (n,)
            In order of time; at least five.
        clusters : array_like of int or str, shape (n,)
            The user of each row.

        Returns
        -------
        Proxy
            Itself.

        Raises
        ------
        EmptyError
            If there are fewer than five periods.
        RowError, SchemaError
            If a column is not what it should be, or a period has one user only.
        """
        proxy = _values(reference, name="reference")
        played = binary_vector(outcome, name="outcome").astype(np.float64)
        when = whole_numbers(period, name="period")
        users = np.asarray(clusters)
        same_size(proxy.size, outcome=played, period=when, clusters=users)
        periods = np.unique(when)
        if periods.size < 5 or not 0 < played[when == periods[0]].mean() < 1:
            raise EmptyError(
                expected="at least five periods of matured rows, the first with both outcomes",
                came=f"{periods.size}, the first with {int(played[when == periods[0]].sum())} "
                f"plays of {int(np.sum(when == periods[0]))} rows",
                do="Cut the reference finer, or wait: a relation seen once may not last.",
            )
        better, worse, missed, chance = [], [], [], []
        for now in periods[1:]:
            past, rows = when < now, when == now
            said = _Curve.of(proxy[past], played[past], bins=self.bins).rates(proxy[rows])
            plain = np.square(played[rows] - played[past].mean())
            better.append(float(np.sum(plain - np.square(played[rows] - said))))
            worse.append(float(plain.sum()))
            gap = clustered_ratio(played[rows] - said, np.ones(said.size), users[rows])
            missed.append(gap.point)
            chance.append(max(gap.standard_error**2, float(np.mean(said * (1 - said)) / said.size)))
        curve = _Curve.of(proxy, played, bins=self.bins)
        rates = curve.rates(proxy)
        self._past = _Past(
            curve,
            clustered_ratio(better, worse, np.arange(len(better)), level=_INSIDE),
            np.array(missed),
            np.array(chance),
            np.array([rates[when == each].mean() for each in periods]),
            float(played.mean()),
            float(rates.var()),
            float(1 / np.mean(1 / np.unique(when, return_counts=True)[1])),
        )
        return self

    def read(self, window: ArrayLike) -> ProxyReading:
        """Say what the proxy is worth, and what it foretells.

        Parameters
        ----------
        window : array_like, shape (m,)
            The proxy of rows whose outcome has not matured; NaN is missing.

        Returns
        -------
        ProxyReading
            Weight, and rate or refusal.

        Raises
        ------
        EmptyError, SchemaError
            If there is no row, or the values are no numbers.
        """
        past = fitted(self._past, detector=self)
        foretold = past.curve.rates(_values(window, name="window"))
        point = float(foretold.mean())
        refusal, wander = self._refusal(past)
        rate = None
        if refusal is None:
            # Not less than what labels alone bring about, however lucky the past was.
            label = float(np.median(past.chance))
            more = label * past.rows * past.smaller(foretold.size)
            error = np.sqrt(max(float(np.mean(past.missed**2)), label) + more)
            quantile = two_sided_quantile(_INSIDE, degrees=past.missed.size)
            rate = Interval.around(point, error=float(error), quantile=quantile)
        return ProxyReading(past.weight, wander, refusal, rate, past.before)

    def predict(self, window: ArrayLike) -> Decision:
        """Test whether the foretold rate moved.

        Parameters
        ----------
        window : array_like, shape (m,)
            As in `read`.

        Returns
        -------
        Decision
            The statistic is the absolute Student's t of one more period. Of a refused proxy the
            threshold is infinite and the p-value NaN.

        Raises
        ------
        EmptyError, SchemaError
            If there is no row, or the values are no numbers.
        """
        from scipy.special import stdtr

        past = fitted(self._past, detector=self)
        foretold = past.curve.rates(_values(window, name="window"))
        point, count, mean = float(foretold.mean()), past.said.size, float(past.said.mean())
        variance = past.said.var(ddof=1) * (1 + 1 / count)
        error = float(np.sqrt(variance + past.spread * past.smaller(foretold.size)))
        statistic = abs(point - mean) / error if error else 0.0
        refused = self._refusal(past)[0] is not None
        return decide(
            self,
            statistic,
            threshold=float("inf")
            if refused
            else two_sided_quantile(1 - self.level, degrees=count - 1),
            p_value=float("nan") if refused else float(2 * stdtr(count - 1, -statistic)),
            effect_size=abs(point - mean),
        )

    def _refusal(self, past: _Past) -> tuple[str | None, float]:
        from scipy.special import chdtrc

        excess = float(np.mean(past.missed**2 - past.chance))
        wander = float(np.sqrt(max(excess, 0.0)) / past.before) if past.before else 0.0
        by_chance = chdtrc(past.missed.size, float(np.sum(past.missed**2 / past.chance)))
        if past.weight.low <= 0:
            return (
                f"it may tell nothing: its weight is {past.weight.point:.3f} "
                f"({past.weight.low:.3f} to {past.weight.high:.3f})",
                wander,
            )
        if by_chance < self.level and wander > self.most_wander:
            return (
                f"its relation to the outcome is unstable: rates came out {wander:.0%} off, "
                f"beyond chance, where at most {self.most_wander:.0%} is believed",
                wander,
            )
        return None, wander


def _values(values: ArrayLike, *, name: str) -> Array:
    vector = as_numbers(values, name=name)
    if vector.ndim != 1:
        raise SchemaError(
            expected=f"one dimension in the {name}",
            came=f"shape {vector.shape}",
            do="Pass one proxy.",
        )
    if not vector.size or np.isnan(vector).all():
        raise EmptyError(
            expected=f"values of the proxy in the {name}",
            came=f"{vector.size} rows, all missing",
            do="Check the filters that ran before, and whether the proxy is logged still.",
        )
    return vector
