"""The order of independent normal variables: the chances of who is largest, second, ... k-th.

One variable for each candidate is drawn, and the k largest make a list. Given the largest ones
``a_1, ..., a_(s-1)``, the next is ``a_s`` with probability ``L_s / L_(s-1)``, where

``L_s = P(a_1 > ... > a_s > all others)``
``    = int f_(a_s)(x) P(a_1 > ... > a_(s-1) > x) prod_j F_j(x) dx``

over the others j. What stands in the middle is an integral of the same kind, from x upwards, so
that k single integrals say all. Whatever stands above, ``P(i is s-th) = int f_i(x) P(s - 1 of the
others are above x) dx`` (`causal_ranker.stats._placing`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.stats._arrays import (
    Array,
    float_vector,
    positive_count,
    reject_rows,
    same_size,
)
from causal_ranker.stats._normal_nodes import nodes_of
from causal_ranker.stats._placing import chances_by_place

__all__ = ["LargestFirst", "largest_by_place"]

_CELLS: Final = 2_000_000
#: In standard deviations: below, a chance would soon be too small for a number.
_LOWEST: Final = -37.0
#: Whoever was next with less of a chance makes everything behind impossible.
_NOTHING: Final = 1e-200
#: In a panel it may fall by e^3 or so: more, and a polynomial no longer follows it.
_FALLS: Final = 3.0
_ROOT: Final = np.sqrt(2 * np.pi)


class LargestFirst:
    """Names the largest, the second, ... of some variables, each with its chance given those above.

    Parameters
    ----------
    mean, sd : array_like, shape (n,)
        Means and standard deviations of the variables.
    places : int
        How many are named at most.

    Raises
    ------
    ConfigError
        If there are not so many variables.
    RowError
        If a mean is not finite, a standard deviation not above 0, or so small beside the others
        that its step cannot be told from a jump.
    SchemaError
        If they are no columns of one length.
    """

    def __init__(self, mean: ArrayLike, sd: ArrayLike, *, places: int) -> None:
        from scipy.special import ndtr

        means, sds = _checked(mean, sd, places=places)
        # What stands above falls by some e^k over a standard deviation.
        width = min(_spread(places), _FALLS / places)
        self._nodes = nodes_of(means, sds, places=places, width=width)
        self._mean, self._sd = means, sds
        near = np.flatnonzero(self._nodes.near)
        z = (self._nodes.x - means[near, None, None]) / sds[near, None, None]
        below = np.log(ndtr(np.maximum(z, _LOWEST)))
        self._below = dict(zip(near.tolist(), below, strict=True))
        self._all_below = sum(self._below.values())
        self._ahead: Array | float = 1.0

    def next(self, item: int) -> float:
        """Name the next one.

        Parameters
        ----------
        item : int
            Its place among the variables; none that was named before.

        Returns
        -------
        float
            Its chance, with an error below 1e-9.

        Raises
        ------
        SchemaError
            If it is no variable, or was named before.
        """
        if not 0 <= item < self._mean.size:
            raise _no_such(item, self._mean.size)
        if item not in self._below:
            if self._nodes.near[item]:
                raise _no_such(item, self._mean.size)
            self._ahead = 0.0
            return 0.0
        self._all_below = self._all_below - self._below.pop(item)
        z = (self._nodes.x - self._mean[item]) / self._sd[item]
        density = np.exp(-z * z / 2) / (self._sd[item] * _ROOT)
        here = density * self._ahead
        chance = float((here * np.exp(self._all_below) * self._nodes.weight).sum())
        # What is kept is over the chance of everything so far, which would soon be no number.
        self._ahead = self._nodes.above(here) / chance if chance > _NOTHING else 0.0
        return min(chance, 1.0)


def largest_by_place(mean: ArrayLike, sd: ArrayLike, *, places: int) -> Array:
    """Return the chance of each variable to be the largest, the second, ... the k-th.

    Parameters
    ----------
    mean, sd : array_like, shape (n,)
        Means and standard deviations of the variables.
    places : int
        k.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Chances with an error below 1e-8. Over variables they sum to 1, over places to the chance of
        being among the k largest. 200 variables and 10 places take about 20 milliseconds.

    Raises
    ------
    ConfigError
        If there are fewer than k variables.
    RowError
        If a mean is not finite, a standard deviation not above 0, or so small beside the others
        that its step cannot be told from a jump.
    SchemaError
        If they are no columns of one length.
    """
    from scipy.special import ndtr

    means, sds = _checked(mean, sd, places=places)
    nodes = nodes_of(means, sds, places=places, width=_spread(places))
    some_mean, some_sd = means[nodes.near, None], sds[nodes.near, None]
    x, weight = nodes.x.ravel(), nodes.weight.ravel()
    raced = np.zeros((some_mean.size, places))
    at_once = max(1, _CELLS // (some_mean.size * places))
    for start in range(0, x.size, at_once):
        part = slice(start, start + at_once)
        z = (x[part] - some_mean) / some_sd
        density = np.exp(-z * z / 2) * (weight[part] / (some_sd * _ROOT))
        # The largest comes first: who is above is there already.
        raced += chances_by_place(ndtr(z), ndtr(-z), density, places=places)
    found = np.zeros((means.size, places))
    found[nodes.near] = np.minimum(raced, 1.0)
    return found


def _checked(mean: ArrayLike, sd: ArrayLike, *, places: int) -> tuple[Array, Array]:
    means, sds = float_vector(mean, name="mean"), float_vector(sd, name="sd")
    same_size(means.size, sd=sds)
    reject_rows(
        sds <= 0,
        sds,
        name="sd",
        expected="standard deviations above 0",
        do="Give every candidate an interval of some width.",
    )
    if positive_count(places, name="places") > means.size:
        raise ConfigError(
            expected="at least as many variables as places",
            came=f"{means.size} and places = {places}",
            do="Ask for fewer places.",
        )
    return means, sds


def _spread(places: int) -> float:
    """Return how wide panels may be for the k-th largest, in standard deviations."""
    return 1.5 / float(np.sqrt(max(places, 9)))


def _no_such(item: int, n: int) -> SchemaError:
    return SchemaError(
        expected=f"a place among {n} variables that was not named before",
        came=str(item),
        do="Name each variable once.",
    )
