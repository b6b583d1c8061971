"""A document on the console."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text as RichText

from causal_ranker.reporting.blocks import Block, Code, Document, Figure, Section, Table, Text
from causal_ranker.reporting.cells import format_rows, numeric_columns

__all__ = ["print_document", "print_section", "rich_table"]


def rich_table(table: Table) -> RichTable:
    """Turn a table block into a table of rich.

    Parameters
    ----------
    table : Table
        The block.

    Returns
    -------
    rich.table.Table
        Numbers flush right; the note as the caption. Square brackets in cells are text.
    """
    drawn = RichTable(
        box=box.SIMPLE_HEAD,
        caption=RichText(table.note) if table.note else None,
        caption_justify="left",
    )
    for name, numeric in zip(table.columns, numeric_columns(table), strict=True):
        # folded, not cut: half a path is no path
        drawn.add_column(RichText(name), justify="right" if numeric else "left", overflow="fold")
    for row in format_rows(table):
        drawn.add_row(*(RichText(cell) for cell in row))
    return drawn


def _print_block(block: Block, console: Console) -> None:
    match block:
        case Text(text):
            console.print(RichText(text))
        case Code(text):
            # never wrapped: a command that is broken in two cannot be copied
            console.print(RichText(text), style="cyan", soft_wrap=True)
        case Table():
            console.print(rich_table(block))
        case Figure():
            console.print(
                RichText(f"[figure, drawn in the HTML report] {block.caption}"), style="dim"
            )


def print_section(section: Section, console: Console) -> None:
    """Print one section.

    Parameters
    ----------
    section : Section
        What to print.
    console : rich.console.Console
        Where to print it.
    """
    console.print()
    console.print(RichText(section.title), style="bold underline")
    for block in section.blocks:
        _print_block(block, console)


def print_document(document: Document, console: Console) -> None:
    """Print a whole document: the verdict first, how it came about last.

    Parameters
    ----------
    document : Document
        What to print.
    console : rich.console.Console
        Where to print it.
    """
    console.print(Panel(RichText(document.verdict), title=RichText(document.title)))
    for section in document.sections:
        print_section(section, console)
    if document.meta:
        rows = list(document.meta.items())
        print_section(Section("About this report", [Table(["what", "value"], rows)]), console)
