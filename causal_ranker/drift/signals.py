"""What is looked at in a column: its distribution, its statistics, what is missing or new.

A signal is a difference between a day and what it is compared with, in a unit that needs no
context, beside the size that chance among rows alone gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from causal_ranker.drift.histograms import cramers_v, kolmogorov_smirnov
from causal_ranker.drift.profiles import Categories, Numbers, Profile
from causal_ranker.stats._arrays import Array
from causal_ranker.stats.distances import chi_squared

__all__ = ["QUANTILES", "Kind", "Measured", "chance_of_rows", "effect_sizes", "measure"]

Kind = Literal[
    "distribution", "mean", "spread", "low", "median", "high", "missing", "new_categories"
]
#: The shares of values that "low", "median" and "high" are about.
QUANTILES: Final[dict[Kind, float]] = {"low": 0.05, "median": 0.5, "high": 0.95}
#: Standard deviation about 0 of Kolmogorov's law.
_KOLMOGOROV: Final = np.pi / np.sqrt(12)
_RARE: Final = 0.1


@dataclass(frozen=True)
class Measured:
    """One signal of several days.

    Parameters
    ----------
    change : ndarray of float64, shape (n_days,)
        Day less what it is compared with: of the mean in standard deviations of the reference; of
        the spread as a log ratio; "low", "median" and "high" as the change of the share of values
        up to the reference's quantile; of shares as ``arcsin(sqrt(share))``, whose chance is the
        same for rare and common; the distribution as Kolmogorov-Smirnov distance or Cramér's V.
        0 where a side has no value.
    chance : ndarray of float64, shape (n_days,)
        Its root mean square if rows were independent and nothing had changed.
    """

    change: Array
    chance: Array


def measure(days: Profile, others: Profile, *, whole: Profile) -> dict[Kind, Measured]:
    """Measure all signals of days beside what each is compared with.

    Parameters
    ----------
    days, others : Numbers or Categories
        Profiles with the same cells and as many days.
    whole : Numbers or Categories
        The whole reference as one "day": standard deviation, quantiles, tails.

    Returns
    -------
    dict of str to Measured
        By kind.
    """
    rows = [days.rows + days.missing, others.rows + others.missing]
    here = [np.asarray(days.rows, dtype=np.float64), np.asarray(others.rows, dtype=np.float64)]
    both = (here[0] > 0) & (here[1] > 0)
    by_row = _per_rows(*here)  # 1/n + 1/m of values
    found: dict[Kind, Measured] = {}

    def keep(kind: Kind, change: Array, chance: Array) -> None:
        sound = both & np.isfinite(change) & np.isfinite(chance)
        found[kind] = Measured(np.where(sound, change, 0.0), np.where(sound, chance, 1.0))

    if isinstance(days, Numbers) and isinstance(others, Numbers) and isinstance(whole, Numbers):
        distance = kolmogorov_smirnov(days.counts, others.counts)
        keep("distribution", distance, _KOLMOGOROV * np.sqrt(by_row))
        unit = whole.spread()[0]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (days.mean - others.mean) * (days.unit / unit)
            keep("mean", mean, np.sqrt(by_row))
            ratio = np.log(days.spread() / others.spread())
        keep("spread", ratio, np.sqrt(max(_kurtosis(whole) - 1, 0.1) / 4 * by_row))
        below = [_below(side.counts) for side in (days, others)]
        for kind in QUANTILES:
            at = _edge(kind, whole)
            p = _below(whole.counts)[0, at]
            keep(
                kind,
                below[0][:, at] - below[1][:, at],
                np.sqrt(max(p * (1 - p), 1e-3) * by_row),
            )
    elif isinstance(days, Categories) and isinstance(others, Categories):
        cells = np.maximum((others.counts > 0).sum(axis=1) - 1, 1)
        v = cramers_v(days.counts, others.counts)
        keep("distribution", v, np.sqrt(cells / np.maximum(here[0] + here[1], 1)))
        fresh = np.where(others.counts > 0, 0, days.counts).sum(axis=1)
        share = fresh / np.maximum(here[0], 1)
        keep("new_categories", np.arcsin(np.sqrt(share)), np.sqrt(by_row) / 2)
    shares = [
        np.arcsin(np.sqrt(np.clip(side.missing / np.maximum(n, 1), 0, 1)))  # rounding of weights
        for side, n in zip((days, others), rows, strict=True)
    ]
    found["missing"] = Measured(shares[0] - shares[1], np.sqrt(_per_rows(*rows)) / 2)
    return found


def effect_sizes(now: Profile, before: Profile, *, whole: Profile) -> dict[Kind, float]:
    """Return what decides whether a change matters, in units that a reader knows.

    Parameters
    ----------
    now, before, whole : Numbers or Categories
        Profiles of one "day" each.

    Returns
    -------
    dict of str to float
        As `Measured.change`, without its sign; "missing" and "new_categories" as plain shares.
    """
    effects: dict[Kind, float] = {
        kind: abs(float(found.change[0]))
        for kind, found in measure(now, before, whole=whole).items()
    }
    shares = [
        float(side.missing[0] / max(side.missing[0] + side.rows[0], 1)) for side in (now, before)
    ]
    effects["missing"] = abs(shares[0] - shares[1])
    if "new_categories" in effects:
        effects["new_categories"] = float(np.sin(effects["new_categories"]) ** 2)
    return effects


def chance_of_rows(now: Profile, before: Profile, *, whole: Profile) -> dict[Kind, float]:
    """Return the p-value of each signal if rows were independent.

    Kolmogorov's law for the distribution of numbers, chi-squared with rare categories pooled, the
    normal law for the mean and for shares up to quantiles, the share outside the reference's 5 %
    and 95 % quantiles for the spread, the binomial law for rare missing values, and Poisson's for
    the number of categories never seen (Good and Turing: as many as the reference has singletons,
    for its own size).

    Parameters
    ----------
    now, before, whole : Numbers or Categories
        Profiles of one "day" each. `before` may be a weighted mixture, whose counts sum to the
        number of rows that it is worth.

    Returns
    -------
    dict of str to float
        In [0, 1], by kind; 1 where nothing can be said.
    """
    from scipy.special import chdtrc, kolmogorov, ndtr, pdtrc

    measured = measure(now, before, whole=whole)
    p_values: dict[Kind, float] = {
        kind: 2 * float(ndtr(-abs(found.change[0]) / found.chance[0]))
        for kind, found in measured.items()
    }
    n, m = float(before.rows[0]), float(now.rows[0])
    if isinstance(now, Numbers) and isinstance(before, Numbers) and isinstance(whole, Numbers):
        low, high = _edge("low", whole), _edge("high", whole)
        below = [_below(side.counts)[0] for side in (now, before)]
        for kind in QUANTILES:
            at = _edge(kind, whole)
            p_values[kind] = _of_shares(below[0][at], below[1][at], m, n)
        # of a spread itself the normal law is wrong for tails a little heavy
        outside = [side[low] + 1 - side[high] for side in below]
        p_values["spread"] = _of_shares(outside[0], outside[1], m, n)
        root = measured["distribution"].change[0] / measured["distribution"].chance[0]
        p_values["distribution"] = float(kolmogorov(root * _KOLMOGOROV))
    elif isinstance(now, Categories) and isinstance(whole, Categories):
        p_values["distribution"] = 1.0
        if n > 0 and m > 0:
            statistic, freedom = chi_squared(before.counts[0], now.counts[0])
            if freedom > 0:
                p_values["distribution"] = float(chdtrc(freedom, statistic))
        singles = int(np.sum(whole.counts[0] == 1))
        expected = (singles + 1) * m / max(float(whole.rows[0]), 1.0)
        p_values["new_categories"] = float(pdtrc(now.new - 1, expected)) if now.new else 1.0
    p_values["missing"] = _missing(now, before)
    return p_values


def _missing(now: Profile, before: Profile) -> float:
    from scipy.special import bdtr, bdtrc

    gone = [float(side.missing[0]) for side in (now, before)]
    rows = [float(side.missing[0] + side.rows[0]) for side in (now, before)]
    share = sum(gone) / sum(rows)
    if share in (0.0, 1.0):
        return 1.0
    if min(share, 1 - share) < _RARE:
        rare = gone if share < _RARE else [n - k for n, k in zip(rows, gone, strict=True)]
        total, part = round(sum(rare)), rows[0] / sum(rows)
        k = min(round(rare[0]), total)
        upper = bdtrc(k - 1, total, part) if k else 1.0
        return min(1.0, 2 * float(min(bdtr(k, total, part), upper)))
    return _of_shares(gone[0] / rows[0], gone[1] / rows[1], rows[0], rows[1])


def _edge(kind: Kind, whole: Numbers) -> int:
    """Position of the edge up to which the reference has a quantile's share of values."""
    at = int(np.searchsorted(_below(whole.counts)[0], QUANTILES[kind]))
    return min(at, whole.edges.size - 1)


def _of_shares(first: float, second: float, n: float, m: float) -> float:
    """Test two shares by the normal law, corrected for the steps of counts."""
    from scipy.special import ndtr

    if not n or not m:
        return 1.0
    pooled = (n * first + m * second) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    away = max(abs(first - second) - (1 / n + 1 / m) / 2, 0.0)
    return 2 * float(ndtr(-away / error)) if error > 0 else 1.0


def _per_rows(first: NDArray[Any], second: NDArray[Any]) -> Array:
    found: Array = 1 / np.maximum(first, 1) + 1 / np.maximum(second, 1)
    return found


def _below(counts: NDArray[Any]) -> Array:
    total = counts.sum(axis=1, keepdims=True)
    below: Array = np.cumsum(counts, axis=1) / np.where(total > 0, total, 1)
    return below


def _kurtosis(whole: Numbers) -> float:
    """Fourth moment over squared variance, of values at the middles of their cells."""
    low = min(whole.low, whole.edges[0]) if np.isfinite(whole.low) else whole.edges[0]
    high = max(whole.high, whole.edges[-1]) if np.isfinite(whole.high) else whole.edges[-1]
    ends = np.concatenate([[low], whole.edges, [high]])
    middle = (ends[:-1] / 2 + ends[1:] / 2 - whole.centre) / whole.unit
    p = whole.counts[0] / max(whole.counts[0].sum(), 1)
    away = middle - np.sum(p * middle)
    variance = float(np.sum(p * away**2))
    with np.errstate(over="ignore", invalid="ignore"):
        fourth = float(np.sum(p * away**4))
    return fourth / variance**2 if variance > 0 and np.isfinite(fourth) else 3.0
