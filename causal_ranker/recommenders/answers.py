"""From whatever a recommender says to the table that the door asks for, checked and in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError, SchemaError

__all__ = ["ANSWER", "answer_in_order", "answer_of", "check_answer"]

#: Columns of an answer.
ANSWER = (C.USER, C.ITEM, C.BASE_SCORE)
_KEYS = [C.USER, C.ITEM]


def answer_of(users: Sequence[Any], items: Sequence[Any], scores: Sequence[Any]) -> pd.DataFrame:
    """Write lists of equal length as a table, unchecked but for what cannot be written.

    Parameters
    ----------
    users, items : sequence of int or str
        Ids, one per row.
    scores : sequence of float
        Base scores, one per row.

    Returns
    -------
    pandas.DataFrame
        Columns user_id, item_id and base_score.

    Raises
    ------
    RowError
        If an id is text that is no Unicode, such as half of a surrogate pair.
    """
    try:
        keys = {C.USER: pd.Series(users), C.ITEM: pd.Series(items)}
    except UnicodeEncodeError as error:
        raise RowError(
            expected="ids that are Unicode text", came=str(error), do="Repair the ids."
        ) from None
    score = pd.Series(scores, dtype=None if len(scores) else np.float64)
    return pd.DataFrame({**keys, C.BASE_SCORE: score})


def check_answer(table: pd.DataFrame, asked: Sequence[int | str]) -> None:
    """Check what somebody else's recommender said.

    Parameters
    ----------
    table : pandas.DataFrame
        The answer, rows in any order; columns beside the three are not looked at.
    asked : sequence of int or str
        The users who were asked for.

    Raises
    ------
    SchemaError
        If a column is missing, or scores are no numbers.
    RowError
        If an id is neither a whole number nor text, a score is not finite, a user was not asked
        for, or a user has an item twice.
    """
    missing = [name for name in ANSWER if name not in table.columns]
    if missing:
        raise SchemaError(
            expected=f"the columns {', '.join(ANSWER)} in the recommender's answer",
            came=f"{', '.join(map(str, table.columns)) or 'none'}, without {', '.join(missing)}",
            do="Rename or add the columns.",
        )
    dtype = table[C.BASE_SCORE].dtype
    number = pd.api.types.is_numeric_dtype(dtype) and dtype.kind in "iuf"
    if len(table) and not number:
        raise SchemaError(
            expected=f"numbers in {C.BASE_SCORE} of the recommender's answer",
            came=f"{dtype}, e.g. {table[C.BASE_SCORE].iloc[0]!r}",
            do="Convert the scores.",
        )
    for name in _KEYS:
        ids = table[name].tolist()
        kinds = set(map(type, ids))
        if not kinds <= {int, str}:
            row = next(row for row, each in enumerate(ids) if type(each) not in (int, str))
            raise RowError(
                expected=f"{name} as whole numbers or text in the recommender's answer",
                came=f"{ids[row]!r} ({type(ids[row]).__name__}) in row {row}",
                do="Convert the ids, and leave out rows without one.",
            )
    score = table[C.BASE_SCORE].to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(
        table,
        ~np.isfinite(score),
        expected="finite base scores",
        do="Give those rows a score, or leave them out.",
    )
    _refuse(
        table,
        ~table[C.USER].isin(asked).to_numpy(),
        expected="rows of the users who were asked for"
        + (f", such as {asked[0]!r} ({type(asked[0]).__name__})" if asked else ""),
        do="Answer about these users only, and write their ids as they were asked for.",
    )
    _refuse(
        table,
        table.duplicated(_KEYS).to_numpy(),
        expected="each user and item once",
        do="Keep one score for each.",
    )


def answer_in_order(
    table: pd.DataFrame, asked: Sequence[int | str], *, k: int | None
) -> pd.DataFrame:
    """Put rows in the order of the door: users as asked, best first, the first k of each.

    Parameters
    ----------
    table : pandas.DataFrame
        Checked rows of users who were asked for; equal scores keep the order they come in.
    asked : sequence of int or str
        The users, each once.
    k : int or None
        Longest list per user.

    Returns
    -------
    pandas.DataFrame
        Columns user_id, item_id and base_score (float64), with a plain index from 0.
    """
    score = table[C.BASE_SCORE].to_numpy(dtype=np.float64)
    place = table[C.USER].map({user: number for number, user in enumerate(asked)})
    whose = place.to_numpy(dtype=np.int64)
    order = np.lexsort((-score, whose))
    if k is not None:
        first = np.searchsorted(whose[order], whose[order])
        order = order[np.arange(order.size) - first < k]
    rows = table.iloc[order]
    return pd.DataFrame(
        {C.USER: rows[C.USER], C.ITEM: rows[C.ITEM], C.BASE_SCORE: score[order]}
    ).reset_index(drop=True)


def _refuse(table: pd.DataFrame, bad: Any, *, expected: str, do: str) -> None:
    if not bad.any():
        return
    row = int(np.flatnonzero(bad)[0])
    example = {name: table[name].iloc[row] for name in ANSWER}
    raise RowError(
        expected=f"{expected} in the recommender's answer",
        came=f"{int(bad.sum())} other rows of {len(table)}, e.g. row {row}: "
        + ", ".join(f"{name} {_plain(value)!r}" for name, value in example.items()),
        do=do,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
