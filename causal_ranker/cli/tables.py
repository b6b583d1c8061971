"""Tables that a command writes to a file, and what it prints about them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import ibis

from causal_ranker.attribution.shares import SurfaceShares
from causal_ranker.columns import Columns as C
from causal_ranker.logs.failures import writing
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import connect, read_table, reading
from causal_ranker.reporting.blocks import Section, Table
from causal_ranker.reporting.places import check_file

__all__ = ["TableFile", "count_credits", "credits_section", "read_offer", "surface_shares_section"]

_UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class TableFile:
    """A file that rows are written to, Parquet or CSV by its name.

    Parameters
    ----------
    path : Path
        The file.
    """

    path: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """Check a path before work is spent on its rows.

        Parameters
        ----------
        path : Path
            The file; its folder is created.

        Returns
        -------
        TableFile
            The file.

        Raises
        ------
        ConfigError
            If the name ends in neither .parquet nor .csv, or the folder cannot be created.
        """
        check_file(path, kinds=(".parquet", ".csv"))
        return cls(path)

    def write(self, table: ibis.Table) -> Path:
        """Write the rows; readers see the old file or the whole new one.

        Parameters
        ----------
        table : ibis.Table
            The rows.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        DataError
            If the rows cannot be read or the file cannot be written.
        """
        fresh = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            with writing(fresh, name=f"the rows of {self.path}"):
                write = table.to_csv if self.path.suffix == ".csv" else table.to_parquet
                write(fresh)
                os.replace(fresh, self.path)
        finally:
            fresh.unlink(missing_ok=True)
        return self.path


def read_offer(path: str) -> list[tuple[int | str, float]]:
    """Read a base recommender's list for one request.

    Parameters
    ----------
    path : str
        A Parquet or CSV file with the columns ``item_id`` and ``base_score``.

    Returns
    -------
    list of (item id, base score)
        In the order of the file.

    Raises
    ------
    DataError
        If the file cannot be read or lacks a column.
    """
    table = read_table(path, connect(), name="candidates")
    require_columns(table, [C.ITEM, C.BASE_SCORE], name="candidates")
    with reading("candidates"):
        offer = table.select(C.ITEM, C.BASE_SCORE).to_pyarrow()
    return list(zip(offer[C.ITEM].to_pylist(), offer[C.BASE_SCORE].to_pylist(), strict=True))


def count_credits(credits: ibis.Table) -> dict[str, int]:
    """Count plays by whether an impression led to them.

    Parameters
    ----------
    credits : ibis.Table
        What `causal_ranker.attribution.attribute.attribute` returned.

    Returns
    -------
    dict of str to int
        Plays by what led to them, and all of them.
    """
    organic = credits[C.IMPRESSION].isnull()
    counts = credits.aggregate(
        plays=credits[C.PLAY].nunique(),
        organic=organic.cast("int64").sum(),
    )
    with reading("credits"):
        found = counts.to_pyarrow().to_pylist()[0]
    plays, alone = int(found["plays"]), int(found["organic"] or 0)
    return {
        "credited to an impression": plays - alone,
        "organic": alone,
        "plays that count": plays,
    }


def credits_section(counts: dict[str, int]) -> Section:
    """Show what `count_credits` counted.

    Parameters
    ----------
    counts : dict of str to int
        Plays by what led to them.

    Returns
    -------
    Section
        One table.
    """
    return Section("Attribution", [Table(("plays", "count"), list(counts.items()))])


def surface_shares_section(shares: SurfaceShares) -> Section:
    """Show what surfaces share of a play's credit, set by set.

    Parameters
    ----------
    shares : SurfaceShares
        What was learned.

    Returns
    -------
    Section
        One table.
    """
    rows = [
        (
            " + ".join(name or _UNKNOWN for name in each.surfaces),
            each.paths,
            each.plays,
            ", ".join(
                f"{name or _UNKNOWN} {share:.0%}"
                for name, share in zip(each.surfaces, each.shares, strict=True)
            ),
        )
        for each in shares.sets
    ]
    note = (
        "Seen at: impressions at which exactly these surfaces had shown the item within the "
        "window; followed: those that were the last before a play. Shares are Shapley values of "
        "these rates. They describe paths; they are no effects of surfaces."
    )
    return Section(
        "Shares of surfaces", [Table(("surfaces", "seen at", "followed", "shares"), rows, note)]
    )
