"""Where results are to lie, looked at before work is spent on them."""

from __future__ import annotations

from pathlib import Path

from causal_ranker.errors import ConfigError

__all__ = ["check_file", "make_folder"]


def make_folder(folder: Path, *, option: str = "--out") -> None:
    """Create a folder for results.

    Parameters
    ----------
    folder : Path
        The folder; its parents are created too.
    option : str
        What it was named by.

    Raises
    ------
    ConfigError
        If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            expected=f"a folder at {folder}, or a place to create it",
            came=error.strerror or str(error),
            do=f"Choose another path with {option}.",
        ) from error


def check_file(path: Path, *, kinds: tuple[str, str]) -> None:
    """Check where a file is to be written, and create its folder.

    Parameters
    ----------
    path : Path
        The file.
    kinds : tuple of str
        How its name may end.

    Raises
    ------
    ConfigError
        If it ends otherwise or is a folder, or its folder cannot be created.
    """
    if path.suffix not in kinds or path.is_dir():
        raise ConfigError(
            expected=f"a file to write that ends in {' or '.join(kinds)}",
            came=str(path),
            do="Choose another name with --out.",
        )
    make_folder(path.parent)
