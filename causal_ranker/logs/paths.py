"""Which files a path means, and of which one kind they are."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError

__all__ = ["Files", "find_files", "is_local", "list_files", "literal"]

_KINDS: Final = {
    "Parquet": (".parquet", ".parq", ".pq"),
    "CSV": (".csv", ".csv.gz", ".csv.zst"),
    "TSV": (".tsv", ".tsv.gz", ".tsv.zst"),
}


@dataclass(frozen=True)
class Files:
    """Files of one kind.

    Attributes
    ----------
    kind : {"Parquet", "CSV", "TSV"}
        What they are.
    patterns : list of str
        Paths and globs, as DuckDB reads them.
    """

    kind: str
    patterns: list[str]


def find_files(path: str, connection: Backend, *, name: str) -> Files:
    """Find what a path means: one file, what a glob matches, or all files below a folder.

    Parameters
    ----------
    path : str
        The path, local or remote.
    connection : ibis.backends.duckdb.Backend
        The engine, which knows remote folders.
    name : str
        What the table is, for messages.

    Returns
    -------
    Files
        The files. Other files of a folder are left alone; of a glob every file must be a table.

    Raises
    ------
    DataError
        If nothing is there, or if the files are not all of one kind: no row may be left out
        without a word.
    """
    local, is_glob = Path(path), any(sign in path for sign in "*?[")
    if is_local(path) and local.is_dir():
        found = (_ending(file.name) for file in local.rglob("*") if file.is_file())
        endings = Counter(ending for ending in found if ending)
        patterns = sorted(str(Path(literal(path)) / "**" / f"*{ending}") for ending in endings)
    elif is_glob and not (is_local(path) and local.exists()):
        matches = list_files([path], connection)
        endings = Counter(_ending(match) for match in matches)
        patterns = [path]
    elif is_local(path) and not local.exists():
        raise DataError(
            expected=f"a file or folder for {name}",
            came=f"nothing at {path!r}",
            do="Check the path; quote globs so that the shell leaves them alone.",
        )
    else:
        endings, patterns = Counter([_ending(path)]), [literal(path) if is_glob else path]
    kinds: Counter[str] = Counter()
    for ending, files in endings.items():
        kinds[_kind(ending)] += files
    if not kinds or "" in kinds:
        came = f"{kinds['']} other files at" if kinds and is_glob else "none at"
        raise DataError(
            expected=f"Parquet or CSV files for {name}",
            came=f"{came} {path!r}",
            do=f"Name files that end in one of {', '.join(sum(_KINDS.values(), ()))}.",
        )
    if len(kinds) > 1:
        raise DataError(
            expected=f"files of one kind for {name}",
            came=f"{' and '.join(f'{n} {kind}' for kind, n in sorted(kinds.items()))} at {path!r}",
            do="Give a glob of one kind, e.g. 'folder/**/*.parquet', or convert the others.",
        )
    return Files(kind=next(iter(kinds)), patterns=patterns)


def list_files(patterns: list[str], connection: Backend) -> list[str]:
    """Return the files that globs match.

    Parameters
    ----------
    patterns : list of str
        Paths and globs.
    connection : ibis.backends.duckdb.Backend
        The engine.

    Returns
    -------
    list of str
        Their paths, in order; a remote path without a glob is itself.
    """
    files: list[str] = []
    for pattern in patterns:
        if not is_local(pattern) and not any(sign in pattern for sign in "*?["):
            files.append(pattern)
            continue
        found = connection.con.execute("SELECT file FROM glob(?)", [pattern]).fetchall()
        files += sorted(file for (file,) in found)
    return files


def is_local(path: str) -> bool:
    """Tell a path of this machine from a remote one.

    Parameters
    ----------
    path : str
        The path.

    Returns
    -------
    bool
        Whether it names no protocol.
    """
    return "://" not in path


def literal(path: str) -> str:
    """Return a path so that none of its signs is taken for a glob.

    Parameters
    ----------
    path : str
        A path as the file system knows it.

    Returns
    -------
    str
        A glob that matches this path alone.
    """
    return re.sub(r"([*?[])", r"[\1]", path)


def _ending(file: str) -> str:
    """Return the suffix that says what a file is, as it is written; empty if there is none."""
    known = (suffix for suffixes in _KINDS.values() for suffix in suffixes)
    found = next((suffix for suffix in known if file.lower().endswith(suffix)), "")
    return file[len(file) - len(found) :]


def _kind(ending: str) -> str:
    return next((kind for kind, known in _KINDS.items() if ending.lower() in known), "")
