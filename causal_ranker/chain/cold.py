"""Cold items in a request's candidate set, beside those of any base recommender."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.coldstart.common_scale import CommonScale
from causal_ranker.coldstart.model import ColdStartModel
from causal_ranker.coldstart.ranking import rows_at_once
from causal_ranker.coldstart.scores import FactoredScores, ScoreMap, Scores
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from causal_ranker.recommenders.answers import answer_in_order, answer_of
from causal_ranker.recommenders.base import BaseRecommender

__all__ = ["ItemContent", "WithColdItems", "with_cold_candidates"]

Id = int | str

#: Enough to know a mean and a standard deviation by.
_USERS_ASKED: Final = 2_000


@dataclass(frozen=True, eq=False)
class ItemContent:
    """Items, and what is known of them without logs.

    Parameters
    ----------
    items : sequence of int or str
        Their ids, each once.
    content : numpy.ndarray
        Shape (n_items, n_content).
    """

    items: Sequence[Id]
    content: NDArray[np.floating]


class WithColdItems:
    """A base recommender, and beside its items those that it cannot know yet.

    It is a `BaseRecommender`: pass it as ``CausalRanker(base=...)``. Where the base scores an item
    too, the base's own score counts. Users whom the base cannot serve have no row; users whom the
    cold-start scores do not know get the mean score of each cold item, counted in
    `unknown_users_`. Cold items have to be in the item table of `CausalRanker.fit`, for their
    content is what uplift is told by.

    Parameters
    ----------
    base : BaseRecommender
        Knows the warm items.
    scores : Scores
        Of users by cold items, higher is better, made fair or not.
    users, items : sequence of int or str
        Ids of the rows and of the columns of `scores`.
    scale : CommonScale
        From these scores to the base's.
    offered : int
        Cold items, each user's best ones, that join the candidate sets of a published model.

    Attributes
    ----------
    unknown_users_ : int
        Users so far who got mean scores.

    Raises
    ------
    SchemaError
        If the ids do not fit the scores, or one comes twice.
    ConfigError
        If `offered` is negative.
    """

    def __init__(
        self,
        base: BaseRecommender,
        scores: Scores,
        *,
        users: Sequence[Id],
        items: Sequence[Id],
        scale: CommonScale,
        offered: int = 20,
    ) -> None:
        _check_length(offered)
        self._users, self._items = pd.Index(users), pd.Index(items)
        _check_ids(self._users, self._items, scores)
        self._base, self._scores, self._scale = base, scores, scale
        self.offered = min(offered, len(self._items))
        self.trained_until: datetime | None = getattr(base, "trained_until", None)
        self.unknown_users_ = 0
        self._mean: NDArray[np.float64] | None = None

    @classmethod
    def of_model(
        cls,
        base: BaseRecommender,
        model: ColdStartModel[Any],
        *,
        users: Sequence[Id],
        warm: ItemContent,
        cold: ItemContent,
        at: datetime,
        fairer: ScoreMap | None = None,
        offered: int = 20,
    ) -> Self:
        """Score cold items by a cold-start model, on the base recommender's scale.

        The scale is that on which the model, which sees warm items by their content alone, agrees
        with the base about them.

        Parameters
        ----------
        base : BaseRecommender
            Knows the warm items.
        model : ColdStartModel
            Fitted.
        users : sequence of int or str
            Ids of the users that it was fitted on, in the order of their embeddings.
        warm : ItemContent
            Items that the base scores.
        cold : ItemContent
            Items that it does not.
        at : datetime
            The moment that the base is asked about.
        fairer : ScoreMap, optional
            What Scale or Gen made of the model's scores.
        offered : int
            Cold items, each user's best ones, that join the candidate sets of a published model.

        Returns
        -------
        WithColdItems
            Both together.

        Raises
        ------
        EmptyError
            If the base has no score for any of the users and warm items.
        NotFittedError, DataError
            If the model is not fitted, or ids and content do not fit it.
        """

        def scored(described: ItemContent) -> FactoredScores:
            embeddings = model.item_embeddings(described.content)
            if fairer is not None:
                return fairer(embeddings)
            return FactoredScores(model.user_embeddings(), embeddings)

        index, known, by_model = pd.Index(users), pd.Index(warm.items), scored(warm)
        _check_ids(index, known, by_model)
        asked = list(users)[:: -(-len(users) // _USERS_ASKED)]
        answer = base.candidates(asked, at=at)
        answer = answer[answer[C.ITEM].isin(known)]
        if answer.empty:
            raise EmptyError(
                expected="base scores of users and warm items that the cold-start model knows",
                came=f"none for {len(asked)} users and {len(known)} items",
                do="Pass ids as the base recommender writes them.",
            )
        rows = index.get_indexer(pd.Index(answer[C.USER]))
        columns = known.get_indexer(pd.Index(answer[C.ITEM]))
        pairs = np.empty(len(answer))
        for chosen, block in _blocks(by_model, rows):
            pairs[chosen] = block[np.arange(chosen.size), columns[chosen]]
        scale = CommonScale.between(pairs, onto=answer[C.BASE_SCORE].to_numpy())
        return cls(base, scored(cold), users=users, items=cold.items, scale=scale, offered=offered)

    def candidates(
        self, users: Iterable[Id], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        """Return warm and cold candidates of some users, best first.

        Parameters
        ----------
        users : iterable of int or str
            Users to serve, each once.
        at : datetime
            The moment of the request, with a time zone.
        k : int, optional
            Longest list per user; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score, as the door of recommenders asks for.
        """
        asked = list(users)
        warm = self._base.candidates(asked, at=at, k=k)
        served = set(warm[C.USER])
        cold = self.cold_candidates([user for user in asked if user in served], k=k)
        both = pd.concat([warm, cold], ignore_index=True).drop_duplicates([C.USER, C.ITEM])
        return answer_in_order(both, asked, k=k)

    def cold_candidates(self, users: Sequence[Id], *, k: int | None = None) -> pd.DataFrame:
        """Return the cold items of some users on the base's scale, best first.

        Parameters
        ----------
        users : sequence of int or str
            Users, each once.
        k : int, optional
            Longest list per user; all cold items by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score.

        Raises
        ------
        ConfigError
            If k is negative.
        RowError
            If a score is NaN or infinite.
        """
        _check_length(k)
        n_items = len(self._items)
        length = n_items if k is None else min(k, n_items)
        rows = self._users.get_indexer(pd.Index(list(users)))
        self.unknown_users_ += int((rows < 0).sum())
        best = np.empty((len(rows), length), dtype=np.int64)
        score = np.empty((len(rows), length))
        for chosen, block in _blocks(self._scores, rows):
            best[chosen], score[chosen] = _best(block, length)
        strangers = rows < 0
        if strangers.any():
            best[strangers], score[strangers] = _best(self._mean_scores()[None, :], length)
        whose = np.repeat(np.arange(len(rows)), length)
        return answer_of(
            pd.Index(list(users)).take(whose).tolist(),
            self._items.take(best.ravel()).tolist(),
            self._scale(score).ravel().tolist(),
        )

    def _mean_scores(self) -> NDArray[np.float64]:
        if self._mean is None:
            total = np.zeros(len(self._items))
            for _, block in _blocks(self._scores, np.arange(len(self._users))):
                total += block.sum(axis=0, dtype=np.float64)
            self._mean = total / len(self._users)
        return self._mean


def with_cold_candidates(listed: ibis.Table, base: WithColdItems) -> ibis.Table:
    """Add each user's best cold items to the user's last request.

    Parameters
    ----------
    listed : ibis.Table
        Candidate log.
    base : WithColdItems
        Says which cold items.

    Returns
    -------
    ibis.Table
        The last request of each user, with cold items that share what the log says of it.
    """
    newest = listed.group_by(C.USER).aggregate(last_t0=listed[C.T0].max())
    last = listed.inner_join(newest, C.USER)
    last = last.filter(last[C.T0] == last.last_t0).select(*listed.columns)
    users = last.select(C.USER).distinct().order_by(C.USER).to_pyarrow()[C.USER].to_pylist()
    cold = ibis.memtable(base.cold_candidates(users, k=base.offered)[[C.USER, C.ITEM]])
    cold = cold.anti_join(last, [C.USER, C.ITEM])
    request = last.distinct(on=C.USER, keep="first").drop(C.ITEM)
    joined = request.inner_join(cold, C.USER)
    known_cold = {C.IS_COLD: ibis.literal(True)} if C.IS_COLD in listed.columns else {}
    added = joined.mutate(**known_cold).select(*listed.columns)
    return last.union(added.cast(dict(last.schema())))


def _check_length(length: int | None) -> None:
    if length is not None and length < 0:
        raise ConfigError(
            expected="0 or more cold items for each user",
            came=str(length),
            do="Choose for example 20; more than there are means all of them.",
        )


def _check_ids(users: pd.Index[Any], items: pd.Index[Any], scores: Scores) -> None:
    if (len(users), len(items)) != tuple(scores.shape) or not (users.is_unique and items.is_unique):
        raise SchemaError(
            expected=f"distinct ids of the {scores.shape[0]} users and {scores.shape[1]} items "
            "that are scored",
            came=f"{len(users)} ids of users, {users.nunique()} of them distinct, and "
            f"{len(items)} of items, {items.nunique()} of them distinct",
            do="Pass the ids in the order of the embeddings or of the score matrix.",
        )


def _blocks(scores: Scores, rows: NDArray[np.int64]) -> Iterable[tuple[NDArray[np.int64], Any]]:
    """Score users block by block, leaving out those of a negative row."""
    step = rows_at_once(scores.shape[1])
    for number in np.unique(rows[rows >= 0] // step):
        chosen = np.flatnonzero((rows >= 0) & (rows // step == number))
        block = scores.block(int(number) * step, (int(number) + 1) * step)
        yield chosen, block[rows[chosen] - number * step]


def _best(
    scores: NDArray[np.floating], length: int
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Return the first places of each row, best first; equal ones in order of items."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :length]
    return best, np.take_along_axis(scores, best, axis=1)
