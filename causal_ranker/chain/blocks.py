"""Stream candidate rows through features, one block of requests at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

import ibis
import numpy as np
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.chain.logs import History, LabelledLogs
from causal_ranker.columns import Columns as C
from causal_ranker.features.asof import AsOfFeatures, Levels
from causal_ranker.features.assemble import read_block
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock

__all__ = ["BlockReader", "Span"]


@dataclass(frozen=True)
class Span:
    """Requests with t0 in ``[start, end)``.

    Attributes
    ----------
    start, end : datetime
        UTC-aware.
    rows : int
        Candidate rows inside.
    """

    start: datetime
    end: datetime
    rows: int

    def of(self, rows: ibis.Table) -> ibis.Table:
        """Return the rows of the span.

        Parameters
        ----------
        rows : ibis.Table
            Rows with a ``t0``.

        Returns
        -------
        ibis.Table
            Those with t0 inside.
        """
        return rows.filter(
            rows[C.T0] >= ibis.literal(self.start), rows[C.T0] < ibis.literal(self.end)
        )


class BlockReader:
    """Rows of one stretch of logs, with features.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    rows : ibis.Table
        Rows to read.
    requests : ibis.Table
        Their distinct ``(user_id, t0)``, with the number of ``rows`` of each.
    history : History
        What features look back on.
    config : FeatureConfig
        Features.
    levels : Levels, optional
        Codes of the categorical features; learned from these rows if left out.
    """

    def __init__(
        self,
        connection: Backend,
        *,
        rows: ibis.Table,
        requests: ibis.Table,
        history: History,
        config: FeatureConfig,
        levels: Levels | None = None,
    ) -> None:
        self._rows = rows
        self._requests = requests
        self._config = config
        self.levels = levels or Levels.learn(
            rows, users=history.users, items=history.items, config=config
        )
        self.features = AsOfFeatures(
            connection,
            plays=history.plays,
            daily=history.daily,
            users=history.users,
            items=history.items,
            exposures=history.exposures,
            requests=requests,
            config=config,
            levels=self.levels,
        )

    @classmethod
    def of(
        cls,
        connection: Backend,
        logs: LabelledLogs,
        *,
        history: History,
        config: FeatureConfig,
        levels: Levels,
    ) -> BlockReader:
        """Read all rows of labelled logs.

        Parameters
        ----------
        connection : ibis.backends.duckdb.Backend
            The engine.
        logs : LabelledLogs
            The rows and their requests.
        history : History
            What features look back on; often longer than the logs.
        config : FeatureConfig
            Features.
        levels : Levels
            Codes of the categorical features.

        Returns
        -------
        BlockReader
            The reader.
        """
        return cls(
            connection,
            rows=logs.dataset.table,
            requests=logs.requests,
            history=history,
            config=config,
            levels=levels,
        )

    def spans(
        self,
        *,
        block_rows: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Span]:
        """Cut the rows into spans of whole hours, in order of time.

        Parameters
        ----------
        block_rows : int
            Rows of one span, more only where one hour alone has more.
        since, until : datetime, optional
            Leave out the rows with t0 before, or not before.

        Returns
        -------
        list of Span
            They cover every row once.
        """
        # Counted on the requests, so that the rows need not be labelled once more.
        asked = self._requests
        if since is not None:
            asked = asked.filter(asked[C.T0] >= ibis.literal(since))
        if until is not None:
            asked = asked.filter(asked[C.T0] < ibis.literal(until))
        hour = asked[C.T0].truncate("h").cast(asked[C.T0].type())
        hours = asked.group_by(hour=hour).aggregate(rows=asked["rows"].sum())
        counts = hours.order_by("hour").to_pyarrow()
        spans: list[Span] = []
        for hour, n in zip(counts["hour"].to_pylist(), counts["rows"].to_pylist(), strict=True):
            start = hour if since is None else max(hour, since)
            end = hour + timedelta(hours=1)
            end = end if until is None else min(end, until)
            if spans and spans[-1].rows + n <= block_rows:
                spans[-1] = Span(spans[-1].start, end, spans[-1].rows + n)
            else:
                spans.append(Span(start, end, n))
        return spans

    def read(self, span: Span) -> FeatureBlock:
        """Read every candidate row of a span.

        Parameters
        ----------
        span : Span
            One of `spans`.

        Returns
        -------
        FeatureBlock
            Rows in order of user, t0 and item.
        """
        return self.join(span.of(self._rows))

    def read_blocks(
        self, spans: list[Span], *, prepare: Callable[[FeatureBlock], None] = lambda _: None
    ) -> Iterator[FeatureBlock]:
        """Read spans one after the other, the next ones while the caller works on the one before.

        Parameters
        ----------
        spans : list of Span
            Which ones.
        prepare : callable
            Called with each block in the thread that read it.

        Yields
        ------
        FeatureBlock
            The rows of one span. At most four blocks exist at a time.
        """
        one_query = Lock()

        def block_of(span: Span) -> FeatureBlock:
            with one_query:
                block = self.read(span)
            prepare(block)
            return block

        with ThreadPoolExecutor(max_workers=2) as ahead:
            waiting: list[Future[FeatureBlock]] = []
            for span in spans:
                waiting.append(ahead.submit(block_of, span))
                if len(waiting) > 2:
                    yield waiting.pop(0).result()
            yield from (block.result() for block in waiting)

    def candidate_rows(
        self, users: Sequence[Any], at: datetime
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
        """Read the candidates of some users' requests at one moment.

        Parameters
        ----------
        users : sequence of int or str
            Users.
        at : datetime
            The t0 of their requests.

        Returns
        -------
        user, item, features : numpy.ndarray
            Shapes (n_rows,), (n_rows,) and (n_rows, n_features - 2): without the base columns.
        """
        asked = self._rows[C.USER].isin(list(users))
        block = self.join(self._rows.filter(asked, self._rows[C.T0] == ibis.literal(at)))
        return block.user, block.item, block.without_base

    def join(self, rows: ibis.Table) -> FeatureBlock:
        """Read given rows.

        Parameters
        ----------
        rows : ibis.Table
            Rows of these logs, e.g. a sample.

        Returns
        -------
        FeatureBlock
            The rows in order of user, t0 and item.
        """
        return read_block(self.features, rows, config=self._config)
