"""What a report is made of: a document of sections, a section of blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

from causal_ranker.errors import SchemaError

__all__ = ["Block", "Code", "Document", "Figure", "Section", "Table", "Text"]


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text.

    Parameters
    ----------
    text : str
        The words. Markup in them is shown, not obeyed.
    """

    text: str


@dataclass(frozen=True)
class Code:
    """Lines to be copied as they stand, such as the commands that reproduce a run.

    Parameters
    ----------
    text : str
        The lines.
    """

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Parameters
    ----------
    columns : sequence of str
        The headings.
    rows : sequence of sequences
        One sequence per row, as long as `columns`; `format_cell` says how a value is written.
    note : str
        A line below the table: units, what an interval means.

    Raises
    ------
    SchemaError
        If a row is longer or shorter than the list of columns.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise SchemaError(
                    expected=f"rows of {len(self.columns)} cells, one for each column",
                    came=f"a row of {len(row)}: {row!r}",
                    do="Give each row one cell per column; None stands for a missing one.",
                )


@dataclass(frozen=True)
class Figure:
    """A drawing.

    Parameters
    ----------
    drawing : str or callable
        An ``<svg>`` element, as `causal_ranker.reporting.figures` draws it, or what draws it: that
        is called when somebody first looks, for most of what is evaluated is never looked at. Two
        figures with drawings to come are equal only if they are the same.
    caption : str
        What the reader should see in it.
    alt : str
        The same for somebody who cannot see it.
    """

    drawing: str | Callable[[], str]
    caption: str
    alt: str

    @cached_property
    def svg(self) -> str:
        """The ``<svg>`` element."""
        return self.drawing if isinstance(self.drawing, str) else self.drawing()


Block: TypeAlias = Text | Code | Table | Figure


@dataclass(frozen=True)
class Section:
    """A headed part of a document.

    Parameters
    ----------
    title : str
        The heading.
    blocks : sequence of blocks
        What stands below it, in order.
    """

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A report.

    Parameters
    ----------
    title : str
        The name of the report.
    verdict : str
        What was found, in a sentence or two; every rendering shows it first.
    sections : sequence of Section
        The evidence, in order.
    meta : mapping of str to values
        How the report came about: versions, seed, time, data. Shown last.
    """

    title: str
    verdict: str
    sections: Sequence[Section]
    meta: Mapping[str, object] = field(default_factory=dict)
