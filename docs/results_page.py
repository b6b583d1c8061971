"""The page of benchmarks: a table for each result that was kept, and how to make the others."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from benchmarks import load, names
from benchmarks._kept import Kept, read_kept
from causal_ranker.errors import ConfigError
from causal_ranker.reporting.blocks import Table
from causal_ranker.reporting.cells import flush_right, format_rows

__all__ = ["all_kept", "one_result_markdown", "results_markdown", "table_markdown"]


def all_kept(folder: Path) -> list[Kept]:
    """Read what was kept.

    Parameters
    ----------
    folder : Path
        Where results lie.

    Returns
    -------
    list of Kept
        By name and part.

    Raises
    ------
    ConfigError
        If a file is no kept result, or of a benchmark that is no more.
    """
    found = [read_kept(path) for path in sorted(folder.glob("*.json"))]
    known = set(names())
    for each in found:
        if each.origin.benchmark not in known:
            raise ConfigError(
                expected=f"results of {', '.join(sorted(known))} in {folder.name}",
                came=f"one of {each.origin.benchmark}",
                do="Delete the file, or keep the result again under the new name.",
            )
    return found


def results_markdown(kept: Iterable[Kept]) -> str:
    """Write the tables, and below them the commands of what was not kept.

    Parameters
    ----------
    kept : iterable of Kept
        In the order of the page.

    Returns
    -------
    str
        Markdown.
    """
    told = list(kept)
    parts = [_section(each) for each in told]
    there = {each.origin.benchmark for each in told if each.origin.part is None}
    missing = [name for name in names() if name not in there]
    if missing:
        rows = [
            (load(name).DESCRIPTION, f"`python -m benchmarks {name} --keep`") for name in missing
        ]
        parts.append(
            "## Not kept yet\n\nNobody has run these in full and kept the result.\n\n"
            + table_markdown(Table(("what", "command"), rows))
        )
    return "\n\n".join(parts) + "\n"


def one_result_markdown(kept: Iterable[Kept], *, name: str) -> str:
    """Write the table of one benchmark, or how to make it.

    Parameters
    ----------
    kept : iterable of Kept
        What was kept.
    name : str
        The benchmark.

    Returns
    -------
    str
        Markdown.
    """
    of_it = [_section(each) for each in kept if each.origin.benchmark == name]
    if of_it:
        return "\n\n".join(of_it) + "\n"
    return (
        f"Nobody has run this in full and kept the result: `python -m benchmarks {name} --keep`.\n"
    )


def table_markdown(table: Table) -> str:
    """Write a table as the site shows it.

    Parameters
    ----------
    table : Table
        With or without a note, whose lines become paragraphs.

    Returns
    -------
    str
        Markdown.
    """
    marks = ["---:" if right else "---" for right in flush_right(table)]
    lines = [list(map(_cell, table.columns)), marks]
    lines += [list(map(_cell, row)) for row in format_rows(table)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([rows, *(_words(line) for line in table.note.splitlines() if line.strip())])


def _section(kept: Kept) -> str:
    origin = kept.origin
    title = origin.benchmark if origin.part is None else f"{origin.benchmark}, {origin.part}"
    came = (
        f"{origin.started}, {kept.seconds:,.0f} s, commit {origin.commit}"
        f"{' with changes' if origin.changed else ''}; seeds: {origin.seeds}; {origin.machine}; "
        f"load {origin.load:g} as it began."
    )
    return "\n\n".join(
        [
            f"## `{title}`",
            _words(origin.description),
            table_markdown(kept.table),
            f"`{origin.command}`: {_words(came)}",
        ]
    )


def _cell(text: str) -> str:
    # Code keeps its letters; a bar would end the cell, and a break the row.
    words = text if text.startswith("`") else _words(text)
    return words.replace("|", "\\|").replace("\n", "<br>")


def _words(text: str) -> str:
    """Write text that Markdown shows as it is."""
    escaped = html.escape(text, quote=False)
    for mark in "\\`*_[]#~":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped
