"""A base recommender that is a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.recommenders.answers import answer_in_order, answer_of, check_answer
from causal_ranker.recommenders.checks import check_moment, check_question, check_trained_until

__all__ = ["CallableRecommender"]


class CallableRecommender:
    """Candidates from a function, checked.

    Parameters
    ----------
    fn : callable
        ``fn(users, at, k)``: the users (a list of ids), the moment of the request, and the longest
        list that will be used of each user, or None. It returns a table with the columns user_id,
        item_id and base_score, or a mapping from each user to pairs of an item and its score; in
        any order, equal scores keep the one they come in. It may return more than `k` items, and
        leaves out users whom it cannot serve.
    trained_until : datetime, optional
        For a function around a trained model: the model knows nothing from this moment on, and
        earlier requests are refused. Without it, the function answers for `at` itself.

    Raises
    ------
    ConfigError
        If `fn` cannot be called, or `trained_until` has no time zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> popular = CallableRecommender(lambda users, at, k: {u: [("a", 9), ("b", 4)] for u in users})
    >>> popular.candidates([7], at=datetime(2026, 3, 1, tzinfo=UTC), k=1).to_numpy().tolist()
    [[7, 'a', 9.0]]
    """

    def __init__(
        self,
        fn: Callable[[list[Any], datetime, int | None], Any],
        *,
        trained_until: datetime | None = None,
    ) -> None:
        if not callable(fn):
            raise ConfigError(
                expected="a function of users, at and k", came=repr(fn), do="Pass the function."
            )
        self._fn = fn
        self.trained_until = check_trained_until(trained_until)

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        """Return the candidates of some users, best first.

        Parameters
        ----------
        users : iterable of int or str
            Users to serve, each once.
        at : datetime
            The moment of the request, with a time zone.
        k : int, optional
            Longest list per user, at least 1; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score (see `causal_ranker.recommenders.base`).

        Raises
        ------
        ConfigError, RowError
            If the question cannot be.
        NotFittedError
            If the model is from after `at`.
        SchemaError, RowError
            If the function returned something else than it should.
        """
        asked = check_question(users, at=at, k=k)
        check_moment(at, trained_until=self.trained_until)
        if not asked:
            return answer_in_order(answer_of([], [], []), asked, k=k)
        table = _as_table(self._fn(list(asked), at, k))
        check_answer(table, asked)
        return answer_in_order(table, asked, k=k)


def _as_table(said: Any) -> pd.DataFrame:
    if isinstance(said, pd.DataFrame):
        # A table made from an empty list has no columns, and says as much as one that has them.
        return said if said.size or len(said.columns) else answer_of([], [], [])
    if not isinstance(said, Mapping):
        raise SchemaError(
            expected="a pandas table, or a mapping from users to pairs of an item and its score",
            came=type(said).__name__,
            do="Return one of them, e.g. {user: [(item, score), ...]}.",
        )
    try:
        rows = [(user, item, score) for user, pairs in said.items() for item, score in pairs]
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected="pairs of an item and its score for each user",
            came=str(error),
            do="Return {user: [(item, score), ...]}.",
        ) from None
    users, items, scores = ([row[place] for row in rows] for place in range(3))
    return answer_of(users, items, scores)
