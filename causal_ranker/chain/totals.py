"""Total plays of the users, looked up for blocks of rows.

They are an outcome, so they stand apart from the blocks that models read.
"""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError
from causal_ranker.features.matrix import FeatureBlock

__all__ = ["Totals"]

_KEY = (C.USER, C.T0, C.HORIZON_END)


class Totals:
    """Total plays by user and horizon, in memory: one number per request.

    Parameters
    ----------
    table : ibis.Table
        ``user_id``, ``t0`` and ``horizon_end``, unique, with ``total_plays``.
    """

    def __init__(self, table: ibis.Table) -> None:
        found = table.select(*_KEY, C.TOTAL_PLAYS).to_pyarrow()
        user = found[C.USER].to_numpy(zero_copy_only=False)
        t0, end = (_microseconds(found[name]) for name in (C.T0, C.HORIZON_END))
        self._index = pd.MultiIndex.from_arrays([user, t0, end])
        self._total = found[C.TOTAL_PLAYS].to_numpy().astype(np.float64)

    def of(self, block: FeatureBlock) -> NDArray[np.float64]:
        """Return the total plays of each row's user in the row's horizon.

        Parameters
        ----------
        block : FeatureBlock
            Rows of the same logs, in any order.

        Returns
        -------
        numpy.ndarray
            Items played, each counted once, shape (n_rows,).

        Raises
        ------
        RowError
            If a row's horizon is not among those that were counted.
        """
        if not len(block):
            return np.empty(0)
        columns = (block.user, block.t0, block.horizon_end)
        new = np.ones(len(block), dtype=np.bool_)
        new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        asked = pd.MultiIndex.from_arrays([column[new] for column in columns])
        at = self._index.get_indexer(asked)
        if (at < 0).any():
            missing = asked[int(np.argmax(at < 0))]
            raise RowError(
                expected="total plays for the horizon of every row",
                came=f"none in {int((at < 0).sum())} of {at.size} (user {missing[0]})",
                do="Count the totals of the logs that the rows come from.",
            )
        found: NDArray[np.float64] = self._total[at][np.cumsum(new) - 1]
        return found


def _microseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    moments = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    microseconds: NDArray[np.int64] = moments.to_numpy()
    return microseconds
