"""Several logging policies at once, by balanced weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import ConfigError
from causal_ranker.evaluation.ope.policies import Array, IntArray, LoggingPolicy, Mask
from causal_ranker.stats._arrays import float_vector, reject_rows

__all__ = ["Mixture"]

_ROUNDING: Final = 1e-6


class Mixture:
    """The policy that logged, where several took turns: ``sum_m rho_m p_m``.

    Weighing by it is the balance heuristic (Veach and Guibas, 1995; Agarwal et al., 2017): a list
    that one policy hardly ever shows does no harm as long as another shows it. Each policy must
    tell the chances of *all* logged lists, also of those that others logged.

    Parameters
    ----------
    policies : sequence of LoggingPolicy
        At least one, of the same requests.
    shares : array_like, shape (policies,)
        rho, the share of lists that each drew; above 0, with sum 1. `Mixture.of_logs` counts
        them.

    Attributes
    ----------
    everywhere : bool
        Whether all of them can tell the chances of other lists.
    least : float
        The smallest propensity that all can tell from 0.

    Raises
    ------
    ConfigError
        If the shares are not those of the policies.
    """

    def __init__(self, policies: Sequence[LoggingPolicy], *, shares: ArrayLike) -> None:
        rho = float_vector(shares, name="shares")
        if rho.size != len(policies) or not (rho > 0).all() or abs(rho.sum() - 1) > _ROUNDING:
            raise ConfigError(
                expected=f"{len(policies)} shares above 0 with sum 1, one per policy",
                came=f"{rho.size} with sum {rho.sum():g}, the least {rho.min():g}",
                do="Pass only the policies that logged, with their shares of the lists.",
            )
        self._policies, self._shares = tuple(policies), rho
        self.everywhere = all(policy.everywhere for policy in policies)
        self.least = max(policy.least for policy in policies)

    @classmethod
    def of_logs(cls, policies: Sequence[LoggingPolicy], *, logged_by: ArrayLike) -> Mixture:
        """Count the shares from who drew which list.

        Parameters
        ----------
        policies : sequence of LoggingPolicy
            At least one, of the same requests.
        logged_by : array_like of int, shape (n,)
            Which of them drew each list, from 0; every one must have drawn some.

        Returns
        -------
        Mixture
            With these shares.

        Raises
        ------
        RowError
            If a code is not that of a policy.
        ConfigError
            If a policy drew no list.
        """
        codes = float_vector(logged_by, name="logged_by")
        reject_rows(
            ~np.isin(codes, np.arange(len(policies))),
            codes,
            name="logged_by",
            expected=f"codes from 0 to {len(policies) - 1} in 'logged_by'",
            do="Number the policies in the order in which they are passed.",
        )
        counts = np.bincount(codes.astype(np.int64), minlength=len(policies))
        return cls(policies, shares=counts / codes.size)

    def prefix(self, items: IntArray) -> Array:
        """Return P(slots 1 .. k hold these items in this order), for every k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Means of the policies' chances by their shares.
        """
        return self._mean([policy.prefix(items) for policy in self._policies])

    def marginal(self, items: IntArray) -> Array:
        """Return P(slot k holds this item).

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of float64, shape (n, L)
            Means of the policies' chances by their shares.
        """
        return self._mean([policy.marginal(items) for policy in self._policies])

    def possible(self, items: IntArray) -> Mask:
        """Say whether some policy may put this item in slot k.

        Parameters
        ----------
        items : ndarray of int64, shape (n, L)
            Lists.

        Returns
        -------
        ndarray of bool, shape (n, L)
            The answer.
        """
        may: Mask = np.any([policy.possible(items) for policy in self._policies], axis=0)
        return may

    def part(self, start: int, stop: int) -> Mixture:
        """Return the mixture on requests start .. stop - 1, with the shares of all.

        Parameters
        ----------
        start, stop : int
            Rows.

        Returns
        -------
        Mixture
            Of these requests.
        """
        parts = [policy.part(start, stop) for policy in self._policies]
        return Mixture(parts, shares=self._shares)

    def _mean(self, chances: list[Array]) -> Array:
        mean: Array = np.tensordot(self._shares, np.stack(chances), axes=1)
        return mean
