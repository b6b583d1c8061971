"""Propensities as they were logged, of the lists that were shown and of no others."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.evaluation.ope.policies import Array, IntArray, Mask

__all__ = ["LoggedPropensities"]


class LoggedPropensities:
    """A logging policy that is known by what it wrote beside each slot.

    What it would have done elsewhere is not known, so missing support shows only in weights whose
    mean lies below 1.

    Parameters
    ----------
    conditional : array_like, shape (n, L)
        P(this item in slot k | the slots before), above 0 and at most 1.
    marginal : array_like, shape (n, L), optional
        P(this item in slot k), whatever the other slots hold. With one slot it is the same.

    Raises
    ------
    SchemaError
        If the shapes do not fit.
    RowError
        If a propensity is NaN, not above 0, or above 1.
    """

    everywhere: Final = False
    least: Final = 0.0

    def __init__(self, conditional: ArrayLike, *, marginal: ArrayLike | None = None) -> None:
        self._conditional = _checked(conditional, name="conditional")
        self._marginal: Array | None
        if marginal is not None:
            self._marginal = _checked(marginal, name="marginal")
            if self._marginal.shape != self._conditional.shape:
                raise SchemaError(
                    expected=f"'marginal' of shape {self._conditional.shape}",
                    came=f"shape {self._marginal.shape}",
                    do="Pass both propensities of the same slots.",
                )
        else:
            self._marginal = self._conditional if self._conditional.shape[1] == 1 else None

    def prefix(self, items: IntArray) -> Array:
        """Return P(slots 1 .. k hold what was logged), for every k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            The logged lists, or their first slots.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Products of the conditional propensities.
        """
        self._fits(items)
        return np.asarray(np.cumprod(self._conditional[:, : items.shape[1]], axis=1))

    def marginal(self, items: IntArray) -> Array:
        """Return P(slot k holds what was logged).

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            The logged lists, or their first slots.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Chances.

        Raises
        ------
        ConfigError
            If they were not logged.
        """
        self._fits(items)
        if self._marginal is not None:
            return self._marginal[:, : items.shape[1]]
        if items.shape[1] == 1:  # the first slot has none before it
            return self._conditional[:, :1]
        raise ConfigError(
            expected="marginal propensities of slots, which this estimator weighs by",
            came="conditional ones alone",
            do="Pass marginal=..., or the logging policy itself, or leave out 'iips' and 'pi'.",
        )

    def possible(self, items: IntArray) -> Mask:
        """Say that what was logged is possible.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            The logged lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            True throughout.
        """
        self._fits(items)
        return np.ones(items.shape, dtype=np.bool_)

    def part(self, start: int, stop: int) -> LoggedPropensities:
        """Return the propensities of requests start .. stop - 1.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        LoggedPropensities
            Of these requests.
        """
        marginal = None if self._marginal is None else self._marginal[start:stop]
        return LoggedPropensities(self._conditional[start:stop], marginal=marginal)

    def _fits(self, items: IntArray) -> None:
        n, slots = self._conditional.shape
        if items.shape[0] != n or items.shape[1] > slots:
            raise SchemaError(
                expected=f"lists of shape ({n}, up to {slots}), whose propensities were logged",
                came=f"shape {items.shape}",
                do="Pass propensities and lists of the same requests, in one order.",
            )


def _checked(values: ArrayLike, *, name: str) -> Array:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        raise SchemaError(
            expected=f"'{name}' of shape (n, slots)",
            came=f"shape {array.shape}",
            do="Pass one row per list and one column per slot.",
        )
    bad = ~((array > 0) & (array <= 1))
    if bad.any():
        row, slot = (int(place[0]) for place in np.nonzero(bad))
        raise RowError(
            expected=f"propensities above 0 and at most 1 in '{name}'",
            came=f"{int(bad.sum())} others, such as {array[row, slot]} in row {row}, slot "
            f"{slot + 1}",
            do="What was shown had a chance: look where the propensity was lost.",
        )
    return array
