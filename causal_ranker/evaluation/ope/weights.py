"""How much each logged list, prefix and slot counts for the new policy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.evaluation.ope.linear import linear_weights
from causal_ranker.evaluation.ope.policies import (
    Array,
    IntArray,
    ListPolicy,
    LoggingPolicy,
    list_array,
)

__all__ = ["ListWeights", "effective_lists"]


@dataclass(frozen=True)
class ListWeights:
    """Weights of logged lists, each kind computed when it is first asked for.

    They do not depend on rewards, so one object serves several outcomes of the same lists.

    Parameters
    ----------
    items : ndarray of int64, shape (n, L)
        Logged lists.
    logging : LoggingPolicy
        Who drew them; a `Mixture` where several policies took turns.
    target : ListPolicy
        The new policy.

    Raises
    ------
    SchemaError
        If the lists do not fit the new policy.
    """

    items: IntArray
    logging: LoggingPolicy
    target: ListPolicy

    def __post_init__(self) -> None:
        checked = list_array(
            self.items, candidates=self.target.candidates, requests=self.target.requests
        )
        object.__setattr__(self, "items", checked)

    @cached_property
    def prefix(self) -> Array:
        """``pi(a_1:k) / p(a_1:k)``, shape (n, L); the last column weighs whole lists."""
        return self.target.prefix(self.items) / self._logged(self.logging.prefix(self.items))

    @cached_property
    def slot(self) -> Array:
        """``pi(a_k in slot k) / p(a_k in slot k)``, shape (n, L)."""
        return self.target.marginal(self.items) / self._logged(self.logging.marginal(self.items))

    @cached_property
    def linear(self) -> Array:
        """Pseudo-inverse weights of lists, shape (n,)."""
        if self.logging.everywhere:
            self._logged(self.logging.marginal(self.items))
        return linear_weights(self.items, self.logging, self.target)

    def _logged(self, chances: Array) -> Array:
        never = (chances <= 0).any(axis=1)
        if never.any():
            raise RowError(
                expected="logged lists that the logging policy may show",
                came=f"a propensity of 0 in {int(never.sum())} of {never.size} lists (first: row "
                f"{int(never.argmax())})",
                do="Pass the policy that drew them; with counted propensities, draw more.",
            )
        if chances.min() < self.logging.least:
            raise ConfigError(
                expected=f"propensities of at least {self.logging.least:g}, which the counts can "
                "tell from 0",
                came=f"{chances.min():g} in row {int(chances.min(axis=1).argmin())}",
                do="Draw more often.",
            )
        return chances


def effective_lists(weights: Array) -> float:
    """Return the effective number of lists, the smallest over columns.

    Parameters
    ----------
    weights : ndarray of float64, shape (n, columns)
        Weights of lists, prefixes or slots; those of the pseudo-inverse may be below 0.

    Returns
    -------
    float
        ``(sum w)^2 / sum w^2``; 0 where no list counts.
    """
    largest = np.abs(weights).max(axis=0)
    if not largest.all():
        return 0.0
    scaled = weights / largest  # the squares neither overflow nor vanish
    return float((np.square(scaled.sum(axis=0)) / np.square(scaled).sum(axis=0)).min())
