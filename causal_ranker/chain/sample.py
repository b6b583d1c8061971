"""Training rows: every row with a play, and a known share of the others.

Zeros of pairs that the user has played before are kept at a higher rate: they are few, and lists
are decided among them. The rate depends on what was known before t0 only (and on Y, as in any
case-control sample), and its inverse is the row's sampling weight.
"""

from __future__ import annotations

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.sampling import IN_SAMPLE, mark_sample

__all__ = ["sample_evenly", "sample_rows"]


def sample_rows(
    connection: Backend,
    *,
    dataset: UpliftDataset,
    pairs: ibis.Table,
    config: ChainConfig,
    seed: int,
) -> ibis.Table:
    """Draw the training rows.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        Where the sample is kept.
    dataset : UpliftDataset
        All labelled rows.
    pairs : ibis.Table
        Pairs with an earlier play, by request: ``(user_id, item_id, t0)``.
    config : ChainConfig
        Rates.
    seed : int
        The run's seed.

    Returns
    -------
    ibis.Table
        The sampled rows with their weights.
    """
    key = [C.USER, C.ITEM, C.T0]
    rows, history = dataset.table, pairs.select(key)
    parts = [
        UpliftDataset(table=chosen, censored=dataset.censored).sample_training(rate, seed).table
        for chosen, rate in (
            (rows.semi_join(history, key), config.zero_rate_with_history),
            (rows.anti_join(history, key), config.zero_rate),
        )
    ]
    return connection.create_table(ibis.util.gen_name("sample"), ibis.union(*parts), temp=True)


def sample_evenly(
    connection: Backend, *, dataset: UpliftDataset, share: float, seed: int
) -> ibis.Table:
    """Draw rows evenly, whatever their outcome: what the propensity is learned from.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        Where the sample is kept.
    dataset : UpliftDataset
        All labelled rows.
    share : float
        Share of the rows, in (0, 1].
    seed : int
        The run's seed.

    Returns
    -------
    ibis.Table
        The sampled rows.
    """
    rows = dataset.table
    if share < 1:
        marked = mark_sample(rows, share=share, salt=f"even-{seed}")
        rows = marked.filter(marked[IN_SAMPLE]).drop(IN_SAMPLE)
    return connection.create_table(ibis.util.gen_name("even"), rows, temp=True)
