"""The chance that an item is shown to a user, of any pair.

Methods and metrics that weigh plays by inverse propensities read them from `Interactions`, where
`with_propensity` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats.logistic import probability
from causal_ranker.uplift.collaborative.codes import checked_codes
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["Bend", "FactorPropensity", "PairPropensity", "with_propensity"]

Array = NDArray[np.float64]


class PairPropensity(Protocol):
    """Says P(T = 1) of pairs, strictly between 0 and 1."""

    def of(self, user: NDArray[Any], item: NDArray[Any]) -> Array:
        """Return the propensities of pairs.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes; -1 for one without a code, which counts as an average one.

        Returns
        -------
        ndarray of float64, shape (n,)
            In (0, 1).
        """
        ...

    def of_users(self, user: NDArray[Any]) -> Array:
        """Return the propensities of every item for some users.

        Parameters
        ----------
        user : ndarray of int, shape (n,)
            Codes, as in `of`.

        Returns
        -------
        ndarray of float64, shape (n, n_items)
            In (0, 1).
        """
        ...


@dataclass(frozen=True)
class Bend:
    """A piecewise linear map of log odds, by which propensities are calibrated.

    Parameters
    ----------
    knots : ndarray of float64, shape (m,)
        Log odds at which the map may turn.
    change : ndarray of float64, shape (2 + m,)
        What it adds: a number, a slope, and a change of the slope at each knot.
    """

    knots: Array
    change: Array

    def __call__(self, odds: Array) -> Array:
        """Map log odds.

        Parameters
        ----------
        odds : ndarray of float64
            Of any shape.

        Returns
        -------
        ndarray of float64
            Of the same shape.
        """
        bent: Array = odds + self.change[0] + self.change[1] * odds
        for knot, turn in zip(self.knots, self.change[2:], strict=True):
            bent += turn * np.maximum(odds - knot, 0)
        return bent


@dataclass(frozen=True)
class FactorPropensity:
    """``logit p = bend(level + b_u + c_i + p_u . q_i)``.

    Parameters
    ----------
    level : float
        Log odds of an average pair.
    user, item : ndarray of float32, shape (n_users, 1 + k) and (n_items, 1 + k)
        Intercept, then factors.
    bend : Bend, optional
        Calibration of the log odds.
    """

    level: float
    user: NDArray[np.float32]
    item: NDArray[np.float32]
    bend: Bend | None = None

    def of(self, user: NDArray[Any], item: NDArray[Any]) -> Array:
        """Return the propensities of pairs.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes; -1 is an average one.

        Returns
        -------
        ndarray of float64, shape (n,)
            In (0, 1).
        """
        return probability(self.odds(user, item))

    def odds(self, user: NDArray[Any], item: NDArray[Any]) -> Array:
        """Return the log odds of pairs.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes; -1 is an average one.

        Returns
        -------
        ndarray of float64, shape (n,)
            Beyond 30 on either side they count as 30 in propensities.
        """
        own, other = _rows(self.user, user, name="user"), _rows(self.item, item, name="item")
        odds = self.level + own[:, 0].astype(np.float64) + other[:, 0]
        odds += np.einsum("nk,nk->n", own[:, 1:], other[:, 1:])
        return odds if self.bend is None else self.bend(odds)

    def of_users(self, user: NDArray[Any]) -> Array:
        """Return the propensities of every item for some users.

        Parameters
        ----------
        user : ndarray of int, shape (n,)
            Codes; -1 is an average one.

        Returns
        -------
        ndarray of float64, shape (n, n_items)
            In (0, 1).
        """
        own = _rows(self.user, user, name="user")
        odds = self.level + own[:, :1].astype(np.float64) + self.item[:, 0]
        odds += own[:, 1:] @ self.item[:, 1:].T
        return probability(odds if self.bend is None else self.bend(odds))


def with_propensity(interactions: Interactions, propensity: PairPropensity) -> Interactions:
    """Write propensities to pairs.

    Parameters
    ----------
    interactions : Interactions
        Pairs; left as they are.
    propensity : PairPropensity
        Of the same codes.

    Returns
    -------
    Interactions
        The same pairs with these propensities.
    """
    return replace(interactions, propensity=propensity.of(interactions.user, interactions.item))


def _rows(table: NDArray[np.float32], codes: NDArray[Any], *, name: str) -> NDArray[np.float32]:
    """Look up rows; an average one is all zeros."""
    checked = checked_codes(codes, count=len(table), name=name)
    return np.where((checked >= 0)[:, None], table[checked], np.float32(0))
