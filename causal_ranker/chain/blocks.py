"""Stream candidate rows through features, one block of requests at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.chain.logs import LabelledLogs
from causal_ranker.columns import Columns as C
from causal_ranker.features.asof import AsOfFeatures, Levels
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


class BlockReader:
    """Rows of one stretch of logs, with features.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    logs : LabelledLogs
        Rows to read; its plays and outcomes are the history.
    config : FeatureConfig
        Features.
    levels : Levels, optional
        Codes of the categorical features; learned from these rows if left out.
    """

    def __init__(
        self,
        connection: Backend,
        *,
        logs: LabelledLogs,
        config: FeatureConfig,
        levels: Levels | None = None,
    ) -> None:
        self._rows = logs.dataset.table
        self._config = config
        self.levels = levels or Levels.learn(self._rows, logs.items, config=config)
        self.features = AsOfFeatures(
            connection,
            plays=logs.plays,
            daily=logs.daily,
            items=logs.items,
            requests=logs.requests,
            config=config,
            levels=self.levels,
        )

    def spans(self, *, block_rows: int) -> list[Span]:
        """Cut the rows into spans of whole hours, in order of time.

        Parameters
        ----------
        block_rows : int
            Rows of one span, more only where one hour alone has more.

        Returns
        -------
        list of Span
            They cover every row once.
        """
        hour = self._rows[C.T0].truncate("h").cast(self._rows[C.T0].type())
        counts = (
            self._rows.group_by(hour=hour).aggregate(rows=self._rows.count()).order_by("hour")
        ).to_pyarrow()
        spans: list[Span] = []
        for start, rows in zip(
            counts["hour"].to_pylist(), counts["rows"].to_pylist(), strict=True
        ):
            end = start + timedelta(hours=1)
            if spans and spans[-1].rows + rows <= block_rows:
                spans[-1] = Span(spans[-1].start, end, spans[-1].rows + rows)
            else:
                spans.append(Span(start, end, rows))
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
        rows = self._rows.filter(
            self._rows[C.T0] >= ibis.literal(span.start), self._rows[C.T0] < ibis.literal(span.end)
        )
        return self.join(rows)

    def read_blocks(self, spans: list[Span]) -> Iterator[FeatureBlock]:
        """Read spans one after the other.

        Parameters
        ----------
        spans : list of Span
            Which ones.

        Yields
        ------
        FeatureBlock
            The rows of one span.
        """
        for span in spans:
            yield self.read(span)

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
        return block.user, block.item, np.ascontiguousarray(block.features[:, :-2])

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
        return FeatureBlock.from_arrow(
            self.features.join(rows).to_pyarrow(), config=self._config
        )
