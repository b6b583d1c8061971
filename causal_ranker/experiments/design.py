"""How many users a test of two arms needs, and what it can then see.

Normal approximation throughout: tests that are worth planning have hundreds of users and more.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Annotated

from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.stats.sequential import always_valid

__all__ = ["TestDesign", "guardrail_power", "least_detectable", "power_of", "users_needed"]

_Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TestDesign(FrozenConfig):
    """A test of a difference of two means, rates or ratios, with users as units.

    Parameters
    ----------
    metric : str or None
        What it is called, for the page.
    deviation : float
        Standard deviation of the metric between users, in its unit. Of a rate or a ratio,
        `causal_ranker.experiments.spread` says it.
    effect : float
        Smallest difference worth finding, in the metric's unit.
    treated_deviation : float or None
        Standard deviation in the new arm, where it is another.
    share_treated : float
        Share of users in the new arm.
    level : float
        Two-sided rate of false alarms, of all `comparisons` together.
    comparisons : int
        Metrics that are tested beside each other (Bonferroni).
    power : float
        Wanted probability of finding the effect.
    correlation : float
        Correlation of the metric with its value before the test, which CUPED removes; 0 without.
    cluster_size : float
        Users that are assigned together, on average; 1 if each is on its own.
    cluster_variation : float
        Standard deviation of the clusters' sizes, divided by their mean.
    cluster_correlation : float
        Correlation of the metric within a cluster.
    trigger_share : float
        Share of users who come to where the arms differ; deviation and effect are theirs, and only
        they will be read.
    cost_ratio : float
        What a user of the new arm costs, in users of the control: a new arm may pay for titles, or
        risk more.
    peeking : bool
        Whether the test is read before its planned end, with intervals that hold at every look
        (`causal_ranker.stats.sequential`). Powers are then those of the last look alone.
    """

    __test__ = False  # not a test of ours, whatever pytest thinks of its name

    metric: str | None = None
    deviation: _Deviation
    effect: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    treated_deviation: _Deviation | None = None
    share_treated: Annotated[float, Field(gt=0, lt=1)] = 0.5
    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    comparisons: Annotated[int, Field(ge=1)] = 1
    power: Annotated[float, Field(gt=0, lt=1)] = 0.8
    correlation: Annotated[float, Field(gt=-1, lt=1)] = 0.0
    cluster_size: Annotated[float, Field(ge=1)] = 1.0
    cluster_variation: Annotated[float, Field(ge=0)] = 0.0
    cluster_correlation: Annotated[float, Field(ge=0, le=1)] = 0.0
    trigger_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    cost_ratio: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    peeking: bool = False

    @property
    def variance_factor(self) -> float:
        """What CUPED and clusters make of a user's variance.

        ``(1 - r^2) (1 + ((1 + cv^2) m - 1) ICC)`` (Eldridge, Ashby and Kerry, 2006).
        """
        grown = (1 + self.cluster_variation**2) * self.cluster_size - 1
        return (1 - self.correlation**2) * (1 + grown * self.cluster_correlation)

    @property
    def best_share(self) -> float:
        """Share of the new arm that gives the most power for its cost (Neyman, 1934).

        Users in proportion to ``s / sqrt(c)``, with s the arm's deviation and c a user's cost: one
        half where both arms vary and cost alike.
        """
        new = (self.treated_deviation or self.deviation) / sqrt(self.cost_ratio)
        return new / (new + self.deviation)

    def variance_at(self, share_treated: float) -> float:
        """Return n times the variance of the difference, of n triggered users.

        Parameters
        ----------
        share_treated : float
            Share of users in the new arm.

        Returns
        -------
        float
            ``f (s1^2 / q + s0^2 / (1 - q))`` with f the `variance_factor`.
        """
        new, old = self.treated_deviation or self.deviation, self.deviation
        spread = new**2 / share_treated + old**2 / (1 - share_treated)
        return self.variance_factor * spread


def users_needed(design: TestDesign) -> int:
    """Return how many users find the effect with the wanted power.

    ``n = (z_{1-level/2} + z_power)^2 variance / effect^2`` triggered users; with peeking, the limit
    of the always-valid interval stands in the place of the first quantile.

    Parameters
    ----------
    design : TestDesign
        The test.

    Returns
    -------
    int
        Users of both arms together who enter, triggered or not.
    """
    z = _limit(design) + _quantile(design.power)
    triggered = z**2 * design.variance_at(design.share_treated) / design.effect**2
    users = triggered / design.trigger_share
    split = design.share_treated
    return ceil(users * split) + ceil(users * (1 - split))


def power_of(design: TestDesign, *, users: int) -> float:
    """Return the probability that a two-sided test finds the effect.

    Parameters
    ----------
    design : TestDesign
        The test.
    users : int
        Users in both arms together, triggered or not.

    Returns
    -------
    float
        Power; both tails count.

    Raises
    ------
    ConfigError
        If there are fewer than two users.
    """
    from scipy.stats import norm

    signal = design.effect / _error(design, users)
    limit = _limit(design)
    return float(norm.sf(limit - signal) + norm.cdf(-limit - signal))


def least_detectable(design: TestDesign, *, users: int) -> float:
    """Return the smallest effect that is found with the design's power.

    Parameters
    ----------
    design : TestDesign
        The test; its own effect plays no part.
    users : int
        Users in both arms together, triggered or not.

    Returns
    -------
    float
        In the metric's unit.

    Raises
    ------
    ConfigError
        If there are fewer than two users.
    """
    return (_limit(design) + _quantile(design.power)) * _error(design, users)


def guardrail_power(design: TestDesign, *, deviation: float, margin: float, users: int) -> float:
    """Return the probability that a guardrail is shown to hold where the arms are alike.

    It holds where the interval leaves out a loss of the margin.

    Parameters
    ----------
    design : TestDesign
        The test; its effect, past and clusters are those of its own metric and play no part.
    deviation : float
        Standard deviation of the guardrail between users.
    margin : float
        The loss to be excluded, in the guardrail's unit.
    users : int
        Users in both arms together, triggered or not.

    Returns
    -------
    float
        Power.

    Raises
    ------
    ConfigError
        If there are fewer than two users.
    """
    from scipy.stats import norm

    alone = TestDesign(
        deviation=deviation,
        effect=margin,
        share_treated=design.share_treated,
        level=design.level,
        trigger_share=design.trigger_share,
        peeking=design.peeking,
    )
    return float(norm.sf(_limit(alone) - margin / _error(alone, users)))


def _error(design: TestDesign, users: int) -> float:
    if users < 2:
        raise ConfigError(
            expected="at least two users",
            came=f"{users}",
            do="Plan for a user in each arm at least.",
        )
    return sqrt(design.variance_at(design.share_treated) / (users * design.trigger_share))


def _limit(design: TestDesign) -> float:
    """How many standard errors from 0 a difference counts at the end."""
    level = 1 - design.level / design.comparisons
    if design.peeking:  # at the planned end, whenever that is
        return always_valid(0.0, standard_error=1.0, seen=1, planned=1, level=level).high
    return _quantile(0.5 + level / 2)


def _quantile(probability: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(probability))
