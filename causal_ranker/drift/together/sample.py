"""Rows of each day, drawn from a table of any length in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ibis
import numpy as np
from numpy.typing import NDArray

from causal_ranker.drift.days import Calendar
from causal_ranker.drift.scan import Cells, Scan
from causal_ranker.drift.sql import day_of, fetched, number_of, quoted, relation
from causal_ranker.drift.together.places import Places
from causal_ranker.logs.sources import reading
from causal_ranker.seeds import stage_seed
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["ROWS", "ROWS_A_DAY", "Drawn", "draw_rows", "draw_sides"]

#: Rows of a side that are drawn, over all days that are compared.
ROWS: Final = 10_000
#: Rows of a day that days of the reference are compared with each other by.
ROWS_A_DAY: Final = 100
#: Tags are even on 0 to 2^64 - 1.
_TAGS: Final = 2**64
#: So many standard deviations more than wanted are read, so that enough come.
_SPARE: Final = 6


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows by lot, as places of their values.

    Parameters
    ----------
    places : ndarray of float64, shape (n, n_columns)
        In [0, 1]; NaN where missing.
    day : ndarray of datetime64[D], shape (n,)
        The day of each; NaT where no column of days is named. Rows of a day stand in the order of
        their tags, so that its first k are drawn by lot, too.
    """

    places: Array
    day: NDArray[np.datetime64]

    def some(self, which: NDArray[np.bool_]) -> Drawn:
        """Take some rows.

        Parameters
        ----------
        which : ndarray of bool, shape (n,)
            Which.

        Returns
        -------
        Drawn
            They.
        """
        return Drawn(self.places[which], self.day[which])

    def first(self, most: int) -> Drawn:
        """Take at most so many rows of each day.

        Parameters
        ----------
        most : int
            How many.

        Returns
        -------
        Drawn
            The first ones.
        """
        _, start, code = np.unique(self.day, return_index=True, return_inverse=True)
        return self.some(np.arange(self.day.size) - start[code] < most)


def draw_sides(
    tables: Sequence[ibis.Table],
    cells: Cells,
    scans: Sequence[Scan],
    *,
    calendar: Calendar,
    seed: int,
) -> tuple[Drawn, Drawn]:
    """Draw rows of a reference and of a window.

    Parameters
    ----------
    tables : sequence of ibis.Table
        Both, on DuckDB.
    cells : Cells
        How their columns were counted.
    scans : sequence of Scan
        What was counted.
    calendar : Calendar
        Which days are compared: of those of the reference that no day of the window is compared
        with, fewer rows are drawn.
    seed : int
        Decides the draw.

    Returns
    -------
    Drawn, Drawn
        About `ROWS` of either side's compared days, and at least `ROWS_A_DAY` of every day.
    """
    places = Places(scans[0].columns[None])
    alike = calendar.beside_window().any(axis=0)
    most = [
        max(ROWS // max(int(days), 1), ROWS_A_DAY) for days in (alike.sum(), scans[1].days.size)
    ]
    wanted = np.where(alike, most[0], ROWS_A_DAY), np.full(scans[1].days.size, most[1])
    before, now = (
        draw_rows(table, cells, scan, places=places, wanted=rows, seed=seed)
        for table, scan, rows in zip(tables, scans, wanted, strict=True)
    )
    return before, now


def draw_rows(
    table: ibis.Table, cells: Cells, scan: Scan, *, places: Places, wanted: IntArray, seed: int
) -> Drawn:
    """Draw rows of each day without replacement, every row of a day with the same chance.

    Each row has a tag, a hash of its place in the table and of the seed, and of each day those
    with the smallest tags are kept (a reservoir by random tags: Vitter, 1985). They are the same
    whatever the number of threads.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.
    cells : Cells
        How its columns were counted.
    scan : Scan
        What was counted.
    places : Places
        Of the reference's values; which columns, and in which order.
    wanted : ndarray of int64, shape (n_days,)
        Rows of each day of the scan; a day with fewer gives all.
    seed : int
        Decides the draw.

    Returns
    -------
    Drawn
        The rows, day by day.
    """
    rows = scan.rows[None]
    spare = wanted + _SPARE * np.sqrt(wanted) + _SPARE
    share = np.minimum(spare / np.maximum(rows, 1), 1.0)
    limits = ", ".join(
        f"({'NULL' if np.isnat(day) else repr(str(day))}::DATE, "
        f"{min(int(part * _TAGS), _TAGS - 1)}::UBIGINT)"
        for day, part in zip(scan.days, share, strict=True)
    )
    kinds = table.schema()
    picked = ", ".join(
        f"{number_of(name, kinds[name])} AS c{k}"
        if name in cells.numbers
        else f"{quoted(name)}::VARCHAR AS c{k}"
        for k, name in enumerate(places.columns)
    )
    tag = f"hash(row_number() OVER (), {stage_seed(seed, 'drift-together')}::UBIGINT)"
    query = (
        f"SELECT t.* FROM (SELECT {day_of(cells.day)} AS its_day, {tag} AS tag, {picked} "
        f"FROM {relation(table)}) AS t JOIN (VALUES {limits}) AS d(day_of, most) "
        "ON t.its_day IS NOT DISTINCT FROM d.day_of WHERE t.tag <= d.most ORDER BY t.its_day, t.tag"
    )
    with reading("rows of all columns"):
        found = fetched(table, query)
    day = found.column(0).to_numpy().astype("datetime64[D]")
    values = dict(zip(places.columns, found.columns[2:], strict=True))
    code = np.zeros(day.size, dtype=np.int64)
    if cells.day is not None:
        code = np.searchsorted(scan.days, day)
    start = np.searchsorted(code, np.arange(scan.days.size))
    kept = np.arange(day.size) - start[code] < wanted[code]
    return Drawn(places.of(values)[kept], day[kept])
