"""How many users a test of two arms needs, and what it can then see."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Annotated

from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

__all__ = ["Plan", "TestDesign", "least_detectable", "plan", "power_of"]

_DAYS_A_WEEK = 7


class TestDesign(FrozenConfig):
    """A test of a difference of two means, with users as units.

    Parameters
    ----------
    deviation : float
        Standard deviation of the metric between users, in its unit; ``sqrt(p (1 - p))`` for a rate.
    effect : float
        Smallest difference worth finding, in the metric's unit.
    share_treated : float
        Share of users in the new arm.
    level : float
        Two-sided rate of false alarms.
    power : float
        Wanted probability of finding the effect.
    correlation : float
        Correlation of the metric with its value before the test, which CUPED removes; 0 without.
    cluster_size : float
        Users that are assigned together, on average; 1 if each is on its own.
    cluster_correlation : float
        Correlation of the metric within such a cluster.
    """

    __test__ = False  # not a test of ours, whatever pytest thinks of its name

    deviation: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    effect: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    share_treated: Annotated[float, Field(gt=0, lt=1)] = 0.5
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.0
    cluster_size: Annotated[float, Field(ge=1)] = 1.0
    cluster_correlation: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def variance(self) -> float:
        """Variance of a user after CUPED, ``s^2 (1 - r^2)``, times ``1 + (m - 1) ICC``."""
        inflation = 1 + (self.cluster_size - 1) * self.cluster_correlation
        return self.deviation**2 * (1 - self.correlation**2) * inflation


@dataclass(frozen=True)
class Plan:
    """What a test needs.

    Parameters
    ----------
    users : int
        Users in both arms together.
    treated, control : int
        Users in each.
    weeks : int
        Whole weeks until so many have come, so that every day of the week counts alike.
    power : float
        Probability of finding the effect with so many users.
    words : str
        What the split costs against an even one.
    """

    users: int
    treated: int
    control: int
    weeks: int
    power: float
    words: str


def plan(design: TestDesign, *, users_a_day: float) -> Plan:
    """Size a test.

    ``n = (z_{1-level/2} + z_power)^2 var (1/q + 1/(1-q)) / effect^2`` users (normal
    approximation), with q the share in the new arm.

    Parameters
    ----------
    design : TestDesign
        What to find.
    users_a_day : float
        New users that enter the test each day.

    Returns
    -------
    Plan
        Users and weeks.

    Raises
    ------
    ConfigError
        If no user comes.
    """
    if not users_a_day > 0:
        raise ConfigError(
            expected="users_a_day above 0", came=f"{users_a_day!r}", do="Count who comes in a day."
        )
    split = design.share_treated
    z = _quantile(1 - design.level / 2) + _quantile(design.power)
    needed = z**2 * design.variance * (1 / split + 1 / (1 - split)) / design.effect**2
    treated, control = ceil(needed * split), ceil(needed * (1 - split))
    users = treated + control
    extra = 1 / (4 * split * (1 - split)) - 1
    words = (
        "An even split needs the fewest users when both arms vary and cost alike; otherwise give "
        "each arm users in proportion to its standard deviation (Neyman)."
    )
    if split != 0.5:
        words = f"This split needs {extra:.0%} more users than an even one. {words}"
    return Plan(
        users=users,
        treated=treated,
        control=control,
        weeks=ceil(ceil(users / users_a_day) / _DAYS_A_WEEK),
        power=power_of(design, users=users),
        words=words,
    )


def power_of(design: TestDesign, *, users: int) -> float:
    """Return the probability that a two-sided test finds the effect.

    Parameters
    ----------
    design : TestDesign
        The test.
    users : int
        Users in both arms together.

    Returns
    -------
    float
        Power, by the normal approximation; both tails count.
    """
    from scipy.stats import norm

    signal = design.effect / _error(design, users)
    limit = _quantile(1 - design.level / 2)
    return float(norm.sf(limit - signal) + norm.cdf(-limit - signal))


def least_detectable(design: TestDesign, *, users: int) -> float:
    """Return the smallest effect that is found with the design's power.

    Parameters
    ----------
    design : TestDesign
        The test; its own effect plays no part.
    users : int
        Users in both arms together.

    Returns
    -------
    float
        In the metric's unit.
    """
    z = _quantile(1 - design.level / 2) + _quantile(design.power)
    return z * _error(design, users)


def _error(design: TestDesign, users: int) -> float:
    if users < 2:
        raise ConfigError(
            expected="at least two users",
            came=f"{users}",
            do="Plan for a user in each arm at least.",
        )
    split = design.share_treated
    return sqrt(design.variance * (1 / split + 1 / (1 - split)) / users)


def _quantile(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))
