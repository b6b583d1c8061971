"""What every base recommender checks of the question it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from causal_ranker.errors import ConfigError, RowError

__all__ = ["check_question"]


def check_question(users: Iterable[int | str], *, at: datetime, k: int | None) -> list[int | str]:
    """Check the arguments of ``BaseRecommender.candidates``.

    Parameters
    ----------
    users : iterable of int or str
        Users to serve.
    at : datetime
        The moment of the request.
    k : int or None
        Longest list per user.

    Returns
    -------
    list of int or str
        The users.

    Raises
    ------
    ConfigError
        If `at` has no time zone, or `k` is below 1.
    RowError
        If a user comes twice.
    """
    if at.tzinfo is None:
        raise ConfigError(
            expected="a moment with a time zone",
            came=str(at),
            do="Localise it, e.g. with tzinfo=UTC.",
        )
    if k is not None and k < 1:
        raise ConfigError(
            expected="k of 1 or more", came=str(k), do="Ask for at least one item, or leave k out."
        )
    asked = list(users)
    if len(set(asked)) != len(asked):
        raise RowError(
            expected="each user once",
            came=f"{len(asked) - len(set(asked))} repeated users",
            do="Remove the repeated users.",
        )
    return asked
