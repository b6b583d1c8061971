"""Join everything known before t0 onto rows.

`AsOfFeatures` materialises the state of users, items and pairs at the moments of a set of
requests, once; rows are then joined block by block, so that memory holds one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.backends import BaseBackend
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.features.config import (
    DAY_OF_WEEK,
    HOUR_OF_DAY,
    FeatureConfig,
    is_count,
    vector_names,
)
from causal_ranker.features.history import (
    GROUP,
    exposure_history,
    group_history,
    item_history,
    pair_history,
    user_history,
)
from causal_ranker.logs.hours import from_hours, hours_begun, hours_ended
from causal_ranker.logs.keep import keep
from causal_ranker.logs.rules import require_columns

__all__ = ["AsOfFeatures", "Levels", "outcome_counts"]

_ROWS_SHOWN: Final = 3


@dataclass(frozen=True)
class Levels:
    """Category levels in the order of their codes, learned once and kept with the model.

    Attributes
    ----------
    by_feature : dict of str to tuple of str
        Levels of each categorical feature; the code of a level is its position.
    """

    by_feature: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        rows: ibis.Table,
        *,
        users: ibis.Table | None,
        items: ibis.Table | None,
        config: FeatureConfig,
    ) -> Levels:
        """Read the levels off the user and item tables and the candidate log.

        Parameters
        ----------
        rows : ibis.Table
            Training rows.
        users, items : ibis.Table or None
            User and item tables.
        config : FeatureConfig
            Which columns are categorical.

        Returns
        -------
        Levels
            Sorted levels of each categorical feature.

        Raises
        ------
        SchemaError
            If a table or a column that the config names is missing.
        """
        _require(users, config.user_categories, name="users")
        _require(items, config.item_categories, name="items")
        found = {
            f"{of}_{column}": _distinct(table, column)
            for of, table, columns in (
                ("user", users, config.user_categories),
                ("item", items, config.item_categories),
            )
            for column in columns
            if table is not None
        }
        found |= {column: _distinct(rows, column) for column in config.row_categories}
        return cls(found)


class AsOfFeatures:
    """State at the moments of given requests, ready to be joined onto their rows.

    Parameters
    ----------
    connection : ibis.backends.BaseBackend
        Where the state is kept (see `causal_ranker.logs.keep`).
    plays : ibis.Table
        ``(user_id, item_id, played_at, credit)``, one row per play.
    daily : ibis.Table
        What `outcome_counts` returned.
    users, items : ibis.Table or None
        User and item tables.
    requests : ibis.Table
        Distinct ``(user_id, t0)`` whose rows will be asked for.
    config : FeatureConfig
        What to build.
    levels : Levels
        Codes of the categorical features.
    exposures : ibis.Table, optional
        Distinct ``(user_id, item_id, t0)`` that were shown, where the config asks for them.

    Raises
    ------
    SchemaError
        If a table or a column that the config names is missing, or is no list where it should be.
    RowError
        If lists of numbers differ in length from what the config says.
    """

    def __init__(
        self,
        connection: BaseBackend,
        *,
        plays: ibis.Table,
        daily: ibis.Table,
        users: ibis.Table | None,
        items: ibis.Table | None,
        requests: ibis.Table,
        config: FeatureConfig,
        levels: Levels,
        exposures: ibis.Table | None = None,
    ) -> None:
        self._config = config
        self._levels = levels
        group = (config.item_group,) if config.item_group else ()
        _require(
            users,
            (*config.user_numbers, *config.user_categories, *config.user_vectors),
            name="users",
        )
        _require(
            items,
            (*config.item_numbers, *config.item_categories, *config.item_vectors, *group),
            name="items",
        )
        for table, vectors in ((users, config.user_vectors), (items, config.item_vectors)):
            if table is not None:
                _check_lengths(table, vectors)

        def kept(table: ibis.Table, *, order: str | None = None) -> ibis.Table:
            return keep(connection, table, name="asof", order=order)

        self.pairs = kept(pair_history(requests, plays, config=config), order=C.T0)
        self.users = kept(user_history(self.pairs, config=config))
        # Item state is looked up at the start of the UTC hour of t0, so that a log whose every
        # request has a t0 of its own asks at a few thousand moments and not at millions.
        clocks = requests.select(**{C.T0: from_hours(hours_begun(requests[C.T0]))}).distinct()
        self.items = kept(item_history(clocks, plays, daily=daily, config=config))
        self.exposures: ibis.Table | None = None
        if config.exposures:
            if exposures is None:
                raise SchemaError(
                    expected="exposures, as the config asks for dose and recency",
                    came="none",
                    do="Pass exposures=..., or set exposures=False in the config.",
                )
            shown = exposure_history(requests, exposures, config=config)
            self.exposures = kept(shown, order=C.T0)
        self.groups: ibis.Table | None = None
        if items is not None and config.item_group:
            self.groups = kept(group_history(self.pairs, items, config=config), order=C.T0)
        self.user_facts = None
        if users is not None:
            self.user_facts = kept(
                self._facts(
                    users,
                    C.USER,
                    config.user_numbers,
                    config.user_categories,
                    vectors=config.user_vectors,
                )
            )
        self.item_facts = None
        if items is not None:
            facts = self._facts(
                items,
                C.ITEM,
                config.item_numbers,
                config.item_categories,
                vectors=config.item_vectors,
            )
            if config.item_group:
                group = items.select(C.ITEM, **{GROUP: items[config.item_group]})
                facts = _left(facts, group, [C.ITEM])
            self.item_facts = kept(facts)

    def _facts(
        self,
        table: ibis.Table,
        key: str,
        numbers: tuple[str, ...],
        categories: tuple[str, ...],
        *,
        vectors: Mapping[str, int],
    ) -> ibis.Table:
        of = "user" if key == C.USER else "item"
        return table.select(
            key,
            **{f"{of}_{column}": table[column].cast("float32") for column in numbers},
            **{
                f"{of}_{column}": _coded(table[column], self._levels.by_feature[f"{of}_{column}"])
                for column in categories
            },
            **{
                name: table[column][place].cast("float32")
                for column, length in vectors.items()
                for place, name in enumerate(vector_names(of, column, length))
            },
        )

    def join(self, rows: ibis.Table) -> ibis.Table:
        """Add the features to rows, and put these in order.

        Parameters
        ----------
        rows : ibis.Table
            As `add` takes them.

        Returns
        -------
        ibis.Table
            What `add` returns, in order of user, t0 and item.
        """
        return self.add(rows).order_by([C.USER, C.T0, C.ITEM])

    def add(self, rows: ibis.Table) -> ibis.Table:
        """Add the features to rows.

        Parameters
        ----------
        rows : ibis.Table
            Rows with ``user_id, item_id, t0`` and the context columns of the config; their
            requests were given to the constructor.

        Returns
        -------
        ibis.Table
            The rows, in no order, with every feature as float32. A count that is zero is 0; what
            is not known (days since a play that never was, a rate without rows, base score and
            rank before a base recommender has spoken) is null.
        """
        config = self._config
        clocked = rows.mutate(asof_clock=from_hours(hours_begun(rows[C.T0])))
        state = self.items.rename(asof_clock=C.T0)
        joined = _left(clocked, self.users, [C.USER, C.T0])
        joined = _left(joined, state, [C.ITEM, "asof_clock"])
        if self.user_facts is not None:
            joined = _left(joined, self.user_facts, [C.USER])
        if self.item_facts is not None:
            joined = _left(joined, self.item_facts, [C.ITEM])
        joined = _left(joined, self.pairs, [C.USER, C.ITEM, C.T0])
        if self.exposures is not None:
            joined = _left(joined, self.exposures, [C.USER, C.ITEM, C.T0])
        if config.clock:
            hours = hours_begun(joined[C.T0])
            # 1970 began on a Thursday.
            joined = joined.mutate(**{HOUR_OF_DAY: hours % 24, DAY_OF_WEEK: (hours // 24 + 3) % 7})
        if self.groups is not None:
            joined = _left(joined, self.groups, [C.USER, C.T0, GROUP])
        columns = {name: self._feature(joined, name) for name in config.names}
        kept = [name for name in rows.columns if name not in columns]
        return joined.select(*kept, **columns)

    def codes(self, column: pa.ChunkedArray, feature: str) -> NDArray[np.float32]:
        """Return the codes of a categorical column that is already in memory.

        Parameters
        ----------
        column : pyarrow.ChunkedArray
            Values.
        feature : str
            Name of the categorical feature.

        Returns
        -------
        numpy.ndarray
            Float32 codes, NaN for a value that is no level.
        """
        levels = pa.array(self._levels.by_feature[feature], type=pa.string())
        codes = pc.index_in(column.cast(pa.string()), value_set=levels)
        filled: NDArray[np.float32] = pc.fill_null(codes.cast(pa.float32()), np.nan).to_numpy()
        return filled

    def _feature(self, joined: ibis.Table, name: str) -> ibis.Value:
        if name not in joined.columns:
            return ibis.null("float32")
        column = joined[name]
        if name in self._config.row_categories:
            return _coded(column, self._levels.by_feature[name])
        if is_count(name):
            column = column.fill_null(0)
        return column.cast("float32")


def outcome_counts(rows: ibis.Table) -> ibis.Table:
    """Count rows and outcomes by item and hour.

    Hours are those in which item state is looked up: a horizon that ends within an hour counts
    from the next one on, a row from the hour after its t0.

    Parameters
    ----------
    rows : ibis.Table
        Labelled rows of every candidate, not of a sample: ``item_id, t0, horizon_end, treatment,
        outcome``.

    Returns
    -------
    ibis.Table
        ``(item_id, t0, horizon_end)`` with ``rows, shown_rows, plays, shown_plays``.
    """
    treated, played = rows[C.TREATMENT], rows[C.OUTCOME]
    counts = rows.group_by(
        [
            C.ITEM,
            hours_begun(rows[C.T0]).name(C.T0),
            hours_ended(rows[C.HORIZON_END]).name(C.HORIZON_END),
        ]
    ).aggregate(
        rows=rows.count(),
        shown_rows=treated.cast("int64").sum(),
        plays=played.cast("int64").sum(),
        shown_plays=(treated * played).cast("int64").sum(),
    )
    return counts.mutate(**{name: from_hours(counts[name]) for name in (C.T0, C.HORIZON_END)})


def _check_lengths(table: ibis.Table, vectors: Mapping[str, int]) -> None:
    """Refuse lists of another length: numbers that are not there would read as missing."""
    for column, length in vectors.items():
        kind = table[column].type()
        if not (kind.is_array() and kind.value_type.is_numeric()):
            raise SchemaError(
                expected=f"lists of {length} numbers in '{column}'",
                came=str(kind),
                do="Give the column as lists, or take it out of the vectors of the config.",
            )
        known = table.filter(table[column].notnull())
        other = known.filter(known[column].length() != length)
        found = other.select(length=other[column].length()).limit(_ROWS_SHOWN).to_pyarrow()
        if found.num_rows:
            raise RowError(
                expected=f"{length} numbers in each list of '{column}'",
                came=f"lists of {', '.join(map(str, found['length'].to_pylist()))}",
                do="Make them equally long, or leave a list empty (null) where it is unknown.",
            )


def _require(table: ibis.Table | None, columns: tuple[str, ...], *, name: str) -> None:
    if columns and table is None:
        raise SchemaError(
            expected=f"a table of {name} with {', '.join(columns)}, which are features",
            came="no such table",
            do=f"Pass {name}=..., or take these columns out of the config.",
        )
    if table is not None:
        require_columns(table, columns, name=name)


def _coded(column: ibis.Column, levels: tuple[str, ...]) -> ibis.Value:
    """Return the code of each value: its level's position, or null for an unseen one."""
    cases = [(level, float(code)) for code, level in enumerate(levels)]
    text = column.cast("string")
    return text.cases(*cases).cast("float32") if cases else ibis.null("float32")


def _distinct(table: ibis.Table, column: str) -> tuple[str, ...]:
    values = table.select(level=table[column].cast("string")).distinct().to_pyarrow()
    return tuple(sorted(v for v in values["level"].to_pylist() if v is not None))


def _left(left: ibis.Table, right: ibis.Table, key: list[str]) -> ibis.Table:
    joined = left.left_join(right, key)
    return joined.drop(*(f"{name}_right" for name in key))
