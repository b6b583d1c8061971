"""Which files a path means, and of which one kind they are."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator
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
        The files. Other files of a folder are left alone, and so are names that begin with "." or
        "_" below it; of a glob every file must be a table.

    Raises
    ------
    DataError
        If nothing is there, if a link leads to another folder, or if the files are not all of one
        kind: no row may be left out without a word.
    OSError
        If a folder cannot be listed.
    """
    local, is_glob = Path(path), any(sign in path for sign in "*?[")
    if is_local(path) and local.is_dir():
        found = sorted(file for file in _walk(path, name=name) if _ending(file))
        endings = Counter(map(_ending, found))
        patterns = list(map(literal, found))
    elif is_glob and not (is_local(path) and local.exists()):
        if is_local(path) and "**" in path:
            for folder in filter(os.path.isdir, glob.glob(path.partition("**")[0] or ".")):
                list(_walk(folder, name=name))
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
    signs = "*?["
    remote = {p for p in patterns if not is_local(p) and not any(sign in p for sign in signs)}
    globs = [each for each in patterns if each not in remote]
    found = connection.con.execute("SELECT file FROM glob(?)", [globs]).fetchall() if globs else []
    return sorted(remote) + sorted(file for (file,) in found)


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


def _walk(root: str, *, name: str) -> Iterator[str]:
    """Yield the files below a folder, without hidden ones; a link is refused, as none is followed.

    Followed links can lead in circles, or give rows twice.
    """
    for folder, below, files in os.walk(root, onerror=_stop):
        below[:] = [each for each in below if not _is_hidden(each)]
        for path in (os.path.join(folder, each) for each in below):
            if os.path.islink(path):
                raise DataError(
                    expected=f"folders of {name} that are no links",
                    came=f"the link {path!r} to {os.readlink(path)!r}",
                    do="Move the folder there, or give a glob that names each level, e.g. "
                    "'folder/*/*.parquet': that one goes through links.",
                )
        yield from (os.path.join(folder, each) for each in files if not _is_hidden(each))


def _stop(error: OSError) -> None:
    raise error


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _ending(file: str) -> str:
    """Return the suffix that says what a file is, as it is written; empty if there is none."""
    known = (suffix for suffixes in _KINDS.values() for suffix in suffixes)
    found = next((suffix for suffix in known if file.lower().endswith(suffix)), "")
    return file[len(file) - len(found) :]


def _kind(ending: str) -> str:
    return next((kind for kind, known in _KINDS.items() if ending.lower() in known), "")
