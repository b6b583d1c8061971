"""What refuters work on: rows with features, the estimates in question, and what owners know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.evaluation.balance import Balance
from causal_ranker.stats.intervals import Interval
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import NuisanceConfig

__all__ = ["Dose", "Earlier", "Material", "RefuteConfig", "Reported"]


class RefuteConfig(FrozenConfig):
    """What is tried to show that the report is wrong, and on how many rows.

    Parameters
    ----------
    enabled : bool
        Whether it is tried at all.
    rows : int
        About how many rows are used: all rows kept of users drawn by the seed. Models are fitted
        on them several times, so this decides the time it takes; their features are held in
        memory, at 4 bytes each. Too few users cannot tell anything.
    level : float
        Probability that an interval holds the truth: of sound analyses, each line fails by chance
        in ``1 - level``.
    negative_controls : str, optional
        A column of the item table, true for items whose plays an impression cannot change.
    """

    enabled: bool = True
    rows: Annotated[int, Field(ge=1_000)] = 200_000
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.99
    negative_controls: str | None = None

    @property
    def held(self) -> int:
        """Rows to hold for it: none where it is not tried."""
        return self.rows if self.enabled else 0


@dataclass(frozen=True)
class Earlier:
    """An outcome of the time before t0, which nothing at t0 can have caused.

    Attributes
    ----------
    outcome : numpy.ndarray
        Plays of the row's item by its user in a window of one horizon that ends at t0, of the kind
        that the outcome is, shape (n_rows,).
    read_by : tuple of str
        Features that read plays of that window.
    """

    outcome: NDArray[Any]
    read_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dose:
    """How much of the treatment a treated row got.

    Attributes
    ----------
    amount : numpy.ndarray
        More is more, shape (n_rows,); of treated rows only, NaN where unknown.
    name : str
        What it is, e.g. "impressions inside the horizon".
    """

    amount: NDArray[np.float64]
    name: str


@dataclass(frozen=True)
class Reported:
    """What a report says itself, from more rows than refuters fit on.

    Attributes
    ----------
    average : Interval
        The average effect, in plays per exposure.
    gain : Interval or None
        The difference in uplift@k, in plays per slot; None where no lists are compared.
    level : float
        Probability that these intervals hold the truth.
    unexposed : float
        Mean outcome of the same candidates without exposure.
    balance : Balance or None
        Covariates of the two arms; None if the report does not compare them.
    largest_difference : Interval or None
        Of these the largest after weighting, in standard deviations; None if none can be judged.
    """

    average: Interval
    gain: Interval | None
    level: float
    unexposed: float
    balance: Balance | None = None
    largest_difference: Interval | None = None


@dataclass(frozen=True)
class Material:
    """Rows of whole users, with everything that refuters need.

    Attributes
    ----------
    rows : Rows
        Rows of both arms, n_rows of them.
    sampled : numpy.ndarray
        True for rows of an even sample of all candidates, which models are fitted on and averages
        taken over; others are here for the lists they stand in. Shape (n_rows,).
    request : numpy.ndarray
        Codes of the rows' requests, shape (n_rows,), int64 from 0.
    nuisance : NuisanceConfig
        How nuisances are fitted.
    lowest_propensity : float
        Rows with a propensity in [this, 1 - this] are judged.
    seed : int
        Decides folds and draws.
    score : numpy.ndarray or None
        Predicted uplift from models that saw none of the rows, shape (n_rows,).
    gain : numpy.ndarray or None
        ``(shown by one policy - shown by the other) / k``, shape (n_rows,): the difference in
        uplift@k is the mean over requests of the sum of these times the rows' effects.
    gain_name : str
        What that difference is called.
    weighed_by : numpy.ndarray or None
        Propensities that the figures in question were weighted by, shape (n_rows,), for the balance
        they leave; None if they are those that are fitted here.
    earlier : Earlier or None
        An outcome before t0.
    controls : numpy.ndarray or None
        True for rows of items that could not be affected, shape (n_rows,).
    dose : Dose or None
        How much treated rows got.
    reported : Reported or None
        The figures in question; None if they are those that are estimated here.
    """

    rows: Rows
    sampled: NDArray[np.bool_]
    request: NDArray[np.int64]
    nuisance: NuisanceConfig
    lowest_propensity: float
    seed: int
    score: NDArray[np.float64] | None = None
    gain: NDArray[np.float64] | None = None
    gain_name: str = "one policy minus the other"
    weighed_by: NDArray[np.float64] | None = None
    earlier: Earlier | None = None
    controls: NDArray[np.bool_] | None = None
    dose: Dose | None = None
    reported: Reported | None = None

    @cached_property
    def second_cluster(self) -> NDArray[Any] | None:
        """Units of assignment, or None where they are the users."""
        return None if np.array_equal(self.rows.user, self.rows.unit) else self.rows.unit

    @cached_property
    def request_share(self) -> NDArray[np.float64]:
        """One over the rows of each row's request: they sum to the number of requests."""
        share: NDArray[np.float64] = 1.0 / np.bincount(self.request)[self.request]
        return share

    @property
    def logged(self) -> bool:
        """Whether the propensities were logged."""
        return not bool(np.isnan(self.rows.propensity).all())

    def of(self, chosen: NDArray[np.bool_]) -> Material:
        """Return the material of some of the rows, for what refuters fit on parts.

        Parameters
        ----------
        chosen : numpy.ndarray
            A boolean mask, shape (n_rows,), of whole requests.

        Returns
        -------
        Material
            Without what owners know (outcomes before t0, controls, doses), and figures of others.
        """
        return replace(
            self,
            rows=self.rows.take(chosen),
            sampled=self.sampled[chosen],
            request=np.unique(self.request[chosen], return_inverse=True)[1].astype(np.int64),
            score=None if self.score is None else self.score[chosen],
            gain=None if self.gain is None else self.gain[chosen],
            weighed_by=None,
            earlier=None,
            controls=None,
            dose=None,
            reported=None,
        )
