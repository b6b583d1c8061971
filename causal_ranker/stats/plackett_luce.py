"""Plackett-Luce slates: drawing them, and the exact chances with which they are drawn.

Slots are filled one after the other; each takes item i among those left with probability
``e^{s_i} / sum_left e^{s}``, where s is the score divided by the temperature. The same slates
come from an exponential race: item i arrives at ``T_i ~ Exp(rate e^{s_i})``, and the slate is the
order of arrival. An item of score ``-inf`` is never shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats._arrays import Array, IntArray, positive_count
from causal_ranker.stats._race import chances_among_first

__all__ = [
    "conditional_propensities",
    "inclusion_propensities",
    "sample_slate",
    "sample_slates",
    "slot_propensities",
]


def sample_slate(
    scores: ArrayLike, k: int, *, rng: np.random.Generator, temperature: float = 1.0
) -> IntArray:
    """Draw one slate.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Scores of one request's candidates; ``-inf`` for an item that must not be shown.
    k : int
        Slots.
    rng : numpy.random.Generator
        Source of the draw.
    temperature : float
        Above 0; lower follows the scores more closely.

    Returns
    -------
    ndarray of int64, shape (k,)
        Positions of the chosen candidates, first slot first.

    Raises
    ------
    ConfigError
        If k is below 1 or above the number of candidates, or the temperature is not above 0.
    RowError
        If a score is NaN or plus infinity.
    """
    slate: IntArray = sample_slates(np.asarray(scores)[None], k, rng=rng, temperature=temperature)[
        0
    ]
    return slate


def sample_slates(
    scores: ArrayLike, k: int, *, rng: np.random.Generator, temperature: float = 1.0
) -> IntArray:
    """Draw one slate for each of many requests.

    Adding independent Gumbel noise to ``s`` and sorting gives Plackett-Luce order (Yellott,
    1977).

    Parameters
    ----------
    scores : array_like, shape (r, n)
        One row of scores per request; ``-inf`` for an item that is no candidate of it.
    k : int
        Slots.
    rng : numpy.random.Generator
        Source of the draws.
    temperature : float
        Above 0; lower follows the scores more closely.

    Returns
    -------
    ndarray of int64, shape (r, k)
        Columns of the chosen candidates, first slot first.

    Raises
    ------
    ConfigError
        If k is below 1 or above a row's number of candidates, or the temperature is not above 0.
    RowError
        If a score is NaN or plus infinity.
    SchemaError
        If the scores are not of two dimensions.
    """
    tempered = _tempered(scores, dimensions=(2,), temperature=temperature)
    slots = _slots(k, tempered)
    noisy = tempered + rng.gumbel(size=tempered.shape)
    top = np.argpartition(-noisy, slots - 1, axis=-1)[:, :slots]
    order = np.argsort(-np.take_along_axis(noisy, top, axis=-1), axis=-1)
    return np.take_along_axis(top, order, axis=-1)


def conditional_propensities(
    scores: ArrayLike, slate: ArrayLike, *, temperature: float = 1.0
) -> Array:
    """Return each slot's probability given the slots before it; their product is the slate's.

    Parameters
    ----------
    scores : array_like, shape (n,) or (r, n)
        Scores of the candidates of one request, or of r requests.
    slate : array_like of int, shape (k,) or (r, k)
        Positions of the chosen candidates, first slot first.
    temperature : float
        Above 0, as it was when the slate was drawn.

    Returns
    -------
    ndarray of float64, shape (k,) or (r, k)
        ``e^{s} / sum over the items not yet placed of e^{s}``.

    Raises
    ------
    ConfigError
        If the temperature is not above 0.
    RowError
        If a score is NaN or plus infinity, or a slate repeats an item, or names one that is not
        a candidate.
    SchemaError
        If the slate does not fit the scores.
    """
    tempered = _tempered(scores, dimensions=(1, 2), temperature=temperature)
    chosen = np.asarray(slate)
    fits = chosen.dtype.kind in "iu" and chosen.shape[:-1] == tempered.shape[:-1] and chosen.size
    if chosen.ndim != tempered.ndim or not fits:
        raise SchemaError(
            expected=f"a slate of integers that fits scores of shape {tempered.shape}",
            came=f"shape {chosen.shape} of type {chosen.dtype}",
            do="Pass the positions that were drawn from these scores.",
        )
    ordered = np.sort(chosen, axis=-1)
    outside = chosen.min() < 0 or chosen.max() >= tempered.shape[-1]
    if outside or (ordered[..., 1:] == ordered[..., :-1]).any():
        raise _bad_slate("an item that repeats or is out of range")
    placed = np.take_along_axis(tempered, chosen, axis=-1)
    if np.isneginf(placed).any():
        raise _bad_slate("an item of score -inf")
    rest = tempered.copy()
    np.put_along_axis(rest, chosen, -np.inf, axis=-1)
    never = np.logaddexp.reduce(rest, axis=-1, keepdims=True)
    # from the last slot backwards, so that sums only grow: subtracting the items already placed
    # from the total would lose every digit once the favourites are gone
    backwards = np.concatenate([never, placed[..., ::-1]], axis=-1)
    left = np.logaddexp.accumulate(backwards, axis=-1)[..., :0:-1]
    return np.exp(placed - left)


def inclusion_propensities(scores: ArrayLike, k: int, *, temperature: float = 1.0) -> Array:
    """Return each candidate's probability of being anywhere in the slate.

    By the integral over the exponential race (see `causal_ranker.stats._race`), with an error
    below 1e-9; 200 candidates and 10 slots take milliseconds.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Scores of one request's candidates; ``-inf`` for an item that must not be shown.
    k : int
        Slots.
    temperature : float
        Above 0.

    Returns
    -------
    ndarray of float64, shape (n,)
        Probabilities; they sum to k.

    Raises
    ------
    ConfigError
        If k is below 1 or above the number of candidates, or the temperature is not above 0.
    RowError
        If a score is NaN or plus infinity.
    SchemaError
        If the scores are not of one dimension.
    """
    tempered = _tempered(scores, dimensions=(1,), temperature=temperature)
    slots = _slots(k, tempered)
    shown = np.zeros(tempered.size)
    able = np.flatnonzero(tempered > -np.inf)
    if slots == able.size:
        shown[able] = 1.0
        return shown
    shown[able] = chances_among_first(tempered[able] - tempered[able].max(), places=slots)
    return shown


def slot_propensities(scores: ArrayLike, k: int, *, temperature: float = 1.0) -> Array:
    """Return each candidate's probability of standing in each slot, whatever stands above.

    An item is in slot s if it is among the first s and not among the first s - 1, so these are
    differences of `inclusion_propensities`, with an error below 2e-9.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Scores of one request's candidates; ``-inf`` for an item that must not be shown.
    k : int
        Slots.
    temperature : float
        Above 0.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Probabilities; each column sums to 1. A difference that the integral's error made negative
        is 0.

    Raises
    ------
    ConfigError
        If k is below 1 or above the number of candidates, or the temperature is not above 0.
    RowError
        If a score is NaN or plus infinity.
    SchemaError
        If the scores are not of one dimension.
    """
    slots = _slots(k, _tempered(scores, dimensions=(1,), temperature=temperature))
    among = [
        inclusion_propensities(scores, first, temperature=temperature)
        for first in range(1, slots + 1)
    ]
    by_slot: Array = np.diff(np.stack(among, axis=1), axis=1, prepend=0.0)
    return np.maximum(by_slot, 0.0)


def _tempered(scores: ArrayLike, *, dimensions: tuple[int, ...], temperature: float) -> Array:
    if not 0 < temperature < np.inf:
        raise ConfigError(
            expected="a temperature above 0",
            came=f"temperature = {temperature!r}",
            do="Choose temperature > 0; for the plain ranking, sort the scores.",
        )
    try:
        array = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected="numbers in 'scores'", came=str(error), do="Pass numeric scores."
        ) from None
    if array.ndim not in dimensions:
        raise SchemaError(
            expected=f"scores of {' or '.join(map(str, dimensions))} dimensions",
            came=f"an array of shape {array.shape}",
            do="Pass one row of scores per request.",
        )
    bad = np.isnan(array) | np.isposinf(array)
    if bad.any():
        raise RowError(
            expected="scores that are finite, or -inf for items not to be shown",
            came=f"{int(bad.sum())} scores that are NaN or plus infinity",
            do="Fill or drop these candidates.",
        )
    return array / temperature


def _slots(k: int, tempered: Array) -> int:
    slots = positive_count(k, name="k")
    fewest = int((tempered > -np.inf).sum(axis=-1).min(initial=tempered.shape[-1]))
    if slots > fewest:
        raise ConfigError(
            expected="at least k candidates in each request",
            came=f"k = {slots} and a request with {fewest} candidates",
            do="Lower k, or leave out requests with too few candidates.",
        )
    return slots


def _bad_slate(came: str) -> RowError:
    return RowError(
        expected="a slate of distinct candidates",
        came=came,
        do="Pass the positions that were drawn from these scores.",
    )
