"""A document as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from causal_ranker.errors import DataError
from causal_ranker.reporting.blocks import Block, Code, Document, Figure, Table, Text
from causal_ranker.reporting.cells import flush_right, format_cell, format_rows

__all__ = ["to_html"]

# What tells a sentence's end from the point of a number: a space and a capital after it.
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# A sign stands before a number and after none: not in dates, ids, ranges of days and time zones.
_MINUS = re.compile(r"(?<![\w./-])-(?=\.?\d)(?!\d\d:)")
_JOINT = re.compile(r"([._/])(?=\w)")
_NAMES = re.compile(r"""(\bid="|url\(#|href="#)""")
_ACTIVE = re.compile(r"<\s*(script|foreignObject|iframe|image)\b|\son\w+\s*=", re.IGNORECASE)


def _kind(block: Block) -> str:
    match block:
        case Text():
            return "text"
        case Code():
            return "code"
        case Table():
            return "table"
    return "figure"


def _runs(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Gather neighbours of one kind: drawings that follow each other stand side by side."""
    return [(kind, list(run)) for kind, run in groupby(blocks, key=_kind)]


def _headline(verdict: str) -> tuple[str, str]:
    """Split a verdict into its first sentence and the rest."""
    first, *rest = _SENTENCE_END.split(verdict, maxsplit=1)
    return first, "".join(rest)


def _minus(text: str) -> str:
    """Write negative numbers with a minus, which is as wide as a plus; a hyphen is not."""
    return _MINUS.sub("\N{MINUS SIGN}", text)


def _breaks(escaped: str) -> str:
    """Let long names break where a reader would break them; what is copied stays whole."""
    return _JOINT.sub(r"\1<wbr>", str(escaped))


def _drawing(figure: Figure, name: str) -> str:
    """Return a drawing safe to stand in a page as markup, its ids made the page's own."""
    # Here and not in the template, which takes an AttributeError for a name that is not there.
    svg = figure.svg
    start = svg.find("<svg")
    if start < 0 or _ACTIVE.search(svg):
        raise DataError(
            expected="a figure that is an <svg> element and neither loads nor runs anything",
            came=repr(svg[:60]),
            do="Draw it with causal_ranker.reporting.figures.",
        )
    return _NAMES.sub(rf"\g<1>{name}-", svg[start:])


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("causal_ranker.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        anchor=_anchor,
        breaks=_breaks,
        cell=format_cell,
        drawing=_drawing,
        headline=_headline,
        minus=_minus,
        runs=_runs,
    )
    environment.globals.update(flush_right=flush_right, format_rows=format_rows)
    return environment.get_template("report.html.j2")


def to_html(document: Document) -> str:
    """Render a document as a self-contained page.

    The page follows the reader's light or dark setting, fits a phone, prints, and scrolls wide
    tables in their own frame. The verdict's first sentence is its headline. All text is escaped.

    Parameters
    ----------
    document : Document
        The report.

    Returns
    -------
    str
        The page.

    Raises
    ------
    DataError
        If a figure's drawing is not an ``<svg>`` element or tries to load or run something.
    """
    return _template().render(document=document)
