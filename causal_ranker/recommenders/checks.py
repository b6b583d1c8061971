"""What every base recommender checks of the question it is asked, and of the moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from numbers import Integral
from typing import Any

import numpy as np

from causal_ranker.errors import ConfigError, NotFittedError, RowError

__all__ = ["check_moment", "check_question", "check_trained_until"]


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
        The users, as plain Python values.

    Raises
    ------
    ConfigError
        If `at` has no time zone, `k` is no whole number of 1 or more, or `users` is one id.
    RowError
        If a user comes twice, or is neither a whole number nor text.
    """
    _check_aware(at, name="at")
    if k is not None and not _is_count(k):
        raise ConfigError(
            expected="k of 1 or more", came=str(k), do="Ask for at least one item, or leave k out."
        )
    if isinstance(users, str) or not isinstance(users, Iterable):
        raise ConfigError(
            expected="several users, e.g. a list", came=repr(users), do=f"Ask for [{users!r}]."
        )
    asked = [user.item() if isinstance(user, np.generic) else user for user in users]
    wrong = [user for user in asked if type(user) not in (int, str)]
    if wrong:
        raise RowError(
            expected="users as whole numbers or text",
            came=f"{len(wrong)} others, e.g. {wrong[0]!r} ({type(wrong[0]).__name__})",
            do="Convert the ids.",
        )
    if len(set(asked)) != len(asked):
        raise RowError(
            expected="each user once",
            came=f"{len(asked) - len(set(asked))} repeated users",
            do="Remove the repeated users.",
        )
    return asked


def check_trained_until(moment: datetime | None) -> datetime | None:
    """Check the moment up to which a model was trained.

    Parameters
    ----------
    moment : datetime or None
        The moment; None for a recommender that goes by the moment it is asked about.

    Returns
    -------
    datetime or None
        The same.

    Raises
    ------
    ConfigError
        If it has no time zone.
    """
    if moment is not None:
        _check_aware(moment, name="trained_until")
    return moment


def check_moment(at: datetime, *, trained_until: datetime | None) -> None:
    """Refuse a moment whose future the model has seen.

    Parameters
    ----------
    at : datetime
        The moment of the request.
    trained_until : datetime or None
        The model knows nothing that happened from this moment on; None checks nothing.

    Raises
    ------
    NotFittedError
        If `at` is before `trained_until`.
    """
    if trained_until is not None and at < trained_until:
        raise NotFittedError(
            expected=f"a request at {trained_until} or later, up to which the model was trained",
            came=f"one at {at}, whose future the model has seen",
            do="Ask for a later moment, or wrap a model that was trained on earlier rows.",
        )


def _check_aware(moment: datetime, *, name: str) -> None:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigError(
            expected=f"{name} as a moment with a time zone",
            came=str(moment),
            do="Localise it, e.g. with tzinfo=UTC.",
        )


def _is_count(k: Any) -> bool:
    return not isinstance(k, bool) and isinstance(k, Integral) and int(k) >= 1
