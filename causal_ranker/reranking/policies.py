"""Policies turn a base score and an uplift into the one score a request is sorted by.

A policy is a small frozen value: it can be compared, written into a bundle as JSON and read
back (:mod:`causal_ranker.reranking.description`). Sorting, and the rule for ties, lie in
:mod:`causal_ranker.reranking.ranks`; rules for lists in
:mod:`causal_ranker.reranking.chained`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.reranking.ranks import standardise_within

__all__ = [
    "BasePolicy",
    "BlendPolicy",
    "Policy",
    "UpliftPolicy",
]


@runtime_checkable
class Policy(Protocol):
    """Scores the rows of many requests at once; the largest score is shown first."""

    @property
    def kind(self) -> str:
        """Name of the policy in bundles and reports."""
        ...

    def score(
        self, base_score: ArrayLike, uplift: ArrayLike, *, request: ArrayLike
    ) -> NDArray[np.float64]:
        """Score each row.

        Parameters
        ----------
        base_score : array_like, shape (n,)
            The base recommender's score, larger is better, in its own unit.
        uplift : array_like, shape (n,)
            Estimated uplift, in plays per impression.
        request : array_like, shape (n,)
            Which request a row belongs to.

        Returns
        -------
        ndarray of float64, shape (n,)
            Scores, comparable within a request only.
        """
        ...


@dataclass(frozen=True, slots=True)
class BasePolicy:
    """Keep the base recommender's order: ``score = base_score``."""

    kind: ClassVar[str] = "base"

    def score(
        self, base_score: ArrayLike, uplift: ArrayLike, *, request: ArrayLike
    ) -> NDArray[np.float64]:
        """Score each row by its base score.

        Parameters
        ----------
        base_score : array_like, shape (n,)
            The base recommender's score.
        uplift : array_like, shape (n,)
            Not looked at.
        request : array_like, shape (n,)
            Not looked at.

        Returns
        -------
        ndarray of float64, shape (n,)
            A copy of the base scores.
        """
        return np.array(base_score, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class UpliftPolicy:
    """Order by the plays that showing the item causes: ``score = uplift``."""

    kind: ClassVar[str] = "uplift"

    def score(
        self, base_score: ArrayLike, uplift: ArrayLike, *, request: ArrayLike
    ) -> NDArray[np.float64]:
        """Score each row by its uplift.

        Parameters
        ----------
        base_score : array_like, shape (n,)
            Not looked at; it breaks ties through the base rank.
        uplift : array_like, shape (n,)
            Estimated uplift, in plays per impression.
        request : array_like, shape (n,)
            Not looked at.

        Returns
        -------
        ndarray of float64, shape (n,)
            A copy of the uplifts.
        """
        return np.array(uplift, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class BlendPolicy:
    """Mix base score and uplift on one scale.

    ``score = (1 - weight) * z(base_score) + weight * z(uplift)``, where ``z`` standardises within
    the request (:func:`causal_ranker.reranking.ranks.standardise_within`): zero mean and unit
    population standard deviation, and 0 for every row where all values of the request are equal.
    So a base recommender may send logits, probabilities or counts, a request whose base scores are
    constant is ordered by uplift alone (and the other way round), and a single candidate scores 0.

    Parameters
    ----------
    weight : float
        Share of the uplift, in [0, 1]: 0 gives the base order, 1 the uplift order.

    Raises
    ------
    ConfigError
        If the weight is not a number in [0, 1].
    """

    weight: float

    kind: ClassVar[str] = "blend"

    def __post_init__(self) -> None:
        number = isinstance(self.weight, int | float) and not isinstance(self.weight, bool)
        if not number or not math.isfinite(self.weight) or not 0 <= self.weight <= 1:
            raise ConfigError(
                expected="a blend weight in [0, 1]",
                came=repr(self.weight),
                do="Choose 0 for the base order, 1 for the uplift order, or a value between.",
            )

    def score(
        self, base_score: ArrayLike, uplift: ArrayLike, *, request: ArrayLike
    ) -> NDArray[np.float64]:
        """Score each row by the weighted mean of both standardised scores.

        Parameters
        ----------
        base_score : array_like, shape (n,)
            The base recommender's score, finite.
        uplift : array_like, shape (n,)
            Estimated uplift, in plays per impression, finite.
        request : array_like, shape (n,)
            Which request a row belongs to.

        Returns
        -------
        ndarray of float64, shape (n,)
            Scores without a unit.

        Raises
        ------
        RowError
            If a score is not finite.
        """
        base = standardise_within(request, base_score)
        return (1.0 - self.weight) * base + self.weight * standardise_within(request, uplift)
