"""What a run read: the files behind each input, and a hash of what they hold."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from causal_ranker.errors import DataError

if TYPE_CHECKING:
    from causal_ranker.logs.content import Content

__all__ = ["Hashed", "fingerprints"]

#: What inputs are read for, when a run is recorded.
Hashed = Literal["rows", "bytes", "nothing"]


def fingerprints(
    inputs: Mapping[str, str | None], *, hashed: Hashed = "rows"
) -> dict[str, dict[str, Any]]:
    """Say of each input what its files were.

    Parameters
    ----------
    inputs : mapping of str to str or None
        Paths, folders or globs by name; None is left out.
    hashed : {"rows", "bytes", "nothing"}
        What they are read for: the rows of tables; the bytes of files, which is faster, and minds
        the order of rows and how files are written; or nothing, and ``rows`` and ``content`` are
        None.

    Returns
    -------
    dict of str to dict
        By name the path; of the files behind it their number, bytes and newest change; and of the
        table how many ``rows`` it has and what they hold, its ``content``
        (`causal_ranker.logs.content.content_of`). Equal tables have equal content, in whatever
        order their rows lie. What is no table has no rows, and its content is a hash of the bytes
        of its files, one after the other. What cannot be read at all the run itself will tell.
    """
    return {
        name: _fingerprint(path, hashed=hashed) for name, path in inputs.items() if path is not None
    }


def _fingerprint(path: str, *, hashed: Hashed) -> dict[str, Any]:
    found = [Path(name) for name in sorted(glob.glob(path))]
    files = [
        file
        for one in found
        for file in (sorted(one.rglob("*")) if one.is_dir() else [one])
        if file.is_file()
    ]
    stats = [file.stat() for file in files]
    newest = max((s.st_mtime for s in stats), default=None)
    content = _content(path) if hashed == "rows" else None
    if content is not None:
        digest: str | None = content.digest
    else:
        digest = None if hashed == "nothing" else _digest(files)
    return {
        "path": path,
        "files": len(files),
        "bytes": sum(s.st_size for s in stats),
        "newest": None
        if newest is None
        else datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds"),
        "rows": None if content is None else content.rows,
        "content": digest,
    }


def _content(path: str) -> Content | None:
    from causal_ranker.logs.content import content_of
    from causal_ranker.logs.failures import FAILURES
    from causal_ranker.logs.sources import connect, read_table

    try:
        return content_of(read_table(path, connect(), name="a table"))
    except (DataError, *FAILURES):
        return None


def _digest(files: list[Path]) -> str | None:
    if not files:
        return None
    total = hashlib.blake2b(digest_size=16)
    try:
        for file in files:
            with file.open("rb") as opened:
                hashlib.file_digest(opened, lambda: total)
    except OSError:
        return None
    return total.hexdigest()
