"""What is read of a test, said before anybody looks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

__all__ = ["Metric", "ReadoutConfig", "check_period"]


class Metric(FrozenConfig):
    """One metric of a test.

    Parameters
    ----------
    column : str
        A column of numbers; by default counts, such as plays of any title, which are never
        negative.
    per : str or None
        Column of the denominator, such as impressions: the metric is a ratio of sums. By default
        it is a mean per user.
    past : tuple of str
        Columns fixed before the test began, which CUPED takes out of the metric.
    signed : bool
        Whether values below 0 are possible, as in amounts with refunds.
    cap : float or None
        Share of the users who are read, of both arms together, above whose value the others' are
        set to it (winsorising), such as 0.999; by default none is. It changes what is estimated.
    better : {"higher", "lower"}
        Which direction is wanted.
    margin : float or None
        Makes the metric a guardrail: the loss, in its unit, that has to be excluded.

    Raises
    ------
    ConfigError
        If a ratio is to be capped: one would have to say which of its parts.
    """

    column: str
    per: str | None = None
    past: tuple[str, ...] = ()
    signed: bool = False
    cap: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    better: Literal["higher", "lower"] = "higher"
    margin: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _one_part(self) -> Self:
        if self.cap is not None and self.per is not None:
            raise ConfigError(
                expected="a cap on a mean per user",
                came=f"one on the ratio {self.name}",
                do="Leave the cap out, or read the numerator by itself.",
            )
        return self

    @property
    def name(self) -> str:
        """What the metric is called."""
        per = "user" if self.per is None else self.per
        return f"{self.column} per {per}{'' if self.cap is None else ', capped'}"

    @property
    def numerator(self) -> str:
        """Column of the numerator among the units': a capped one has its own."""
        return self.column if self.cap is None else f"{self.column}, capped"


class ReadoutConfig(FrozenConfig):
    """What is read of a test of two arms.

    Parameters
    ----------
    metrics : tuple of Metric
        The first is the north star: incremental plays per user, unless there are reasons.
    user : str
        Column of the user.
    arm : str
        Column of the arm.
    names : tuple of two str or None
        What the arm's column says for the control and for the new arm, where it is text; rows of
        other arms, such as a holdout, are left out and counted. By default it holds 0 and 1.
    expected_share : float
        Share of the users of the two arms that the new one should have.
    rows : {"user", "many"}
        Whether there is a row for each user, or many, which are summed first.
    cluster : str or None
        Column of those who were assigned together, such as a household.
    triggered : str or None
        Column, true for users who came to where the arms differ; the others are left out, their
        share is told, and sizes are looked at once more among those who are left.
    strata : str or None
        Column fixed before the test, of few values, such as the country: arms are compared within
        each, and weighted by its share of the users (post-stratification).
    groups : str or None
        Column fixed before the test: effects are also told for each of its values, which are few,
        or for each fifth, where it is floating, such as a predicted uplift.
    exposed_at : str or None
        Column of the moment of a user's first exposure, with a time zone; none may be missing, but
        of users who were not triggered.
    start, end : datetime or None
        When the test ran; exposures outside are refused.
    level : float
        Probability inside an interval.
    correction : {"holm", "benjamini-hochberg"}
        How p-values allow for several metrics.
    planned : int or None
        Users (or clusters) of both arms at the planned end. Where it is given, intervals and
        p-values hold at every look together, so that one may look daily; where not, they hold at
        one look.

    Raises
    ------
    ConfigError
        If there is no metric, one stands twice, all are guardrails, or dates are reversed.
    """

    metrics: tuple[Metric, ...]
    user: str = C.USER
    arm: str = "arm"
    names: tuple[str, str] | None = None
    expected_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    rows: Literal["user", "many"] = "user"
    cluster: str | None = None
    triggered: str | None = None
    strata: str | None = None
    groups: str | None = None
    exposed_at: str | None = None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    correction: Literal["holm", "benjamini-hochberg"] = "holm"
    planned: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if not names or names[0] in names[1:] or self.metrics[0].margin is not None:
            raise ConfigError(
                expected="a north-star metric first, which is no guardrail",
                came=", ".join(names) or "no metric",
                do="Name the metric that decides, such as plays per user.",
            )
        if len(set(names)) < len(names):
            raise ConfigError(
                expected="each metric once", came=", ".join(names), do="Leave out what repeats."
            )
        if self.names is not None and self.names[0] == self.names[1]:
            raise ConfigError(
                expected="two names of arms, the control's first",
                came=f"{self.names[0]!r} for both",
                do="Name the control and the new arm as the column does.",
            )
        check_period(self.start, self.end)
        if (self.start or self.end) and self.exposed_at is None:
            raise ConfigError(
                expected="the column of exposure times, as dates are given",
                came="none",
                do="Name it with exposed_at.",
            )
        return self

    @property
    def past(self) -> tuple[str, ...]:
        """Covariates of all metrics, each once."""
        return tuple(dict.fromkeys(name for metric in self.metrics for name in metric.past))


def check_period(start: datetime | None, end: datetime | None) -> None:
    """Refuse a test that ends before it begins.

    Parameters
    ----------
    start, end : datetime or None
        When it runs.

    Raises
    ------
    ConfigError
        If the end is not after the start.
    """
    if start is not None and end is not None and not start < end:
        raise ConfigError(
            expected="a start before the end",
            came=f"{start.isoformat()} and {end.isoformat()}",
            do="Are the dates reversed?",
        )
