"""A base recommender that is a table of scores somebody has already computed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np
import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.recommenders.checks import check_question

__all__ = ["FrameRecommender"]

_ANSWER = [C.USER, C.ITEM, C.BASE_SCORE]


class FrameRecommender:
    """Candidates from a table of scores.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns user_id, item_id and base_score; other columns are not looked at. With a column t0
        (with a time zone) the table holds several batches, each valid from its t0 on, and a
        user's candidates are those of the user's last batch at or before the request: a batch
        made for a request is made from what was known before it. Without t0 the scores hold
        always, and the caller answers for their age. Rows with equal scores keep their order.

    Raises
    ------
    SchemaError
        If a column is missing, the score is not a number, or t0 has no time zone.
    RowError
        If a score is not finite, a key is null, or a user has an item twice in one batch.
    """

    def __init__(self, scores: pd.DataFrame) -> None:
        missing = [name for name in _ANSWER if name not in scores.columns]
        if missing:
            raise SchemaError(
                expected=f"the columns {', '.join(_ANSWER)} in the scores",
                came=f"{', '.join(map(str, scores.columns))}, without {', '.join(missing)}",
                do="Rename or add the columns.",
            )
        batched = C.T0 in scores.columns
        keys = [C.USER, C.ITEM, *([C.T0] if batched else [])]
        table = scores[[*keys, C.BASE_SCORE]].reset_index(drop=True)
        if batched and not isinstance(table[C.T0].dtype, pd.DatetimeTZDtype):
            raise SchemaError(
                expected=f"{C.T0} as timestamps with a time zone",
                came=str(table[C.T0].dtype),
                do="Localise them, e.g. with Series.dt.tz_localize('UTC').",
            )
        if not pd.api.types.is_numeric_dtype(table[C.BASE_SCORE].dtype):
            raise SchemaError(
                expected=f"numbers in {C.BASE_SCORE}",
                came=str(table[C.BASE_SCORE].dtype),
                do="Convert the column.",
            )
        table[C.BASE_SCORE] = table[C.BASE_SCORE].to_numpy(dtype=np.float64, na_value=np.nan)
        bad = ~np.isfinite(table[C.BASE_SCORE]) | table[keys].isna().any(axis=1)
        if bad.any():
            raise RowError(
                expected="finite scores and no null keys",
                came=f"{int(bad.sum())} other rows, e.g. {table[bad].iloc[0].to_dict()}",
                do="Remove or repair those rows.",
            )
        twice = table.duplicated(keys)
        if twice.any():
            raise RowError(
                expected=f"each {' x '.join(keys)} once",
                came=f"{int(twice.sum())} repeated rows, e.g. {table[twice].iloc[0].to_dict()}",
                do="Keep one score for each.",
            )
        self._batched = batched
        self._table = table.sort_values(C.BASE_SCORE, ascending=False, kind="stable")

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
            Columns user_id, item_id and base_score.

        Raises
        ------
        ConfigError
            If `at` has no time zone, or `k` is below 1.
        RowError
            If a user comes twice.
        """
        asked = check_question(users, at=at, k=k)
        rows = self._table[self._table[C.USER].isin(asked)]
        if self._batched:
            rows = rows[rows[C.T0] <= at]
            rows = rows[rows[C.T0] == rows.groupby(C.USER)[C.T0].transform("max")]
        if k is not None:
            rows = rows.groupby(C.USER).head(k)
        place = rows[C.USER].map({user: number for number, user in enumerate(asked)})
        order = np.argsort(place.to_numpy(), kind="stable")
        return rows.iloc[order][_ANSWER].reset_index(drop=True)
