"""Sections on what a report was made of: tables, settings, versions, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final

from causal_ranker import __version__
from causal_ranker.reporting.blocks import Block, Code, Section, Table, Text

__all__ = ["TableFacts", "data_section", "package_versions", "reproduce_section"]

_SHOWN: Final = ("lightgbm", "duckdb", "ibis-framework", "numpy", "pandas")


@dataclass(frozen=True)
class TableFacts:
    """What a table held when it was read.

    Parameters
    ----------
    part : str
        What it was read for.
    table : str
        Its name.
    rows : int
        Rows that keep its contract.
    first, last : datetime or None
        Moments of its first and last row; None where its rows have none.
    """

    part: str
    table: str
    rows: int
    first: datetime | None
    last: datetime | None


def data_section(tables: Sequence[TableFacts], *, settings: Mapping[str, object]) -> Section:
    """Return which tables were read, and what was set.

    Parameters
    ----------
    tables : sequence of TableFacts
        What was read.
    settings : mapping of str to values
        Settings that are not the defaults, by dotted name.

    Returns
    -------
    Section
        A table of tables and one of settings.
    """
    blocks: list[Block] = [
        Table(
            ["for", "table", "rows", "first (UTC)", "last (UTC)"],
            [[each.part, each.table, each.rows, *_ends(each)] for each in tables],
            "Rows as they were read, before labels; first and last by the time of the play, or of "
            "the request.",
        )
    ]
    if not settings:
        blocks.append(Text("Every setting is the default of this version."))
    else:
        blocks.append(
            Table(
                ["setting", "value"],
                [[name, _written(value)] for name, value in settings.items()],
                "Settings that are not the defaults of this version, each in its own unit; names "
                "of features are found in the tables where none were given.",
            )
        )
    return Section("Data and settings", blocks)


def _ends(facts: TableFacts) -> list[str]:
    ends = (facts.first, facts.last)
    return ["" if end is None else f"{end:%Y-%m-%d %H:%M}" for end in ends]


def _written(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_written(item)}" for key, item in value.items()) + "}"
    return str(value)


def reproduce_section(
    *,
    commands: Sequence[str],
    seed: int,
    versions: Mapping[str, str],
    reads: int | None = None,
    files: Mapping[str, Mapping[str, object]] | None = None,
) -> Section:
    """Return how to get the same report again.

    Parameters
    ----------
    commands : sequence of str
        What to type, in order.
    seed : int
        The run's seed.
    versions : mapping of str to str
        Package versions that matter.
    reads : int, optional
        How often the report window has been read, where that is counted: above 1, choices may
        have seen it.
    files : mapping of str to mapping, optional
        The files behind each table: ``path``, ``files``, ``bytes`` and ``newest``.

    Returns
    -------
    Section
        Commands, seed, number of reads, files and versions.
    """
    said = f"Seed {seed}."
    if reads is not None:
        times = "once" if reads == 1 else f"{reads:,} times"
        said += f" The report window has been read {times}."
    blocks: list[Block] = [Code("\n".join(commands)), Text(said)]
    if files:
        columns = ("path", "files", "bytes", "newest")
        rows = [[name, *(facts[column] for column in columns)] for name, facts in files.items()]
        blocks.append(Table(["table", "path", "files", "bytes", "newest change (UTC)"], rows))
    blocks.append(Table(["package", "version"], [list(pair) for pair in versions.items()]))
    return Section("How to reproduce this", blocks)


def package_versions() -> dict[str, str]:
    """Return the versions that a reader needs to repeat a run.

    Returns
    -------
    dict of str to str
        Version by package.
    """
    return {"causal-ranker": __version__, **{name: version(name) for name in _SHOWN}}
