"""Training rows: every row with a play, and a known share of the others.

Zeros of pairs that the user has played before are kept at a higher rate: they are few, and lists
are decided among them. The rate depends on what was known before t0 only (and on Y, as in any
case-control sample), and its inverse is the row's sampling weight.
"""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace

import ibis
import numpy as np
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.chain.blocks import BlockReader, Span
from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.sampling import IN_SAMPLE, mark_sample

__all__ = ["read_sample", "sample_evenly", "sample_rows", "samples_nothing"]

_IN_MEMORY = 2**30


def samples_nothing(config: ChainConfig) -> bool:
    """Say whether every row trains.

    Parameters
    ----------
    config : ChainConfig
        Rates.

    Returns
    -------
    bool
        Whether both rates are 1.
    """
    return config.zero_rate == 1 and config.zero_rate_with_history == 1


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
    if samples_nothing(config):
        return dataset.table
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


def read_sample(
    reader: BlockReader, rows: ibis.Table, *, spans: list[Span], width: int
) -> FeatureBlock:
    """Read training rows span by span, so that the engine never holds more than one span.

    Parameters
    ----------
    reader : BlockReader
        Adds the features.
    rows : ibis.Table
        The training rows.
    spans : list of Span
        Their times, in order.
    width : int
        Number of features.

    Returns
    -------
    FeatureBlock
        All rows, span after span. A matrix above 1 GiB lies in a temporary file that the
        operating system pages in and out; the file is gone when the matrix is.
    """
    count = int(rows.count().to_pyarrow().as_py())
    matrix = _matrix(count, width)
    parts: list[FeatureBlock] = []
    done = 0
    for span in spans:
        part = reader.join(span.of(rows))
        matrix[done : done + len(part)] = part.features
        parts.append(replace(part, features=part.features[:0]))
        done += len(part)
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(FeatureBlock)
        if field.name != "features"
    }
    return FeatureBlock(features=matrix, **columns)


def _matrix(rows: int, width: int) -> NDArray[np.float32]:
    if rows * width * 4 <= _IN_MEMORY:
        return np.empty((rows, width), dtype=np.float32, order="F")
    with tempfile.NamedTemporaryFile(prefix="causal_ranker_") as file:
        # The mapping keeps the unlinked file alive.
        return np.memmap(file, dtype=np.float32, mode="w+", shape=(rows, width), order="F")


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
