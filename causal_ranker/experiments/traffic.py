"""Who comes to a test, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import accumulate, chain, repeat
from math import floor
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

__all__ = ["Traffic"]

_MOST_WEEKS: Final = 520
_Users = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, le=1)]


class Traffic(FrozenConfig):
    """Who comes, and when.

    Parameters
    ----------
    users_a_week : tuple of float
        Users who come for the first time in the first, second, ... week; later weeks are like the
        last one. Past logs tell: most users of a first week come back in the second, and are not
        new again.
    start : date or None
        First day of the test.
    holidays : tuple of date
        Days that are not like others.
    follow_up_days : int
        Days that the last user is still followed, such as the horizon of the metric.
    strata : dict of str to float
        Shares of the users that strata, such as countries, are to have; they sum to 1.

    Raises
    ------
    ConfigError
        If no user comes, or shares of strata do not sum to 1.
    """

    users_a_week: Annotated[tuple[_Users, ...], Field(min_length=1)]
    start: date | None = None
    holidays: tuple[date, ...] = ()
    follow_up_days: Annotated[int, Field(ge=0)] = 0
    strata: dict[str, _Share] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.strata and abs(sum(self.strata.values()) - 1) > 1e-9:
            raise ConfigError(
                expected="shares of strata that sum to 1",
                came=", ".join(f"{name}: {share:g}" for name, share in self.strata.items()),
                do="Say what share of the test's users each is to have.",
            )
        return self

    def after(self, weeks: int) -> int:
        """Count the users who have come.

        Parameters
        ----------
        weeks : int
            Whole weeks, 1 or more.

        Returns
        -------
        int
            Users.
        """
        return floor(next(total for week, total in self._totals() if week == weeks))

    def weeks_for(self, users: int) -> int:
        """Count the whole weeks until so many users have come, so that weekdays count alike.

        Parameters
        ----------
        users : int
            Users.

        Returns
        -------
        int
            Weeks.

        Raises
        ------
        ConfigError
            If that takes ten years.
        """
        for week, total in self._totals():
            if total >= users:
                return week
            if week == _MOST_WEEKS:
                break
        raise ConfigError(
            expected="users enough within ten years",
            came=f"{users:,} needed, and {self.users_a_week[-1]:,.0f} a week",
            do="Look for a larger effect, a quieter metric or more users.",
        )

    def _totals(self) -> Iterator[tuple[int, float]]:
        later = repeat(self.users_a_week[-1])
        return enumerate(accumulate(chain(self.users_a_week, later)), start=1)
