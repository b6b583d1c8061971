"""A document as one HTML file that needs nothing else: no network, no script."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from causal_ranker.errors import DataError
from causal_ranker.reporting.blocks import Block, Code, Document, Table, Text
from causal_ranker.reporting.cells import format_cell, format_rows, numeric_columns

__all__ = ["to_html"]

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


def _drawing(svg: str) -> str:
    """Return a drawing without its prolog, safe to stand in a page as markup."""
    start = svg.find("<svg")
    if start < 0 or _ACTIVE.search(svg):
        raise DataError(
            expected="a figure that is an <svg> element and neither loads nor runs anything",
            came=repr(svg[:60]),
            do="Draw it with causal_ranker.reporting.figures.",
        )
    return svg[start:]


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
    environment.filters.update(anchor=_anchor, cell=format_cell, drawing=_drawing, kind=_kind)
    environment.globals.update(format_rows=format_rows, numeric_columns=numeric_columns)
    return environment.get_template("report.html.j2")


def to_html(document: Document) -> str:
    """Render a document as a self-contained page.

    The page follows the reader's light or dark setting, fits a phone, prints, and scrolls wide
    tables in their own frame. All text is escaped.

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
