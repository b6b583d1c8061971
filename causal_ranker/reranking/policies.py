"""Policies turn a base score and an uplift into the one score a request is sorted by.

A policy is a small frozen value: it can be compared, written into a bundle as JSON and read
back. Sorting, and the rule for ties, lie in :mod:`causal_ranker.reranking.ranks`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.reranking.ranks import standardise_within

__all__ = [
    "BasePolicy",
    "BlendPolicy",
    "Policy",
    "UpliftPolicy",
    "policy_from_dict",
    "policy_to_dict",
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


_KINDS: dict[str, type[Policy]] = {
    policy.kind: policy for policy in (BasePolicy, UpliftPolicy, BlendPolicy)
}


def policy_to_dict(policy: Policy) -> dict[str, Any]:
    """Describe a policy as a JSON object.

    Parameters
    ----------
    policy : Policy
        One of the policies of this module.

    Returns
    -------
    dict
        ``{"kind": ..., **settings}``.

    Raises
    ------
    ConfigError
        If the policy is not one of this module's: nobody could read it back.
    """
    if _KINDS.get(policy.kind) is not type(policy):
        raise ConfigError(
            expected=f"a policy of kind {', '.join(sorted(_KINDS))}",
            came=repr(policy),
            do="Use one of the policies of causal_ranker.reranking.policies.",
        )
    settings: Any = policy  # every class in _KINDS is a dataclass
    return {"kind": policy.kind, **asdict(settings)}


def policy_from_dict(description: Mapping[str, Any]) -> Policy:
    """Build a policy from its JSON object.

    Parameters
    ----------
    description : Mapping
        What :func:`policy_to_dict` gave.

    Returns
    -------
    Policy
        The policy.

    Raises
    ------
    ConfigError
        If the kind is not known, or a setting is unknown, missing or out of its bounds.
    """
    settings = dict(description)
    kind = settings.pop("kind", None)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ConfigError(
            expected=f"a policy of kind {', '.join(sorted(_KINDS))}",
            came=repr(kind),
            do="Use a known kind, or a newer version of the package.",
        )
    try:
        return _KINDS[kind](**settings)
    except TypeError as error:
        raise ConfigError(
            expected=f"the settings of the policy '{kind}'",
            came=str(error),
            do="Remove unknown settings and give each that is missing.",
        ) from None
