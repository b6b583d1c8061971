"""From whatever the caller has to labelled rows and everything features need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.attribution.attribute import attribute
from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.features.asof import outcome_counts
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.logs.contract import check_candidates, check_impressions, check_plays
from causal_ranker.logs.sources import connect, read_table

__all__ = ["LabelledLogs", "connection_of", "label_logs", "to_datetime"]


@dataclass(frozen=True)
class LabelledLogs:
    """One stretch of logs after attribution and labels; tables are lazy or in the engine.

    Attributes
    ----------
    dataset : UpliftDataset
        One row per candidate whose horizon has ended.
    plays : ibis.Table
        ``(user_id, item_id, played_at, credit)``, one row per play.
    daily : ibis.Table
        Rows and outcomes by item and t0 (see `causal_ranker.features.asof.outcome_counts`).
    requests : ibis.Table
        Distinct ``(user_id, t0)``.
    items : ibis.Table or None
        Item table.
    """

    dataset: UpliftDataset
    plays: ibis.Table
    daily: ibis.Table
    requests: ibis.Table
    items: ibis.Table | None


def connection_of(*sources: Any) -> Backend:
    """Return the DuckDB connection that some Ibis tables already live on, or a new one.

    Parameters
    ----------
    *sources : Any
        What the caller passed as logs.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The first such connection.
    """
    for source in sources:
        if isinstance(source, ibis.Table):
            for backend in source._find_backends()[0]:
                if isinstance(backend, Backend):
                    return backend
    return connect()


def label_logs(
    connection: Backend,
    *,
    impressions: Any,
    plays: Any,
    candidates: Any,
    items: Any,
    log_end: datetime,
    horizon_hours: float | None,
    config: ChainConfig,
) -> LabelledLogs:
    """Check the logs, attribute plays, and label every candidate.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    impressions, plays, candidates, items : path, data frame, Arrow or Ibis table
        The logs; `items` may be None.
    log_end : datetime
        End of the play log (excluded).
    horizon_hours : float, optional
        Horizon of candidates without a ``horizon_end``.
    config : ChainConfig
        Attribution and features.

    Returns
    -------
    LabelledLogs
        Labelled rows and the histories' sources.

    Raises
    ------
    DataError
        If a log breaks its contract.
    """
    shown = check_impressions(read_table(impressions, connection, name="impressions"))
    played = check_plays(read_table(plays, connection, name="plays"))
    listed = check_candidates(read_table(candidates, connection, name="candidates"))
    listed = _with_base_rank(listed)
    credits = _keep(connection, attribute(shown, played, config=config.attribution))
    dataset = collect_labels(
        listed,
        shown,
        plays=played,
        credits=credits,
        config=LabelConfig(
            log_end=log_end,
            horizon_hours=horizon_hours,
            context=(*config.features.row_numbers, *config.features.row_categories),
        ),
    )
    rows = dataset.table
    return LabelledLogs(
        dataset=dataset,
        plays=_keep(connection, _credited_plays(played, credits)),
        daily=_keep(connection, outcome_counts(rows)),
        requests=_keep(connection, rows.select(C.USER, C.T0).distinct()),
        items=None if items is None else read_table(items, connection, name="items"),
    )


def to_datetime(microseconds: int) -> datetime:
    """Return a moment as a UTC-aware datetime.

    Parameters
    ----------
    microseconds : int
        Microseconds since 1970 UTC.

    Returns
    -------
    datetime
        The moment.
    """
    return datetime.fromtimestamp(microseconds / 1_000_000, tz=UTC)


def _with_base_rank(candidates: ibis.Table) -> ibis.Table:
    if C.BASE_SCORE not in candidates.columns or C.BASE_RANK in candidates.columns:
        return candidates
    by_score = ibis.window(
        group_by=[C.USER, C.T0], order_by=[candidates[C.BASE_SCORE].desc(), candidates[C.ITEM]]
    )
    return candidates.mutate(**{C.BASE_RANK: ibis.row_number().over(by_score) + 1})


def _credited_plays(plays: ibis.Table, credits: ibis.Table) -> ibis.Table:
    # An organic play has one credit line without an impression.
    shown = ibis.ifelse(credits[C.IMPRESSION].notnull(), credits[C.CREDIT], 0.0)
    by_play = credits.group_by(C.PLAY).aggregate(**{C.CREDIT: shown.sum()})
    joined = plays.left_join(by_play, C.PLAY)
    return joined.select(
        C.USER, C.ITEM, C.PLAYED_AT, **{C.CREDIT: joined[C.CREDIT].fill_null(0.0)}
    )


def _keep(connection: Backend, table: ibis.Table) -> ibis.Table:
    return connection.create_table(ibis.util.gen_name("chain"), table, temp=True)
