"""Read rows with their features straight into arrays.

`AsOfFeatures.join` says what the features of a row are, as one expression for any engine. Reading
a block that way spends most of its time copying 40 columns through five joins. Here the engine
gives the rows and the (small) states, and the states are looked up by integer codes: the same
values, bit by bit (a test holds the two together), in less than half the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.features.asof import AsOfFeatures
from causal_ranker.features.config import DAY_OF_WEEK, HOUR_OF_DAY, FeatureConfig, is_count
from causal_ranker.features.history import GROUP
from causal_ranker.features.matrix import BLOCK_COLUMNS, FeatureBlock

__all__ = ["read_block"]

_HOUR = "asof_clock"
#: Keys are looked up in a table while it has at most so many places for each row.
_DENSE = 8


def read_block(features: AsOfFeatures, rows: ibis.Table, *, config: FeatureConfig) -> FeatureBlock:
    """Read rows with everything known before their t0.

    Parameters
    ----------
    features : AsOfFeatures
        State at the moments of the rows' requests.
    rows : ibis.Table
        Rows with ``user_id, item_id, t0`` and the context columns of the config.
    config : FeatureConfig
        Order of the features.

    Returns
    -------
    FeatureBlock
        The rows in order of user, t0 and item.
    """
    wanted = {
        *BLOCK_COLUMNS,
        *config.row_numbers,
        *config.row_categories,
        C.BASE_SCORE,
        C.BASE_RANK,
    }
    # Columns that nobody asks for (the kind of a label, say) are then never computed.
    needed = rows.select(*[name for name in rows.columns if name in wanted])
    table = needed.order_by([C.USER, C.T0, C.ITEM]).to_pyarrow()
    matrix = np.empty((table.num_rows, len(config.names)), dtype=np.float32, order="F")
    place = {name: position for position, name in enumerate(config.names)}
    unknown = set(place)
    for name in (*config.row_numbers, C.BASE_SCORE, C.BASE_RANK):
        if name in table.column_names:
            matrix[:, place[name]] = _numbers(table[name])
            unknown.discard(name)
    for name, values in _clock(table, config).items():
        matrix[:, place[name]] = values
        unknown.discard(name)
    for name in config.row_categories:
        matrix[:, place[name]] = features.codes(table[name], name)
        unknown.discard(name)
    if table.num_rows:
        unknown -= _look_up(features, table, matrix, place)
    for name in unknown:
        matrix[:, place[name]] = np.nan
    return FeatureBlock.from_rows(table, matrix)


def _clock(table: pa.Table, config: FeatureConfig) -> dict[str, NDArray[np.int64]]:
    if not config.clock:
        return {}
    seconds = table[C.T0].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy() // 1_000_000
    hours = seconds // 3600
    # 1970 began on a Thursday.
    return {HOUR_OF_DAY: hours % 24, DAY_OF_WEEK: (hours // 24 + 3) % 7}


def _look_up(
    features: AsOfFeatures, table: pa.Table, matrix: NDArray[np.float32], place: dict[str, int]
) -> set[str]:
    """Write what is known of each row's keys, and return the names of the columns written."""
    written: set[str] = set()
    first, last = (pc.min_max(table[C.T0])[end].as_py() for end in ("min", "max"))
    hours = pc.floor_temporal(table[C.T0], unit="hour")
    keyed = {C.USER: table[C.USER], C.ITEM: table[C.ITEM], C.T0: table[C.T0], _HOUR: hours}
    keys = _Keys(keyed)
    if features.item_facts is not None:
        facts = features.item_facts.to_pyarrow()
        found = keys.positions(facts, [C.ITEM])
        written |= _fill(matrix, place, facts, found)
        if GROUP in facts.column_names:
            keys.add(GROUP, facts[GROUP], found)
    if features.user_facts is not None:
        users = features.user_facts.to_pyarrow()
        written |= _fill(matrix, place, users, keys.positions(users, [C.USER]))
    since, until = first, last + timedelta(microseconds=1)
    hour = first.replace(minute=0, second=0, microsecond=0)
    states: list[tuple[ibis.Table | None, list[str], datetime]] = [
        (features.users, [C.USER, C.T0], since),
        (features.pairs, [C.USER, C.ITEM, C.T0], since),
        (features.exposures, [C.USER, C.ITEM, C.T0], since),
        (features.groups, [C.USER, C.T0, GROUP], since),
        (features.items, [C.ITEM, _HOUR], hour),
    ]
    for state, names, start in states:
        if state is None:
            continue
        inside = state.filter(
            state[C.T0] >= ibis.literal(start).cast(state[C.T0].type()),
            state[C.T0] < ibis.literal(until).cast(state[C.T0].type()),
        ).to_pyarrow()
        if _HOUR in names:
            inside = inside.rename_columns(
                [_HOUR if name == C.T0 else name for name in inside.column_names]
            )
        written |= _fill(matrix, place, inside, keys.positions(inside, names))
    return written


def _fill(
    matrix: NDArray[np.float32],
    place: dict[str, int],
    state: pa.Table,
    found: NDArray[np.int64],
) -> set[str]:
    written = place.keys() & set(state.column_names)
    for name in state.column_names:
        if name in written:
            missing = 0.0 if is_count(name) else np.nan
            values = np.append(_numbers(state[name], missing), np.float32(missing))
            # Position -1, nothing found, reads the missing value at the end.
            np.take(values, found, out=matrix[:, place[name]], mode="wrap")
    return written


class _Keys:
    """Integer codes of the rows' keys, in which states are looked up."""

    def __init__(self, columns: dict[str, pa.ChunkedArray]) -> None:
        self._codes: dict[str, NDArray[np.int64]] = {}
        self._values: dict[str, pa.Array] = {}
        for name, column in columns.items():
            encoded = column.combine_chunks().dictionary_encode()
            if isinstance(encoded, pa.ChunkedArray):
                encoded = encoded.combine_chunks()
            self._codes[name] = encoded.indices.to_numpy().astype(np.int64)
            self._values[name] = encoded.dictionary

    def add(self, name: str, column: pa.ChunkedArray, found: NDArray[np.int64]) -> None:
        """Code a key that rows have through another: `column` at the positions `found`."""
        encoded = column.combine_chunks().dictionary_encode()
        codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
        self._codes[name] = np.append(codes, -1)[found]
        self._values[name] = encoded.dictionary

    def positions(self, state: pa.Table, names: Sequence[str]) -> NDArray[np.int64]:
        """Find each row's entry in a state table, -1 where it has none."""
        wanted: NDArray[np.int64] | None = None
        kept: NDArray[np.int64] | None = None
        combinations = 1
        known = np.ones(state.num_rows, dtype=bool)
        for name in names:
            values = self._values[name]
            column = state[name].combine_chunks().cast(values.type)
            code = pc.fill_null(pc.index_in(column, value_set=values), -1)
            codes = code.to_numpy(zero_copy_only=False).astype(np.int64)
            known &= codes >= 0
            size = len(values) + 1
            combinations *= size
            wanted = (0 if wanted is None else wanted * size) + self._codes[name] + 1
            kept = (0 if kept is None else kept * size) + codes + 1
        assert wanted is not None
        assert kept is not None
        entries = np.flatnonzero(known)
        if not len(entries):
            return np.full(len(wanted), -1, dtype=np.int64)
        if combinations <= _DENSE * len(wanted):
            # A table with a place for every combination needs no search.
            place = np.full(combinations, -1, dtype=np.int64)
            place[kept[entries]] = entries
            found: NDArray[np.int64] = place[wanted]
            return found
        order = entries[np.argsort(kept[entries])]
        ordered = kept[order]
        at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        return np.where(ordered[at] == wanted, order[at], -1)


def _numbers(column: pa.ChunkedArray, missing: float = np.nan) -> NDArray[np.float32]:
    values = column.cast(pa.float32(), safe=False)
    filled: NDArray[Any] = pc.fill_null(values, missing).to_numpy()
    return filled.astype(np.float32, copy=False)
