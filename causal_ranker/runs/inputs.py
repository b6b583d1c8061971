"""What a run read: the files behind each input, and a hash of what they hold."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from causal_ranker.errors import DataError

if TYPE_CHECKING:
    from causal_ranker.logs.content import Content

__all__ = ["fingerprints"]


def fingerprints(inputs: Mapping[str, str | None]) -> dict[str, dict[str, Any]]:
    """Say of each input what its files were.

    Parameters
    ----------
    inputs : mapping of str to str or None
        Paths, folders or globs by name; None is left out.

    Returns
    -------
    dict of str to dict
        By name the path; of the files behind it their number, bytes and newest change; and of the
        table how many ``rows`` it has and what they hold, its ``content``
        (`causal_ranker.logs.content.content_of`), both None where it cannot be read, which the run
        itself will tell. Equal tables have equal content, in whatever order their rows lie.
    """
    return {name: _fingerprint(path) for name, path in inputs.items() if path is not None}


def _fingerprint(path: str) -> dict[str, Any]:
    found = [Path(name) for name in sorted(glob.glob(path))]
    files = [
        file
        for one in found
        for file in (sorted(one.rglob("*")) if one.is_dir() else [one])
        if file.is_file()
    ]
    stats = [file.stat() for file in files]
    newest = max((s.st_mtime for s in stats), default=None)
    content = _content(path)
    return {
        "path": path,
        "files": len(files),
        "bytes": sum(s.st_size for s in stats),
        "newest": None
        if newest is None
        else datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds"),
        "rows": None if content is None else content.rows,
        "content": None if content is None else content.digest,
    }


def _content(path: str) -> Content | None:
    from causal_ranker.logs.content import content_of
    from causal_ranker.logs.failures import FAILURES
    from causal_ranker.logs.sources import connect, read_table

    try:
        return content_of(read_table(path, connect(), name="a table"))
    except (DataError, *FAILURES):
        return None
