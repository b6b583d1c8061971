"""Intervals of utility and of Mean Discounted Gain, over users: the items are those there are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.metrics import ListMetrics, gain_of, share_of_items
from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from causal_ranker.stats.accuracy import accuracy_at_k
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["gain_interval", "ndcg_interval", "user_ndcg"]


def user_ndcg(metrics: ListMetrics, *, k: int) -> NDArray[np.float64]:
    """Return NDCG of each user, NaN for users without positives.

    Parameters
    ----------
    metrics : ListMetrics
        A judged ranking.
    k : int
        Length of list.

    Returns
    -------
    numpy.ndarray
        Shape (n_users,).
    """
    found = metrics.positives
    liked = np.bincount(found.users, minlength=metrics.users + metrics.users_left_out)
    each = accuracy_at_k(found.ranks, np.ones(found.ranks.size), found.users, relevant=liked, k=k)
    return each.ndcg


def ndcg_interval(*rankings: ListMetrics, k: int) -> Interval:
    """Estimate NDCG with its 95 % interval over users.

    Parameters
    ----------
    *rankings : ListMetrics
        A judged ranking, or several of the same users and items, by seed: then it is the mean over
        them that is estimated.
    k : int
        Length of list.

    Returns
    -------
    Interval
        Of the mean over users with a positive.

    Raises
    ------
    EmptyError, SchemaError
        If there is no ranking, or the rankings are not of the same positives.
    """
    _check_same(rankings)
    each = np.mean([user_ndcg(metrics, k=k) for metrics in rankings], axis=0)
    known = np.flatnonzero(~np.isnan(each))
    return clustered_mean(each[known], known)


def gain_interval(*rankings: ListMetrics, lowest: int = 100) -> Interval:
    """Estimate a mean of Mean Discounted Gain with its 95 % interval over users.

    The gain of an item is a ratio of two sums over users, linearised: user u moves that of item i
    by ``(g_ui - MDG_i) / |U_i|``. Which items are the worst is held fixed.

    Parameters
    ----------
    *rankings : ListMetrics
        A judged ranking, or several of the same users and items, by seed: then it is the mean over
        them that is estimated, each over its own worst items.
    lowest : int
        The share of worst items that is averaged, in percent; by default all items.

    Returns
    -------
    Interval
        Of ``fairness.lowest[lowest]``, or of ``fairness.mean``.

    Raises
    ------
    ConfigError
        If the share is not from 1 to 100.
    EmptyError, SchemaError
        If there is no ranking, or the rankings are not of the same positives.
    """
    if not 1 <= lowest <= 100:
        raise ConfigError(
            expected="a share of items from 1 to 100 percent",
            came=str(lowest),
            do="Choose for example 10.",
        )
    _check_same(rankings)
    each = np.mean([_user_gain(metrics, lowest=lowest) for metrics in rankings], axis=0)
    return clustered_mean(each, np.unique(rankings[0].positives.users))


def _user_gain(metrics: ListMetrics, *, lowest: int) -> NDArray[np.float64]:
    """Return, of users with a positive, the mean gain plus what each of them moves it by."""
    found, gains = metrics.positives, metrics.gains
    count = int((~np.isnan(gains)).sum())
    worst = np.argsort(gains, kind="stable")[: share_of_items(lowest, count=count)]  # NaN are last
    rows = np.isin(found.items, worst)
    users, items = found.users[rows], found.items[rows]
    sizes = np.bincount(items, minlength=len(gains))
    moved = (gain_of(found.ranks[rows]) - gains[items]) / sizes[items] / len(worst)
    n_users = metrics.users + metrics.users_left_out
    by_user = np.bincount(users, weights=moved, minlength=n_users)
    with_any = np.unique(found.users)
    moves = by_user[with_any] * len(with_any)
    return np.asarray(float(gains[worst].mean()) + moves, dtype=np.float64)


def _check_same(rankings: tuple[ListMetrics, ...]) -> None:
    if not rankings:
        raise EmptyError(
            expected="at least one judged ranking", came="none", do="Pass what evaluate returned."
        )
    first = rankings[0].positives
    for at, other in enumerate(rankings[1:], start=2):
        found = other.positives
        if not (
            np.array_equal(found.users, first.users) and np.array_equal(found.items, first.items)
        ):
            raise SchemaError(
                expected="rankings of the same users and items",
                came=f"{len(first.users)} positives in the first, {len(found.users)} others in "
                f"number {at}",
                do="Judge all of them by one audience.",
            )
