"""uplift@k of a score: what the first k slots of each request cause, with tied scores averaged.

A request's rows are ranked by score within the request. Rows that tie across slot k share the
slots that are left, which is the mean over all orders of the tied rows. `uplift_at_k` in
`causal_ranker.stats.curves` takes ranks instead, for lists whose ties were broken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import EmptyError
from causal_ranker.stats._arrays import (
    Array,
    IntArray,
    float_vector,
    positive_count,
    same_size,
    share,
)
from causal_ranker.stats._bands import half_sample_interval
from causal_ranker.stats._codes import clusterings, reject_empty_slots, request_codes
from causal_ranker.stats._half_samples import HalfSamples
from causal_ranker.stats._interval import Interval, t_quantile

__all__ = ["PairedUplift", "paired_uplift_at_k"]


@dataclass(frozen=True)
class PairedUplift:
    """uplift@k of two scores and of their difference, in extra plays per slot.

    Parameters
    ----------
    first, second : Interval
        Mean over requests of ``(1/k) sum_{rank <= k} gamma``.
    difference : Interval
        First minus second, from the same half-samples.
    """

    first: Interval
    second: Interval
    difference: Interval


def paired_uplift_at_k(
    first: ArrayLike,
    second: ArrayLike,
    gamma: ArrayLike,
    request: ArrayLike,
    cluster: ArrayLike,
    *,
    k: int,
    draws: int,
    rng: np.random.Generator,
    second_cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> PairedUplift:
    """Estimate uplift@k of two scores and of their difference, with half-sample intervals.

    Half-samples are of whole clusters, as in `causal_ranker.stats.bands`. Each request's 1 in
    the denominator is split over the rows that it shows, so that a unit of assignment that is in
    a half-sample brings its share of both.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        What to rank by within the request, higher is better.
    gamma : array_like, shape (n,)
        Doubly robust scores, in plays per exposure.
    request : array_like of int, shape (n,)
        Codes 0 .. R-1, each with a row.
    cluster : array_like of int or str, shape (n,)
        The cluster of each row, for example the user.
    k : int
        Slots; one that a short request leaves empty adds 0.
    draws : int
        Half-samples, at least 2.
    rng : numpy.random.Generator
        Source of the draws.
    second_cluster : array_like of int or str, shape (n,), optional
        A second clustering, for example the unit at which the treatment was assigned.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    PairedUplift
        In extra plays per slot.

    Raises
    ------
    ConfigError
        If k or draws is too small, k is above the rows of every request, or the level is not
        between 0 and 1.
    EmptyError
        If a half-sample shows no row at all: there are too few clusters.
    RowError
        If a value is not finite, a label is missing, or there is only one cluster.
    """
    slots, count = positive_count(k, name="k"), positive_count(draws, name="draws", least=2)
    inside = share(level, name="level")
    values = float_vector(gamma, name="gamma")
    codes, requests = request_codes(request)
    scores = [
        float_vector(score, name=name, finite=False)
        for name, score in (("first", first), ("second", second))
    ]
    same_size(values.size, first=scores[0], second=scores[1], request=codes)
    reject_empty_slots(slots, longest=int(np.bincount(codes).max()))
    shares = [_slot_shares(score, codes, requests=requests, k=slots) for score in scores]
    ways = clusterings(cluster, second_cluster, size=values.size, rows=np.arange(values.size))
    points = [float((part * values).sum()) / slots / requests for part in shares]
    drawn: list[list[Array]] = [[], [], []]
    for way in ways:
        samples = HalfSamples.draw(way, draws=count, rng=rng)
        one, other = (
            _drawn(samples, part, values, codes=codes, requests=requests, k=slots)
            for part in shares
        )
        for place, deviations in enumerate((one, other, one - other)):
            drawn[place].append(deviations)
    quantile = t_quantile(ways, level=inside)
    return PairedUplift(
        *(
            half_sample_interval(point, deviations, quantile=quantile)
            for point, deviations in zip((*points, points[0] - points[1]), drawn, strict=True)
        )
    )


def _slot_shares(score: Array, codes: IntArray, *, requests: int, k: int) -> Array:
    """Return how much of each row stands among the first k of its request.

    That is 1 or 0; in between for rows that tie across slot k. They sum to k in a request of at
    least k rows, and to the number of rows in a shorter one.
    """
    order = np.lexsort((-score, codes))
    ranked, of = score[order], codes[order]
    fresh = np.concatenate(([True], (of[1:] != of[:-1]) | (ranked[1:] != ranked[:-1])))
    starts = np.flatnonzero(fresh)
    size = np.diff(starts, append=order.size)
    first_row = np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=requests))[:-1]))
    above = starts - first_row[of[starts]]
    found = np.empty(order.size)
    found[order] = np.repeat(np.minimum(np.maximum((k - above) / size, 0.0), 1.0), size)
    return found


def _drawn(
    samples: HalfSamples, part: Array, gamma: Array, *, codes: IntArray, requests: int, k: int
) -> Array:
    shown = np.bincount(codes, weights=part, minlength=requests)
    size = samples.sums(part / shown[codes])
    if not size.all():
        raise EmptyError(
            expected="rows among the first k in every half-sample",
            came=f"none in {int((size == 0).sum())} of {size.size} half-samples",
            do="Give rows of more users and units, or cluster by a finer unit.",
        )
    return samples.deviations(samples.sums(part * gamma) / k / size)
