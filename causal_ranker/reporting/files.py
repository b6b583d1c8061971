"""A page on disk: readers see the old file or the whole new one."""

from __future__ import annotations

import os
from pathlib import Path

from causal_ranker.errors import ConfigError
from causal_ranker.reporting.blocks import Document
from causal_ranker.reporting.html import to_html

__all__ = ["check_page", "write_page"]


def check_page(path: Path) -> None:
    """Refuse a file that `write_page` could not write, before work is spent on what it will say.

    Parameters
    ----------
    path : Path
        The file, in a folder that exists.

    Raises
    ------
    ConfigError
        If the folder cannot be written to, or the path is a folder.
    """
    if path.is_dir():
        raise _refusal(path, came="a folder of that name")
    fresh = _aside(path)
    try:
        fresh.touch()
        fresh.unlink()
    except OSError as error:
        raise _refusal(path, came=f"{error.strerror} at {path.parent}") from error


def write_page(document: Document, path: Path) -> Path:
    """Write a document as one self-contained HTML file.

    Parameters
    ----------
    document : Document
        The report.
    path : Path
        The file, in a folder that exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If the file cannot be written there.
    """
    page, fresh = to_html(document), _aside(path)
    try:
        fresh.write_text(page, encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        _remove(fresh)
        raise _refusal(path, came=f"{error.strerror} at {path.parent}") from error
    return path


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        return  # it was never there


def _refusal(path: Path, *, came: str) -> ConfigError:
    return ConfigError(
        expected=f"a folder to write the report {path.name} to",
        came=came,
        do="Create the folder, or choose one that is writable.",
    )
