"""Ranking metrics from logs: CP@K, CDCG and CAR with estimates in the place of the truth tau.

The truth tau of `causal_ranker.stats.rank_metrics` becomes an estimate per row. With p the
propensity of T = 1 and ``w = T/p + (1 - T)/(1 - p)``:

- IPS: ``Y (T/p - (1 - T)/(1 - p))``, unbiased where p is right;
- doubly robust: ``m1 - m0 + (2T - 1) w (Y - m_T)``, which is the AIPW score;
- self-normalised (SNIPS): each arm's weights are divided by their sum. That takes out most of
  the noise of the weights, at a bias that goes to 0 as rows become more (Swaminathan and Joachims,
  NeurIPS 2015).

A cap on w changes what is estimated: the capped rows count for less than they stand for. It is
never put on unasked, and its share is in the answer. Sources: Sato et al., RecSys 2020 (metrics);
Robins, Rotnitzky and Zhao, 1994 (doubly robust).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.stats._arrays import (
    Array,
    IntArray,
    binary_vector,
    float_vector,
    positive_count,
    reject_rows,
    same_size,
)
from causal_ranker.stats._codes import (
    clusterings,
    rank_vector,
    reject_empty_slots,
    reject_repeated_ranks,
    request_codes,
)
from causal_ranker.stats._interval import Interval, linearised
from causal_ranker.stats.weights import clip_weights, effective_sample_size

__all__ = ["LoggedEffects", "LoggedMetric", "LoggedRanking", "logged_effects"]


@dataclass(frozen=True)
class LoggedEffects:
    """What logs say of each row's effect; made by `logged_effects`.

    Parameters
    ----------
    treated : ndarray of bool, shape (n,)
        T.
    weight : ndarray of float64, shape (n,)
        w, inverse propensity of the arm that the row is in, capped where that was asked.
    residual : ndarray of float64, shape (n,)
        ``Y - m_T``; Y itself without outcome models.
    model : ndarray of float64, shape (n,)
        ``m1 - m0``; 0 without outcome models.
    capped : ndarray of bool, shape (n,)
        Whether the cap lowered the weight.
    """

    treated: NDArray[np.bool_]
    weight: Array
    residual: Array
    model: Array
    capped: NDArray[np.bool_]


@dataclass(frozen=True)
class LoggedMetric:
    """An estimate with its interval, and what it rests on.

    Parameters
    ----------
    interval : Interval
        In the unit of the metric.
    share_capped : float
        Share of the rows that count whose weight the cap lowered; above 0, the estimate leans.
    effective_treated, effective_control : float
        Effective sample sizes of the rows that count, by arm.
    """

    interval: Interval
    share_capped: float
    effective_treated: float
    effective_control: float


def logged_effects(
    outcome: ArrayLike,
    treatment: ArrayLike,
    *,
    propensity: ArrayLike,
    mu0: ArrayLike | None = None,
    mu1: ArrayLike | None = None,
    cap: float | None = None,
) -> LoggedEffects:
    """Weigh the rows of logs: inverse propensities alone, or around outcome models.

    Parameters
    ----------
    outcome : array_like, shape (n,)
        Y, plays of the row's item within the horizon, on any surface.
    treatment : array_like of 0 and 1, shape (n,)
        T, placed in the slate.
    propensity : array_like, shape (n,)
        p = P(T = 1 | X), strictly between 0 and 1.
    mu0, mu1 : array_like, shape (n,), optional
        Predicted outcomes without and with exposure, from models that did not see the row's user.
        With both, estimates are doubly robust.
    cap : float, optional
        Largest weight, above 1. No weight is capped without it.

    Returns
    -------
    LoggedEffects
        One weight, residual and model effect per row.

    Raises
    ------
    ConfigError
        If one outcome model comes without the other, or the cap is not above 1.
    OverlapError
        If a propensity is 0 or 1: no weight, capped or not, makes up for an arm that cannot be.
    RowError
        If a treatment is not 0 or 1, a propensity outside [0, 1], or a value not finite.
    """
    y = float_vector(outcome, name="outcome")
    treated = binary_vector(treatment, name="treatment")
    p = float_vector(propensity, name="propensity")
    same_size(y.size, treatment=treated, propensity=p)
    inside = "propensities strictly between 0 and 1"
    advice = "Check how the propensities were logged or estimated."
    reject_rows((p < 0) | (p > 1), p, name="propensity", expected=inside, do=advice)
    reject_rows(
        (p == 0) | (p == 1),
        p,
        name="propensity",
        expected=inside,
        do="Keep only rows with overlap, and report the share left out, or explore.",
        error=OverlapError,
    )
    weight = 1 / np.where(treated, p, 1 - p)
    capped = np.zeros(y.size, dtype=np.bool_)
    if cap is not None:
        if not cap > 1:
            raise ConfigError(
                expected="a cap above 1, as every inverse propensity is",
                came=f"cap = {cap!r}",
                do="Choose cap > 1, or leave it out.",
            )
        capped, weight = weight > cap, clip_weights(weight, cap=cap).weights
    if (mu0 is None) != (mu1 is None):
        raise ConfigError(
            expected="outcome models of both arms, or of none",
            came=f"'{'mu0' if mu1 is None else 'mu1'}' alone",
            do="Pass mu0 and mu1.",
        )
    if mu0 is None or mu1 is None:
        return LoggedEffects(treated, weight, y, np.zeros(y.size), capped)
    m0, m1 = float_vector(mu0, name="mu0"), float_vector(mu1, name="mu1")
    same_size(y.size, mu0=m0, mu1=m1)
    return LoggedEffects(treated, weight, y - np.where(treated, m1, m0), m1 - m0, capped)


@dataclass(frozen=True)
class LoggedRanking:
    """A ranking of logged rows, to be judged by its causal metrics.

    Parameters
    ----------
    effects : LoggedEffects
        What the logs say of the rows.
    rank : ndarray of int, shape (n,)
        Rank within the request, from 1.
    request : ndarray of int, shape (n,)
        Codes 0 .. R-1, each with a row.
    cluster : ndarray of int or str, shape (n,)
        The user of each row.
    second_cluster : ndarray of int or str, shape (n,), optional
        The unit at which T was assigned, where that is not the user.
    fewest_effective_rows : float
        Refuse an estimate if an arm has fewer effective rows among those that count.
    level : float
        Probability that an interval holds the truth.
    """

    effects: LoggedEffects
    rank: NDArray[np.integer]
    request: NDArray[np.integer]
    cluster: NDArray[np.generic]
    second_cluster: NDArray[np.generic] | None = None
    fewest_effective_rows: float = 100.0
    level: float = 0.95

    def cp_at_k(self, k: int, *, self_normalised: bool = False) -> LoggedMetric:
        """Estimate CP@K, extra plays per slot.

        Parameters
        ----------
        k : int
            Slots; one that a short request leaves empty adds 0.
        self_normalised : bool
            Divide the weights of each arm by their sum.

        Returns
        -------
        LoggedMetric
            Over the first k rows of each request.

        Raises
        ------
        ConfigError
            If k is not a whole number of at least 1, or is above every rank.
        RowError
            If a rank is below 1 or used twice, a request code has no row, or there is one cluster.
        OverlapError
            If an arm has too few effective rows among the first k.
        """
        slots = positive_count(k, name="k")
        ranks, codes, requests = self._checked()
        reject_repeated_ranks(ranks, codes, slots=slots)
        reject_empty_slots(slots, longest=int(ranks.max()))
        return self._estimate(
            np.where(ranks <= slots, 1 / slots, 0.0), codes, requests, normal=self_normalised
        )

    def cdcg(self, *, self_normalised: bool = False) -> LoggedMetric:
        """Estimate the causal DCG, discounted extra plays per request, over all rows.

        Parameters
        ----------
        self_normalised : bool
            Divide the weights of each arm by their sum.

        Returns
        -------
        LoggedMetric
            Over the whole ranking.

        Raises
        ------
        RowError
            If a rank is below 1, a request code has no row, or there is one cluster.
        OverlapError
            If an arm has too few effective rows.
        """
        ranks, codes, requests = self._checked()
        return self._estimate(1 / np.log2(1.0 + ranks), codes, requests, normal=self_normalised)

    def car(self, *, self_normalised: bool = False) -> LoggedMetric:
        """Estimate the causal average rank, plays times ranks per row; lower is better.

        Parameters
        ----------
        self_normalised : bool
            Divide the weights of each arm by their sum.

        Returns
        -------
        LoggedMetric
            Over the whole ranking.

        Raises
        ------
        RowError
            If a rank is below 1, a request code has no row, or there is one cluster.
        OverlapError
            If an arm has too few effective rows.
        """
        ranks, _, _ = self._checked()
        rows = np.arange(ranks.size)  # a mean over rows: each counts as one
        return self._estimate(ranks.astype(np.float64), rows, rows.size, normal=self_normalised)

    def _checked(self) -> tuple[IntArray, IntArray, int]:
        ranks, (codes, requests) = rank_vector(self.rank), request_codes(self.request)
        same_size(self.effects.weight.size, rank=ranks, request=codes)
        return ranks, codes, requests

    def _estimate(self, gain: Array, codes: IntArray, count: int, *, normal: bool) -> LoggedMetric:
        """Estimate ``(1/count) sum gain tau`` with its interval.

        Each code's 1 in the denominator is split over its rows that count, so that the share of a
        cluster in the numerator meets its share in the denominator.
        """
        counts = gain > 0
        sizes = self._effective(gain, counts)
        lost = np.bincount(codes, weights=counts, minlength=count) == 0
        at = np.flatnonzero(counts | lost[codes])
        share = 1.0 / np.bincount(codes[at], minlength=count)[codes[at]]
        gain, effects = gain[at], self.effects
        treated, residual, model = effects.treated[at], effects.residual[at], effects.model[at]
        pull = gain * effects.weight[at]  # what a row weighs in its arm
        if normal:
            point, parts = _self_normalised(
                gain, pull, treated=treated, residual=residual, model=model, share=share
            )
        else:
            values = gain * model + np.where(treated, pull, -pull) * residual
            point = float(values.sum()) / count
            parts = (values - point * share) / count
        ways = clusterings(self.cluster, self.second_cluster, size=codes.size, rows=at)
        return LoggedMetric(
            interval=linearised(point, parts, ways=ways, level=self.level),
            share_capped=float(effects.capped[counts].mean()),
            effective_treated=sizes[1],
            effective_control=sizes[0],
        )

    def _effective(self, gain: Array, counts: NDArray[np.bool_]) -> tuple[float, float]:
        """Return the effective rows of the control arm and of the treated one, if they do."""
        found = []
        for arm in (0, 1):
            mine = counts & (self.effects.treated == bool(arm))
            weights = gain[mine] * self.effects.weight[mine]
            size = effective_sample_size(weights) if weights.size else 0.0
            if size < self.fewest_effective_rows:
                raise OverlapError(
                    expected=f"at least {self.fewest_effective_rows:g} effective rows with "
                    f"T = {arm} among those that the metric counts",
                    came=f"{size:.3g} of {weights.size} rows",
                    do="Give more logs, explore more, or judge a ranking nearer to what was shown.",
                )
            found.append(size)
        return found[0], found[1]


def _self_normalised(
    gain: Array,
    pull: Array,
    *,
    treated: NDArray[np.bool_],
    residual: Array,
    model: Array,
    share: Array,
) -> tuple[float, Array]:
    """Return the estimate, and what each row adds to its error (by linearisation)."""
    count, slots = float(share.sum()), float(gain.sum())
    point = float((gain * model).sum()) / count
    parts = (gain * model - point * share) / count
    difference = 0.0
    for sign, arm in ((1.0, treated), (-1.0, ~treated)):
        weight = np.where(arm, pull, 0.0)
        mean = float((weight * residual).sum() / weight.sum())
        difference += sign * mean
        parts = parts + sign * slots / count * weight * (residual - mean) / weight.sum()
    # the number of slots is a sum over clusters too, where requests are short
    parts = parts + difference * (gain - slots / count * share) / count
    return point + slots / count * difference, parts
