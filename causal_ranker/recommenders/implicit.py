"""A model of the package `implicit`, as a base recommender.

The package itself is not imported: any object with its method ``recommend`` will do.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.recommenders.answers import answer_of
from causal_ranker.recommenders.checks import check_moment, check_question, check_trained_until
from causal_ranker.recommenders.ids import Ids

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["ImplicitRecommender"]


class ImplicitRecommender:
    """Candidates from an ALS, BPR, logistic or item-item model.

    A user without a play in `user_items` has no row: of such a one the model has learned nothing.
    An item without a play has the score that the model gives it, as it would have online: 0 from
    ALS and from neighbours, but its random start from BPR; leave such columns out of the matrix
    there. Each user is asked for alone, because `implicit` computes slightly different scores when
    it is asked for many at once.

    Parameters
    ----------
    model : object
        A fitted model of `implicit`.
    user_items : scipy.sparse matrix
        The matrix that the model was fitted on, users by items; copied.
    users, items : iterable of int or str
        The id of each of its rows, and of each of its columns.
    trained_until : datetime
        The matrix holds nothing from this moment on; earlier requests are refused.
    leave_out_played : bool
        Whether a user's own items of `user_items` are left out of the user's list. With logged
        candidates that may be played again, keep them: the logs need a score for each candidate.

    Raises
    ------
    ConfigError
        If the model has no method ``recommend``, or `trained_until` has no time zone.
    SchemaError
        If ids, matrix and model are not of one size.
    RowError
        If an id comes twice, or is neither a whole number nor text.
    """

    def __init__(
        self,
        model: Any,
        *,
        user_items: Any,
        users: Iterable[int | str],
        items: Iterable[int | str],
        trained_until: datetime,
        leave_out_played: bool,
    ) -> None:
        from scipy.sparse import csr_matrix, issparse

        if isinstance(model, type) or not callable(getattr(model, "recommend", None)):
            raise ConfigError(
                expected="a fitted model of implicit", came=repr(model), do="Fit and pass one."
            )
        if trained_until is None:
            raise ConfigError(
                expected="the moment up to which the model was trained",
                came="None",
                do="Set trained_until: without it, past requests would be scored from the future.",
            )
        self.trained_until = check_trained_until(trained_until)
        if not issparse(user_items):
            raise SchemaError(
                expected="a sparse matrix of users by items",
                came=type(user_items).__name__,
                do="Pass the matrix that the model was fitted on.",
            )
        self._users, self._items = Ids(users, name="users"), Ids(items, name="items")
        self._model, self._leave_out_played = model, leave_out_played
        plays: csr_matrix = csr_matrix(user_items, copy=True)
        plays.eliminate_zeros()
        self._plays = plays
        sizes = {
            "the ids": (len(self._users.ids), len(self._items.ids)),
            "the matrix": plays.shape,
            "the model": _model_shape(model, like=plays.shape),
        }
        if len(set(sizes.values())) > 1:
            raise SchemaError(
                expected="as many users and items in ids, matrix and model",
                came=", ".join(
                    f"{users} x {items} in {name}" for name, (users, items) in sizes.items()
                ),
                do="Pass the matrix that the model was fitted on, users in rows, and its ids.",
            )

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
            Longest list per user, at least 1; all items by default.

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
        RowError
            If the model's scores are not finite.
        """
        asked = check_question(users, at=at, k=k)
        check_moment(at, trained_until=self.trained_until)
        rows = self._users.rows(asked)
        known = [int(row) for row in rows[rows >= 0] if self._own(row).size]
        if not known:
            return answer_of([], [], [])
        lists = [self._list_of(row, k=k) for row in known]
        user = np.repeat(known, [item.size for item, _ in lists])
        item, score = (np.concatenate(column) for column in zip(*lists, strict=True))
        return pd.DataFrame(
            {
                C.USER: pd.Series(self._users.ids[user]),
                C.ITEM: pd.Series(self._items.ids[item]),
                C.BASE_SCORE: score,
            }
        )

    def _own(self, row: int) -> NDArray[np.int32]:
        """Return the columns of what a user has played."""
        own: NDArray[np.int32] = self._plays.indices[
            self._plays.indptr[row] : self._plays.indptr[row + 1]
        ]
        return own

    def _left_out(self, row: int) -> NDArray[np.int32]:
        return self._own(row) if self._leave_out_played else self._own(row)[:0]

    def _list_of(self, row: int, *, k: int | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return columns and scores of the best items, best first, equal scores by column."""
        every = len(self._items.ids)
        most = every if k is None else min(int(k), every)
        if hasattr(self._model, "item_factors"):
            # Which of equal scores implicit keeps depends on how many it is asked for, so if the
            # last one kept has equals behind it, it is asked for all.
            item, score = self._ask(row, most=min(most + 1, every))
            if most < item.size < every and score[most - 1] == score[most]:
                item, score = self._ask(row, most=every)
        else:
            # An item-item model gives neighbours of what was played; the score of the others is a
            # sum of nothing, which weights below 0 can fall short of.
            item, score = self._ask(row, most=every)
            others = np.setdiff1d(np.arange(every), np.concatenate([item, self._left_out(row)]))
            item = np.concatenate([item, others])
            score = np.concatenate([score, np.zeros(others.size)])
        order = np.lexsort((item, -score))[:most]
        return item[order], score[order]

    def _ask(self, row: int, *, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ask the model for `most` items; more than there are would come back as item 0."""
        with np.errstate(all="ignore"):  # what is not finite is told below, by name
            item, score = self._model.recommend(
                row,
                self._plays[row],
                N=most,
                filter_already_liked_items=self._leave_out_played,
            )
        item, score = np.asarray(item, dtype=np.int64), np.asarray(score, dtype=np.float64)
        # Asked for more than is left, implicit gives left-out items after all, with a score of
        # its own making: the lowest there is from factors, 0 from neighbours.
        kept = ~np.isin(item, self._left_out(row))
        item, score = item[kept], score[kept]
        bad = ~np.isfinite(score)
        if bad.any():
            raise RowError(
                expected="finite scores from the model",
                came=f"{score[bad][0]} for user {self._users.name(row)} and item "
                f"{self._items.name(item[bad][0])}",
                do="Fit the model again, with more regularisation or a smaller learning rate.",
            )
        return item, score


def _model_shape(model: Any, *, like: tuple[int, int]) -> tuple[int, int]:
    """Return users and items of a fitted model; what it does not say, from the matrix."""
    users = getattr(model, "user_factors", None)
    items = getattr(model, "item_factors", getattr(model, "similarity", None))
    if items is None:
        raise ConfigError(
            expected="a fitted model of implicit", came="one that was not fitted", do="Fit it."
        )
    return (like[0] if users is None else int(users.shape[0]), int(items.shape[0]))
