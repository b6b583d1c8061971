"""How much a metric varies between users: what the size of a test depends on."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import ibis
import numpy as np

from causal_ranker.errors import ConfigError, DataError
from causal_ranker.experiments.config import Metric, ReadoutConfig
from causal_ranker.experiments.difference import variance_left
from causal_ranker.experiments.moments import Moments, Ratio
from causal_ranker.experiments.scan import scan_units
from causal_ranker.experiments.units import USERS, checked_units

__all__ = ["PastSpread", "past_spread", "rate_deviations"]

_NO_ARM: Final = "no arm yet?"


def rate_deviations(rate: float, *, effect: float) -> tuple[float, float]:
    """Return the standard deviations of a rate in control and new arm, ``sqrt(p (1 - p))``.

    Parameters
    ----------
    rate : float
        Share of users without the change.
    effect : float
        What is added to it.

    Returns
    -------
    tuple of float
        Control's and new arm's.

    Raises
    ------
    ConfigError
        If a rate is not strictly between 0 and 1.
    """
    rates = (rate, rate + effect)
    if not all(0 < each < 1 for each in rates):
        raise ConfigError(
            expected="rates strictly between 0 and 1, with and without the effect",
            came=f"{rates[0]:g} and {rates[1]:g}",
            do="Give the rate as a share, and the effect in the same unit.",
        )
    first, second = (sqrt(each * (1 - each)) for each in rates)
    return first, second


@dataclass(frozen=True)
class PastSpread:
    """How a metric varied in the past.

    Parameters
    ----------
    users : int
        Users it was learned from.
    mean : float
        The metric.
    deviation : float
        Standard deviation between users as a test will meet it: a ratio's by the delta method, that
        of users assigned together with what they share, and within strata where there are some.
    correlation : float
        Correlation (multiple, if there are several) with the covariates, which CUPED takes out.
    """

    users: int
    mean: float
    deviation: float
    correlation: float


def past_spread(
    table: ibis.Table,
    metric: Metric,
    *,
    many_rows: bool = False,
    cluster: str | None = None,
    strata: str | None = None,
) -> PastSpread:
    """Learn from past logs how a metric varies.

    Take as many weeks as the test will run, and the weeks before those for covariates.

    Parameters
    ----------
    table : ibis.Table
        One row per user, or many, with the column `user_id`.
    metric : Metric
        Which one, with the covariates that the read-out will use.
    many_rows : bool
        Whether rows of a user are summed first.
    cluster : str, optional
        Column of users who will be assigned together.
    strata : str, optional
        Column within which arms will be compared.

    Returns
    -------
    PastSpread
        What `causal_ranker.experiments.design.TestDesign` asks for.

    Raises
    ------
    SchemaError, RowError, EmptyError
        As `causal_ranker.experiments.read.read_test`.
    DataError
        If the metric or a covariate does not vary.
    """
    config = ReadoutConfig(
        metrics=(metric,),
        arm=_NO_ARM,
        rows="many" if many_rows else "user",
        cluster=cluster,
        groups=strata,
    )
    units = checked_units(table.mutate(**{_NO_ARM: ibis.literal(0)}), config).table
    per = None if cluster is None else USERS
    ratio = Ratio(metric.numerator, metric.per or per)
    past = [Ratio(name, per) for name in metric.past]
    found = scan_units(units, [[ratio, *past]])
    whole = found.triggered.control
    parts = [arms.control for arms in found.groups.values()]
    # Within strata means are those of all, as only what differs inside them is left to chance.
    inside = np.sum([part.count / whole.count * part.covariance for part in parts], axis=0)
    within = Moments(whole.columns, whole.count, whole.mean, inside).take(
        list(dict.fromkeys(name for each in (ratio, *past) for name in each.columns))
    )
    slope = within.gradient(ratio)
    variance = float(slope @ within.covariance @ slope)
    if not variance > 0:
        raise DataError(
            expected=f"a metric {metric.name} that varied between users",
            came=f"{whole.value(ratio):g} for all of them",
            do="Check how the metric was computed.",
        )
    users = whole.count * whole.value(Ratio(USERS))
    # The mean of k clusters has the variance v / k: that of u users who each have v u / k.
    return PastSpread(
        users=round(users),
        mean=whole.value(ratio),
        deviation=sqrt(variance * users / whole.count),
        correlation=sqrt(max(1 - variance_left(within, ratio, past), 0.0)),
    )
