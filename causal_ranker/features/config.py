"""What the as-of builder looks at, and how the columns are called."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, model_validator

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

__all__ = ["DAY_OF_WEEK", "HOUR_OF_DAY", "FeatureConfig", "is_count", "vector_names"]

#: Features of the moment of a request, in UTC.
HOUR_OF_DAY = "hour_of_day"
DAY_OF_WEEK = "day_of_week"
_PAIR_SHOWN = "pair_shown_"
_COUNT = re.compile(r"(user|item|pair|group)_plays_\d+d|pair_credited_plays|pair_shown_\d+d")


class FeatureConfig(FrozenConfig):
    """How far back features look, and which columns of the logs they use.

    Parameters
    ----------
    windows_days : tuple of int
        Trailing windows for counts of plays, in days, ascending; the last one bounds all history.
    item_group : str, optional
        Column of the item table to count plays by (a category), or None.
    item_numbers, item_categories : tuple of str
        Columns of the item table used as features.
    user_numbers, user_categories : tuple of str
        Columns of the user table used as features.
    row_numbers : tuple of str
        Numeric columns of the candidate log known before t0 (context). One that is the same for all
        candidates of a request (the device, say) is of the moment in a published model: a request
        says it by name; otherwise that of the user's last request holds.
    row_categories : tuple of str
        Categorical columns of the candidate log known before t0; likewise.
    item_vectors, user_vectors : dict of str to int
        Columns that hold a list of numbers (an embedding), and its length: each number is a
        feature. They have to be known before the first t0 as all covariates of these tables.
    exposures : bool
        Dose and recency: how often the item was shown to the user in the trailing windows, and
        days since it last was.
    clock : bool
        Hour of the day and day of the week (Monday is 0) of t0, in UTC. A published model reads
        them from the clock at each request, unless the request says them.
    prior_rows : float
        Rows of the overall rate mixed into an item's play rates (shrinkage).
    """

    windows_days: Annotated[tuple[int, ...], Field(min_length=1)] = (28, 84, 364)
    item_group: str | None = None
    item_numbers: tuple[str, ...] = ()
    item_categories: tuple[str, ...] = ()
    user_numbers: tuple[str, ...] = ()
    user_categories: tuple[str, ...] = ()
    row_numbers: tuple[str, ...] = ()
    row_categories: tuple[str, ...] = ()
    item_vectors: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    user_vectors: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    exposures: bool = False
    clock: bool = False
    prior_rows: Annotated[float, Field(gt=0)] = 200.0

    @model_validator(mode="after")
    def _check_windows(self) -> FeatureConfig:
        ascending = sorted(set(self.windows_days))
        if list(self.windows_days) != ascending or ascending[0] < 1:
            raise ConfigError(
                expected="windows_days ascending, distinct and at least 1",
                came=str(self.windows_days),
                do="Give for example [28, 84, 364].",
            )
        return self

    @model_validator(mode="after")
    def _check_names(self) -> FeatureConfig:
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise ConfigError(
                expected="features of distinct names",
                came=f"{', '.join(repeated)} more than once",
                do="Leave the column out, or rename it: columns of users and items get the "
                "prefixes user_ and item_.",
            )
        return self

    @property
    def longest(self) -> int:
        """Length of all history, in days."""
        return self.windows_days[-1]

    @property
    def pair_names(self) -> list[str]:
        """Features of one user with one item."""
        return [
            *_plays("pair", self.windows_days),
            "pair_credited_plays",
            "pair_days_since_play",
            "pair_days_since_first_play",
        ]

    @property
    def exposure_names(self) -> list[str]:
        """Features of what one user was shown of one item."""
        if not self.exposures:
            return []
        counts = [f"{_PAIR_SHOWN}{days}d" for days in self.windows_days]
        return [*counts, "pair_days_since_shown"]

    @property
    def clock_names(self) -> list[str]:
        """Features of the moment."""
        return [HOUR_OF_DAY, DAY_OF_WEEK] if self.clock else []

    @property
    def group_names(self) -> list[str]:
        """Features of one user with the item's group."""
        return _plays("group", self.windows_days) if self.item_group else []

    @property
    def user_names(self) -> list[str]:
        """Features of the user."""
        return [
            *_plays("user", self.windows_days),
            "user_days_since_play",
            "user_days_since_first_play",
            "user_credited_share",
        ]

    @property
    def item_names(self) -> list[str]:
        """Numeric features of the item."""
        return [
            *_plays("item", self.windows_days),
            "item_shown_share",
            "item_rate_shown",
            "item_rate_not_shown",
            "item_rate_difference",
        ]

    @property
    def names(self) -> list[str]:
        """All features in the order of the matrix; base score and base rank stand last."""
        return [
            *self.user_names,
            *self.item_names,
            *(f"user_{column}" for column in (*self.user_numbers, *self.user_categories)),
            *(f"item_{column}" for column in (*self.item_numbers, *self.item_categories)),
            *(
                name
                for column, length in self.user_vectors.items()
                for name in vector_names("user", column, length)
            ),
            *(
                name
                for column, length in self.item_vectors.items()
                for name in vector_names("item", column, length)
            ),
            *self.pair_names,
            *self.exposure_names,
            *self.group_names,
            *self.clock_names,
            *self.row_numbers,
            *self.row_categories,
            C.BASE_SCORE,
            C.BASE_RANK,
        ]

    @property
    def categorical(self) -> list[str]:
        """Names of the categorical features."""
        return [
            *(f"user_{column}" for column in self.user_categories),
            *(f"item_{column}" for column in self.item_categories),
            *self.row_categories,
        ]


def vector_names(of: str, column: str, length: int) -> list[str]:
    """Return the names of the features that a list of numbers becomes.

    Parameters
    ----------
    of : {"user", "item"}
        Whose column it is.
    column : str
        The column.
    length : int
        Numbers in each list.

    Returns
    -------
    list of str
        One name for each place.
    """
    return [f"{of}_{column}_{place}" for place in range(length)]


def _plays(of: str, windows: tuple[int, ...]) -> list[str]:
    return [f"{of}_plays_{days}d" for days in windows]


def is_count(name: str) -> bool:
    """Say whether a feature counts plays or exposures, so that a missing entry means none.

    Parameters
    ----------
    name : str
        Name of the feature.

    Returns
    -------
    bool
        Whether it is a count.
    """
    return _COUNT.fullmatch(name) is not None
