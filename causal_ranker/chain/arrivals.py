"""When items came, and which of them are cold at a request: too new to have logs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.chain.logs import Logs
from causal_ranker.columns import Columns as C
from causal_ranker.labels.availability import AVAILABLE_FROM, with_bounds

__all__ = ["Arrivals"]

_ARRIVED, _SEEN = "arrived", "seen"
_DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Arrivals:
    """The moment at which each item came.

    It is ``available_from`` of the item table where that says so, and else the item's first
    impression or play in the logs. An item that is first seen in the first `days` of the logs may
    be of any age: it counts as warm.

    Parameters
    ----------
    table : ibis.Table
        ``item_id`` and ``arrived``, null for such items; items that were never seen have no row.
    log_start : datetime
        First event of the logs.
    days : float
        How long an item is cold.
    """

    table: ibis.Table
    log_start: datetime
    days: float

    @classmethod
    def of(
        cls, connection: Backend, logs: Logs, *, days: float, before: Arrivals | None = None
    ) -> Arrivals:
        """Find out when items came.

        Parameters
        ----------
        connection : ibis.backends.duckdb.Backend
            The engine.
        logs : Logs
            The logs.
        days : float
            How long an item is cold.
        before : Arrivals, optional
            Of earlier logs; these follow them.

        Returns
        -------
        Arrivals
            Of both.
        """
        events = [
            logs.impressions.select(C.ITEM, **{_ARRIVED: logs.impressions[C.T0]}),
            logs.plays.select(C.ITEM, **{_ARRIVED: logs.plays[C.PLAYED_AT]}),
        ]
        kind = logs.plays[C.PLAYED_AT].type()
        seen = ibis.union(*(table.cast({_ARRIVED: kind}) for table in events))
        if before is None:
            log_start: datetime = seen[_ARRIVED].min().to_pyarrow().as_py()
        else:
            log_start, days = before.log_start, before.days
        first = seen.group_by(C.ITEM).aggregate(**{_ARRIVED: seen[_ARRIVED].min()})
        known_from = ibis.literal(log_start + timedelta(days=days))
        first = first.mutate(
            **{
                _ARRIVED: ibis.ifelse(
                    first[_ARRIVED] < known_from, ibis.null(kind), first[_ARRIVED]
                )
            }
        )
        if before is not None:
            # What was seen before is older than what these logs say of it.
            first = before.table.union(first.anti_join(before.table, C.ITEM))
        items = None if logs.items is None else with_bounds(logs.items)
        if items is not None and AVAILABLE_FROM in items.columns:
            told = items.filter(items[AVAILABLE_FROM].notnull()).select(
                C.ITEM, **{_ARRIVED: items[AVAILABLE_FROM].cast(kind)}
            )
            first = told.union(first.anti_join(told, C.ITEM))
        name = ibis.util.gen_name("arrivals")
        return cls(connection.create_table(name, first, temp=True), log_start, days)

    def flag(self, rows: ibis.Table, *, at: datetime | None = None) -> ibis.Table:
        """Say of each row whether its item was cold.

        Parameters
        ----------
        rows : ibis.Table
            Candidates, with ``item_id`` and ``t0``.
        at : datetime, optional
            When; each row's t0 by default.

        Returns
        -------
        ibis.Table
            The same with ``is_cold``; where the rows say so themselves, as they do.
        """
        joined = rows.left_join(self.table.mutate(**{_SEEN: True}), C.ITEM)
        moment = joined[C.T0] if at is None else ibis.literal(at).cast(rows[C.T0].type())
        young = moment < joined[_ARRIVED] + ibis.interval(seconds=round(self.days * 86_400))
        cold = joined[_SEEN].isnull() | young.fill_null(False)
        if C.IS_COLD in rows.columns:
            cold = joined[C.IS_COLD].fill_null(cold)
        names = [name for name in rows.columns if name != C.IS_COLD]
        return joined.select(*names, **{C.IS_COLD: cold})

    def ages(self, items: NDArray[np.generic], t0: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how long items had been there.

        Parameters
        ----------
        items : numpy.ndarray
            Ids, shape (n,).
        t0 : numpy.ndarray
            Moments, microseconds since 1970 UTC, shape (n,).

        Returns
        -------
        numpy.ndarray
            Days, shape (n,): 0 for an item that was not there yet, infinite for one that is older
            than the logs can say.
        """
        table = self.table.to_pyarrow()
        arrived = pd.Series(
            table[_ARRIVED].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy(),
            index=pd.Index(table[C.ITEM].to_pylist()),
        )
        came = arrived.fillna(-np.inf).reindex(pd.Index(items), fill_value=np.inf).to_numpy()
        age: NDArray[np.float64] = np.maximum((t0 - came) / _DAY_US, 0.0)
        return age
