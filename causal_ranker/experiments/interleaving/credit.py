"""Which ranker's items were played more, from team-draft interleaving."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import binary_vector, float_vector, same_size
from causal_ranker.stats._codes import cluster_codes
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["TeamCredit", "team_credit"]


@dataclass(frozen=True)
class TeamCredit:
    """Credited plays of two teams.

    Parameters
    ----------
    difference : Interval
        The first team's credit less the second's, in credited plays per request.
    first, second : float
        Credit of each team, in credited plays per request.
    first_wins, second_wins : float
        Shares of the requests in which a team has more credit; the rest are draws.
    requests : int
        How many there are.
    """

    difference: Interval
    first: float
    second: float
    first_wins: float
    second_wins: float
    requests: int


def team_credit(
    request: ArrayLike,
    *,
    from_first: ArrayLike,
    credit: ArrayLike,
    user: ArrayLike,
    level: float = 0.95,
) -> TeamCredit:
    """Compare the credited plays of two teams (Radlinski, Kurup and Joachims, 2008).

    It says which ranker's items are played more where they are shown: *not* which causes more
    plays. What users would have found anyway is credited too, and favours the ranker that shows it;
    `causal_ranker.experiments.interleaving.uplift` takes that out.

    Parameters
    ----------
    request : array_like of int or str, shape (n,)
        The request of each row; a row is an item that was shown.
    from_first : array_like of 0 and 1, shape (n,)
        1 if the first ranker chose it.
    credit : array_like, shape (n,)
        Plays credited to it by `causal_ranker.attribution`.
    user : array_like of int or str, shape (n,)
        Clusters of the interval.
    level : float
        Probability inside the interval.

    Returns
    -------
    TeamCredit
        Credit of both teams, and their difference.

    Raises
    ------
    RowError, SchemaError
        If a value is missing, the arrays do not fit, or there is one user only.
    """
    first = binary_vector(from_first, name="from_first")
    plays = float_vector(credit, name="credit")
    labels = np.asarray(request)
    same_size(first.size, request=labels, credit=plays)
    owner = cluster_codes(user, name="user", size=first.size, rows=np.arange(first.size)).codes
    _, rows, codes = np.unique(labels, return_index=True, return_inverse=True)
    teams = [np.bincount(codes, weights=plays * side) for side in (first, ~first)]
    difference = teams[0] - teams[1]
    return TeamCredit(
        difference=clustered_mean(difference, owner[rows], level=level),
        first=float(teams[0].mean()),
        second=float(teams[1].mean()),
        first_wins=float((difference > 0).mean()),
        second_wins=float((difference < 0).mean()),
        requests=rows.size,
    )
