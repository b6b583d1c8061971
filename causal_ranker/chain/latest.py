"""The candidates of each user's next request, with features as of now: what serving starts from."""

from __future__ import annotations

from datetime import datetime

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.logs import History
from causal_ranker.columns import Columns as C
from causal_ranker.features.asof import Levels
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock

__all__ = ["latest_block", "latest_rows"]


def latest_block(
    connection: Backend,
    candidates: ibis.Table,
    *,
    at: datetime,
    history: History,
    config: FeatureConfig,
    levels: Levels,
) -> FeatureBlock:
    """Read the candidates of each user's last request as if it were made now.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    candidates : ibis.Table
        Candidate log; of each user only the last request is read.
    at : datetime
        Now: features use every event before it.
    history : History
        What features look back on.
    config : FeatureConfig
        Features.
    levels : Levels
        Codes of the categorical features.

    Returns
    -------
    FeatureBlock
        One row per user and candidate, without labels.
    """
    rows = latest_rows(candidates, at=at, config=config)
    reader = BlockReader(
        connection,
        rows=rows,
        requests=rows.group_by([C.USER, C.T0]).aggregate(rows=rows.count()),
        history=history,
        config=config,
        levels=levels,
    )
    return reader.join(rows)


def latest_rows(
    candidates: ibis.Table,
    *,
    at: datetime,
    config: FeatureConfig,
    also: tuple[str, ...] = (),
) -> ibis.Table:
    """Take the candidates of each user's last request as if it were made now.

    Parameters
    ----------
    candidates : ibis.Table
        Candidate log, on any engine.
    at : datetime
        Now.
    config : FeatureConfig
        Which columns say what was known of a request.
    also : tuple of str
        Other columns to keep.

    Returns
    -------
    ibis.Table
        ``user_id, item_id``, those columns that there are, and ``t0``, which is now.
    """
    last = candidates.group_by(C.USER).aggregate(last_t0=candidates[C.T0].max())
    joined = candidates.inner_join(last, C.USER)
    context = [
        name for name in (*config.row_numbers, *config.row_categories) if name in joined.columns
    ]
    now = ibis.literal(at).cast(candidates[C.T0].type())
    return joined.filter(joined[C.T0] == joined.last_t0).select(
        C.USER, C.ITEM, *dict.fromkeys((*context, *also)), **{C.T0: now}
    )
