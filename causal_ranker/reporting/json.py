"""A document as JSON, for programs that read reports."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from causal_ranker.reporting.blocks import Block, Code, Document, Figure, Table, Text

__all__ = ["to_dict", "to_json", "to_line"]


def _plain(value: object) -> Any:
    """Return the nearest thing that JSON knows; what is not finite becomes null."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy's arrays, and its truth values
        return _plain(value.tolist())
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Text(text):
            return {"kind": "text", "text": text}
        case Code(text):
            return {"kind": "code", "text": text}
        case Table(columns, rows, note):
            return {
                "kind": "table",
                "columns": list(columns),
                "rows": [_plain(list(row)) for row in rows],
                "note": note,
            }
        case Figure():
            return {"kind": "figure", "caption": block.caption, "alt": block.alt, "svg": block.svg}


def to_dict(document: Document) -> dict[str, Any]:
    """Turn a document into dictionaries, lists and plain values.

    Parameters
    ----------
    document : Document
        The report.

    Returns
    -------
    dict
        Keys ``title``, ``verdict``, ``sections`` and ``meta``. Numbers keep their full precision;
        NaN and infinities become None, since JSON has no word for them.
    """
    return {
        "title": document.title,
        "verdict": document.verdict,
        "sections": [
            {"title": section.title, "blocks": [_block(block) for block in section.blocks]}
            for section in document.sections
        ],
        "meta": _plain(document.meta),
    }


def to_json(document: Document) -> str:
    """Write a document as a JSON text.

    Parameters
    ----------
    document : Document
        The report.

    Returns
    -------
    str
        One JSON object, indented, with a newline at its end.
    """
    return json.dumps(to_dict(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_line(values: Mapping[str, object]) -> str:
    """Write a mapping as one line of JSON.

    Parameters
    ----------
    values : mapping of str to values
        Numbers, texts, times, and sequences and mappings of them.

    Returns
    -------
    str
        One JSON object without a line break; what is not finite becomes null.
    """
    return json.dumps(_plain(values), ensure_ascii=False, allow_nan=False)
