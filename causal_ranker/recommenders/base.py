"""The one door through which any base recommender comes in.

A base recommender answers one question: *which items would you show these users at this moment,
and how good is each?* The answer is a table with one row per user and item::

    user_id   item_id   base_score
    7         42        0.81          the best of user 7 first
    7         13        0.55
    9         42        0.79

Rules, held by ``tests/recommenders/contract.py`` (subclass it for a recommender of your own):

- Columns are exactly ``user_id``, ``item_id``, ``base_score`` (float64, finite, larger is better,
  in any unit); a plain index from 0.
- Users come in the order they were asked for; within a user scores fall, and the place is the
  base rank. Equal scores keep one order from call to call.
- Each user and item at most once; at most `k` rows per user, which are the first `k` of what the
  call without `k` gives.
- A user the recommender cannot serve has no row: no error, no invented score.
- Only what was known strictly before `at` may enter.
- The answer for a user does not depend on who else was asked for, and nothing that the caller
  passed is changed.

Training is each recommender's own business, so it is not in the protocol. A recommender around one
trained model has an attribute ``trained_until``, the moment from which on the model knows nothing;
it refuses earlier requests (`NotFittedError`), and `CausalRanker.fit` does not make them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, runtime_checkable

import pandas as pd

__all__ = ["BaseRecommender"]


@runtime_checkable
class BaseRecommender(Protocol):
    """Anything that gives candidates with base scores."""

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        """Return the candidates of some users, best first.

        Parameters
        ----------
        users : iterable of int or str
            Users to serve, each once.
        at : datetime
            The moment of the request, with a time zone; nothing from then on may enter.
        k : int, optional
            Longest list per user, at least 1; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score, ordered as the module's docstring says.
        """
        ...
