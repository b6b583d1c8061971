"""Training rows: every row with a play, and a known share of the others.

Zeros of pairs that the user has played before are kept at a higher rate: they are few, and lists
are decided among them. The rate depends on what was known before t0 only (and on Y, as in any
case-control sample), and its inverse is the row's sampling weight.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import ibis
from ibis.backends.duckdb import Backend
from numpy.typing import NDArray

from causal_ranker.chain.blocks import BlockReader, Span
from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import EmptyError
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.sampling import DRAW, draw, is_below, weigh_zeros
from causal_ranker.paging import empty_array

__all__ = ["Samples", "draw_samples", "read_sample", "samples_nothing"]

_KNOWN, _TRAINS, _EVEN, _RATE = (f"sample_{name}" for name in ("known", "trains", "even", "rate"))


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


@dataclass(frozen=True)
class Samples:
    """Rows drawn for training, kept in the engine.

    Attributes
    ----------
    training : ibis.Table
        Every row with a play and a known share of the others, with weights.
    even : ibis.Table
        Rows drawn whatever their outcome: what the propensity is learned from.
    """

    training: ibis.Table
    even: ibis.Table


def draw_samples(
    connection: Backend,
    *,
    dataset: UpliftDataset,
    pairs: ibis.Table,
    config: ChainConfig,
    seed: int,
) -> Samples:
    """Draw the training rows and the rows for the propensity, in one pass over the labels.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        Where the samples are kept.
    dataset : UpliftDataset
        All labelled rows.
    pairs : ibis.Table
        Pairs with an earlier play, by request: unique in ``(user_id, item_id, t0)``.
    config : ChainConfig
        Rates.
    seed : int
        The run's seed.

    Returns
    -------
    Samples
        All rows where the rates are 1.
    """
    everything = dataset.table
    if config.thin:
        # Kept, as who stays is decided over all rows, and they are read span by span.
        everything = connection.create_table(
            ibis.util.gen_name("thinned"), dataset.thin().table, temp=True
        )
    if samples_nothing(config):
        if config.propensity_rate == 1:
            return Samples(training=everything, even=everything)
        lots = draw(everything, salt=f"zeros-{seed}")
        even = lots.filter(~is_below(lots[DRAW], 1 - config.propensity_rate)).drop(DRAW)
        return Samples(training=everything, even=even)
    key = [C.USER, C.ITEM, C.T0]
    known = pairs.select(*key, **{_KNOWN: ibis.literal(True)})
    rows = everything.left_join(known, key).select(*everything.columns, _KNOWN)
    rows = draw(rows, salt=f"zeros-{seed}")
    familiar, lot = rows[_KNOWN].fill_null(False), rows[DRAW]
    kept = (rows[C.OUTCOME] == 1) | ibis.ifelse(
        familiar, is_below(lot, config.zero_rate_with_history), is_below(lot, config.zero_rate)
    )
    # The other end of the same draws: the two samples need not be independent.
    even = ~is_below(lot, 1 - config.propensity_rate)
    rate = ibis.ifelse(familiar, config.zero_rate_with_history, config.zero_rate)
    rows = rows.mutate(**{_TRAINS: kept, _EVEN: even, _RATE: rate}).drop(_KNOWN, DRAW)
    all_even = config.propensity_rate == 1
    wanted = rows[_TRAINS] if all_even else rows[_TRAINS] | rows[_EVEN]
    drawn = connection.create_table(ibis.util.gen_name("samples"), rows.filter(wanted), temp=True)
    marks = (_TRAINS, _EVEN, _RATE)
    training = drawn.filter(drawn[_TRAINS])
    return Samples(
        training=weigh_zeros(training, training[_RATE]).drop(*marks),
        even=everything if all_even else drawn.filter(drawn[_EVEN]).drop(*marks),
    )


def read_sample(reader: BlockReader, rows: ibis.Table, *, spans: list[Span]) -> FeatureBlock:
    """Read sampled rows span by span, so that the engine never holds more than one span.

    Parameters
    ----------
    reader : BlockReader
        Adds the features.
    rows : ibis.Table
        The sample.
    spans : list of Span
        Their times, in order.

    Returns
    -------
    FeatureBlock
        All rows, span after span; what is large lies in files (`causal_ranker.paging`).

    Raises
    ------
    EmptyError
        If there is no span, as the logs have no row whose horizon ended.
    """
    if not spans:
        raise EmptyError(
            expected="candidates whose horizon ends inside the logs",
            came="none",
            do="Give a longer log, or a shorter horizon.",
        )
    count = int(rows.count().to_pyarrow().as_py())
    whole: dict[str, NDArray[Any]] = {}
    done = 0
    for span in spans:
        part = reader.join(span.of(rows))
        for field in fields(FeatureBlock):
            values = getattr(part, field.name)
            if field.name not in whole:
                whole[field.name] = empty_array((count, *values.shape[1:]), values.dtype)
            whole[field.name][done : done + len(part)] = values
        done += len(part)
    return FeatureBlock(**whole)
