"""Profiles of tables of any length, streamed through DuckDB in bounded memory.

A sample of the reference's rows chooses the cells of each numeric column; then one pass over each
table counts. Sample and counts are the same whatever the number of threads, and
means to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from causal_ranker.drift.histograms import edges_of
from causal_ranker.drift.profiles import CELLS, HALVINGS, Categories, Numbers, Profile, scale_of
from causal_ranker.drift.sql import day_of, fetched, number_of, quoted, relation
from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.logs.sources import reading
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["MOST_CATEGORIES", "MOST_SEGMENTS", "Cells", "Scan", "plan", "scan"]

_SAMPLE: Final = 50_000
#: Columns of one query: bounds the length of its text and the number of its counters.
_AT_ONCE: Final = 64
#: A column of text with more values than this holds ids, and is not compared.
MOST_CATEGORIES: Final = 1_000
MOST_SEGMENTS: Final = 50


@dataclass(frozen=True, eq=False)
class Cells:
    """How the columns of a table are counted.

    Parameters
    ----------
    numbers : dict of str to (edges, centre, unit)
        Numeric columns.
    categories : tuple of str
        Columns of text or booleans.
    uncounted : tuple of str
        Columns of text with too many values to be categories: ids, most likely.
    day : str or None
        Column of dates or timestamps whose day (of its own clock) groups rows.
    segment : str or None
        Column whose values group rows.
    """

    numbers: dict[str, tuple[Array, float, float]]
    categories: tuple[str, ...]
    uncounted: tuple[str, ...]
    day: str | None
    segment: str | None

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are counted."""
        return (*self.numbers, *self.categories)


@dataclass(frozen=True, eq=False)
class Scan:
    """A table's profiles.

    Parameters
    ----------
    days : ndarray of datetime64[D], shape (n_days,)
        Its days in order; a single NaT where no column of days is named.
    rows : dict of (str or None) to ndarray of int64, shape (n_days,)
        Rows by segment; None is the whole table.
    columns : dict of (str or None) to dict of str to Numbers or Categories
        Profiles by segment and column.
    new_segments : tuple of str
        Segments that the reference does not have; their rows are in the whole table's profiles.
    """

    days: NDArray[np.datetime64]
    rows: dict[str | None, IntArray]
    columns: dict[str | None, dict[str, Profile]]
    new_segments: tuple[str, ...]


def plan(
    table: ibis.Table, columns: Sequence[str], *, day: str | None, segment: str | None
) -> Cells:
    """Choose the cells of a reference's columns.

    Parameters
    ----------
    table : ibis.Table
        The reference, on DuckDB.
    columns : sequence of str
        Columns of numbers, text or booleans.
    day, segment : str, optional
        See `Cells`.

    Returns
    -------
    Cells
        The plan, which also serves for the window.
    """
    kinds = table.schema()
    numeric = [name for name in columns if kinds[name].is_numeric()]
    named = [name for name in columns if not kinds[name].is_numeric()]
    numbers = {}
    every = max(1, int(table.count().to_pyarrow().as_py()) // _SAMPLE)
    for some in _parts(numeric):
        picked = ", ".join(f"{number_of(n, kinds[n])} AS c{k}" for k, n in enumerate(some))
        query = (
            f"SELECT * EXCLUDE (place) FROM (SELECT {picked}, row_number() OVER () AS place "
            f"FROM {relation(table)}) WHERE place % {every} = 0"
        )
        for name, column in zip(some, fetched(table, query).columns, strict=True):
            values = column.drop_null().to_numpy().astype(np.float64)
            values = values[np.isfinite(values)]
            edges = edges_of(values, cells=CELLS, halvings=HALVINGS) if values.size else np.zeros(1)
            numbers[name] = (edges, *scale_of(values))
    few: list[str] = []
    for some in _parts(named):
        counts = ", ".join(f"approx_count_distinct({quoted(name)})" for name in some)
        found = fetched(table, f"SELECT {counts} FROM {relation(table)}")
        few += [
            name
            for name, column in zip(some, found.columns, strict=True)
            if column[0].as_py() <= MOST_CATEGORIES
        ]
    return Cells(numbers, tuple(few), tuple(n for n in named if n not in few), day, segment)


def scan(table: ibis.Table, cells: Cells, *, name: str, like: Scan | None = None) -> Scan:
    """Count a table's rows in the cells, in one pass for numbers and one for each category.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.
    cells : Cells
        The plan.
    name : str
        What the table is, for messages.
    like : Scan, optional
        The reference's scan, whose categories and segments are taken.

    Returns
    -------
    Scan
        The profiles.

    Raises
    ------
    EmptyError
        If the table has no row.
    RowError
        If rows have no day.
    """
    keys = {"__day": day_of(cells.day), "__segment": _segment(cells.segment)}
    head = ", ".join(f"{expression} AS {key}" for key, expression in keys.items())
    with reading(name):
        groups = fetched(
            table, f"SELECT {head}, count(*) AS n FROM {relation(table)} GROUP BY ALL ORDER BY ALL"
        )
    if not groups.num_rows:
        raise EmptyError(
            expected=f"at least two rows in the {name}",
            came="0",
            do="Check the path and the filter on dates.",
        )
    if cells.day is not None and groups["__day"].null_count:
        lost = sum(
            n
            for d, n in zip(groups["__day"].to_pylist(), groups["n"].to_pylist(), strict=True)
            if d is None
        )
        raise RowError(
            expected=f"a day in every row of '{cells.day}' in the {name}",
            came=f"{lost} rows without one",
            do="Drop these rows, or mend the log.",
        )
    days = np.unique(groups["__day"].to_numpy().astype("datetime64[D]"))
    frame = _Frame(table, days, cells.segment, head, like)
    rows = frame.spread(groups, groups["n"].to_numpy())
    parts: dict[str | None, dict[str, Profile]] = {segment: {} for segment in rows}
    came = set(groups["__segment"].to_pylist()) - {None}
    with reading(name):
        for some in _parts(list(cells.numbers)):
            for column, by_segment in _numbers(frame, some, cells).items():
                for segment, profile in by_segment.items():
                    parts[segment][column] = profile
        for column in cells.categories:
            before = None if like is None else like.columns[None][column]
            assert before is None or isinstance(before, Categories)
            for segment, found in _categories(frame, column, before, rows).items():
                parts[segment][column] = found
    return Scan(days, rows, parts, tuple(sorted(came - rows.keys())))


class _Frame:
    """A table, its days and segments, and how grouped results become arrays."""

    def __init__(
        self,
        table: ibis.Table,
        days: NDArray[np.datetime64],
        segment: str | None,
        head: str,
        like: Scan | None,
    ) -> None:
        self.table, self.days, self.head = table, days, head
        self.segmented = segment is not None
        self._segments = None if like is None else [s for s in like.rows if s is not None]

    def spread(self, found: pa.Table, values: NDArray[Any]) -> dict[str | None, Any]:
        """Sum rows of a grouped result into arrays by day, for each segment and for all."""
        place = np.searchsorted(self.days, found["__day"].to_numpy().astype("datetime64[D]"))
        if np.isnat(self.days).all():
            place = np.zeros(len(values), dtype=np.int64)
        shape = (self.days.size, *values.shape[1:])
        whole = np.zeros(shape, dtype=values.dtype)
        np.add.at(whole, place, values)
        result: dict[str | None, Any] = {None: whole}
        if self.segmented:
            of_row = np.array(found["__segment"].to_pylist(), dtype=object)
            if self._segments is None:
                self._segments = sorted(set(of_row.tolist()))
                if len(self._segments) > MOST_SEGMENTS:
                    raise ConfigError(
                        expected=f"a column of at most {MOST_SEGMENTS} segments",
                        came=f"{len(self._segments)} values",
                        do="Name a coarser column as segment.",
                    )
            for segment in self._segments:
                part = np.zeros(shape, dtype=values.dtype)
                here = of_row == segment
                np.add.at(part, place[here], values[here])
                result[segment] = part
        return result


def _numbers(
    frame: _Frame, some: Sequence[str], cells: Cells
) -> dict[str, dict[str | None, Numbers]]:
    kinds = frame.table.schema()
    inner, middle, asked = [frame.head], ["__day", "__segment"], []
    for k, name in enumerate(some):
        edges, centre, unit = cells.numbers[name]
        # as one text: thousands of literals take seconds to plan, and a literal number would be
        # read as a decimal first, which may miss its double
        listed = ", ".join(repr(float(edge)) for edge in edges)
        # columns instead of FILTER, which DuckDB pays for with a copy of all others
        finite = f"CASE WHEN isfinite(c{k}) THEN c{k} END" if kinds[name].is_floating() else f"c{k}"
        inner.append(f"{number_of(name, kinds[name])} AS c{k}")
        middle.append(
            f"c{k}, {finite} AS f{k}, (f{k} - '{centre!r}'::DOUBLE) / '{unit!r}'::DOUBLE AS z{k}"
        )
        asked.append(
            f"histogram(c{k}, '[{listed}]'::DOUBLE[]) AS h{k}, count(f{k}) AS n{k}, "
            f"sum(z{k}) AS m{k}, sum(z{k} * z{k}) AS s{k}, min(f{k}) AS l{k}, max(f{k}) AS u{k}"
        )
    query = (
        f"SELECT __day, __segment, count(*) AS n, {', '.join(asked)} "
        f"FROM (SELECT {', '.join(middle)} FROM (SELECT {', '.join(inner)} "
        f"FROM {relation(frame.table)})) GROUP BY __day, __segment"
    )
    found = fetched(frame.table, query)
    rows = frame.spread(found, found["n"].to_numpy())
    result: dict[str, dict[str | None, Numbers]] = {}
    for k, name in enumerate(some):
        edges, centre, unit = cells.numbers[name]
        counts = frame.spread(found, _cells(found[f"h{k}"], edges.size))
        n, m, s = (
            frame.spread(found, _filled(found[f"{part}{k}"], 0.0)) for part in ("n", "m", "s")
        )
        ends = [_filled(found[f"{part}{k}"], np.nan) for part in ("l", "u")]
        low, high = (
            float(pick(end[~np.isnan(end)])) if (~np.isnan(end)).any() else np.nan
            for pick, end in zip((np.min, np.max), ends, strict=True)
        )
        result[name] = {}
        for segment, all_rows in rows.items():
            with np.errstate(invalid="ignore", divide="ignore"):
                mean, square = m[segment] / n[segment], s[segment] / n[segment]
            result[name][segment] = Numbers(
                edges=edges,
                counts=counts[segment],
                missing=all_rows - counts[segment].sum(axis=1),
                mean=mean,
                square=square,
                centre=centre,
                unit=unit,
                low=low,
                high=high,
            )
    return result


def _categories(
    frame: _Frame, column: str, before: Categories | None, rows: dict[str | None, IntArray]
) -> dict[str | None, Categories]:
    value = f"{quoted(column)}::VARCHAR"
    inner = f"SELECT {frame.head}, {value} AS c FROM {relation(frame.table)}"
    grouped = "SELECT __day, __segment, c, count(*) AS n FROM ({}) GROUP BY ALL".format
    new: dict[str | None, int] = {}
    examples: list[str] = []
    if before is None:
        found = fetched(frame.table, grouped(f"{inner} WHERE {value} IS NOT NULL"))
        labels = tuple(sorted(set(found["c"].to_pylist())))
    else:
        labels = before.labels
        listed = ", ".join(_text(label) for label in labels) or "NULL"
        known = f"list_contains([{listed}]::VARCHAR[], {value})"
        found = fetched(
            frame.table,
            grouped(
                f"SELECT {frame.head}, CASE WHEN {known} THEN {value} END AS c "
                f"FROM {relation(frame.table)} WHERE {value} IS NOT NULL"
            ),
        )
        fresh = (
            f"SELECT __segment, c, count(*) AS n FROM ({inner}) "
            f"WHERE c IS NOT NULL AND NOT list_contains([{listed}]::VARCHAR[], c) GROUP BY ALL"
        )
        times = fetched(
            frame.table,
            f"SELECT __segment, count(DISTINCT c) AS n FROM ({fresh}) "
            "GROUP BY GROUPING SETS ((__segment), ())",
        )
        # the row of all segments comes with a null, and is the only one where none is named
        new = dict(zip(times["__segment"].to_pylist(), times["n"].to_pylist(), strict=True))
        if any(new.values()):
            top = fetched(
                frame.table,
                f"SELECT c FROM ({fresh}) GROUP BY c ORDER BY sum(n) DESC, c LIMIT 10",
            )
            examples = top["c"].to_pylist()
    place = {label: k for k, label in enumerate(labels)}
    one_hot = np.zeros((found.num_rows, len(labels) + 1), dtype=np.int64)
    codes = [place.get(c, len(labels)) for c in found["c"].to_pylist()]
    one_hot[np.arange(found.num_rows), codes] = found["n"].to_numpy()
    return {
        segment: Categories(
            labels=labels,
            counts=counts,
            missing=rows[segment] - counts.sum(axis=1),
            new=new.get(segment, 0),
            new_examples=tuple(examples),
        )
        for segment, counts in frame.spread(found, one_hot).items()
    }


def _cells(column: pa.ChunkedArray, edges: int) -> IntArray:
    """Read maps from upper edges to counts; the last cell is there only if it holds a value."""
    maps = column.combine_chunks()
    counts = np.zeros((len(maps), edges + 1), dtype=np.int64)
    for row in range(len(maps)):
        if maps[row].is_valid:
            values = maps[row].values.field(1).to_numpy()
            counts[row, : values.size] = values
    return counts


def _filled(column: pa.ChunkedArray, value: float) -> Array:
    found: Array = column.cast(pa.float64(), safe=False).fill_null(value).to_numpy()
    return found


def _segment(column: str | None) -> str:
    return (
        "NULL::VARCHAR" if column is None else f"coalesce({quoted(column)}::VARCHAR, '(missing)')"
    )


def _text(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[at : at + _AT_ONCE] for at in range(0, len(names), _AT_ONCE)]
