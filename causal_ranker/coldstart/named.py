"""Scores whose users and items have ids, and the audience that a table of pairs gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores
from causal_ranker.columns import Columns as C
from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.recommenders.ids import Ids

__all__ = ["Heard", "NamedScores", "audience_of"]


@dataclass(frozen=True)
class Heard:
    """Pairs of users and items as an audience, and what of the pairs it does not hold.

    Parameters
    ----------
    audience : Audience
        Shape (n_users, n_items).
    of_other_users, of_other_items : int
        Pairs of users that have no row, and pairs of known users with items that have no column.
    """

    audience: Audience
    of_other_users: int
    of_other_items: int


@dataclass(frozen=True)
class NamedScores:
    """Scores of users for items, both known by their ids.

    Parameters
    ----------
    scores : FactoredScores or MatrixScores
        Shape (n_users, n_items).
    users, items : Ids
        Of its rows and columns.

    Raises
    ------
    SchemaError
        If there are more or fewer ids than rows or columns.
    """

    scores: FactoredScores | MatrixScores
    users: Ids
    items: Ids

    def __post_init__(self) -> None:
        named = len(self.users.ids), len(self.items.ids)
        if named != self.scores.shape:
            raise SchemaError(
                expected=f"ids of {named[0]} users and {named[1]} items, one for each row and "
                "column of the scores",
                came=f"scores of shape {self.scores.shape}",
                do="Write the ids in the order of the scores.",
            )

    def of_items(self, positions: NDArray[np.int64]) -> NamedScores:
        """Keep some of the items.

        Parameters
        ----------
        positions : numpy.ndarray
            Columns.

        Returns
        -------
        NamedScores
            Their scores.
        """
        kept = Ids(self.items.ids[positions].tolist(), name=C.ITEM)
        return NamedScores(self.scores.of_items(positions), self.users, kept)

    def only(self, *, users: Sequence[int | str], items: Sequence[int | str]) -> NamedScores:
        """Keep some users and items, in the order in which they are named.

        Parameters
        ----------
        users, items : sequence of int or str
            Ids that all have scores.

        Returns
        -------
        NamedScores
            Their scores.
        """
        rows, columns = self.users.rows(users), self.items.rows(items)
        scores = self.scores.of_items(columns).of_users(rows)
        return NamedScores(scores, Ids(users, name=C.USER), Ids(items, name=C.ITEM))


def audience_of(pairs: pd.DataFrame, *, users: Ids, items: Ids) -> Heard:
    """Make an audience of pairs of ids.

    Parameters
    ----------
    pairs : pandas.DataFrame
        The columns ``user_id`` and ``item_id``.
    users, items : Ids
        Of the rows and columns of the audience.

    Returns
    -------
    Heard
        The audience, and how many pairs it does not hold.

    Raises
    ------
    EmptyError
        If no pair is of these users and items.
    """
    # Of numbers and text none are equal: ids of another type find no row.
    row, column = (
        pd.Index(ids.ids).get_indexer(pd.Index(pairs[name]))
        for ids, name in ((users, C.USER), (items, C.ITEM))
    )
    other_users = row < 0
    other_items = ~other_users & (column < 0)
    kept = (row >= 0) & (column >= 0)
    if not kept.any():
        some = pairs.iloc[0].tolist() if len(pairs) else "no pair at all"
        raise EmptyError(
            expected=f"pairs of the users and items at hand, such as {users.name(0)} and "
            f"{items.name(0)}",
            came=f"none among {len(pairs)}; the first is {some}",
            do="Check that ids are of one type, and that the table is of these items.",
        )
    return Heard(
        Audience.from_pairs(
            row[kept].astype(np.int64),
            column[kept].astype(np.int64),
            shape=(len(users.ids), len(items.ids)),
        ),
        of_other_users=int(other_users.sum()),
        of_other_items=int(other_items.sum()),
    )
