"""Write files and names so that they outlast a crash of the machine."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["make_folder", "replace_synced", "sync_folder", "write_synced"]


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, durable; one that exists is left alone.

    Parameters
    ----------
    folder : Path
        The folder, absolute.
    """
    fresh = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in fresh:
        sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Parameters
    ----------
    folder : Path
        The folder.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(file: Path, content: bytes) -> None:
    """Write a new file and make it durable.

    Parameters
    ----------
    file : Path
        The file, which may not exist yet.
    content : bytes
        What to write.
    """
    with file.open("xb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def replace_synced(file: Path, content: bytes) -> None:
    """Replace a file in one step: readers, and whoever comes after a crash, see the old or the new.

    Parameters
    ----------
    file : Path
        The file, which may not exist yet; nobody else may be replacing it.
    content : bytes
        What it shall hold.
    """
    aside = file.with_name(f".{file.name}.new")
    aside.unlink(missing_ok=True)  # of somebody who was killed
    write_synced(aside, content)
    os.replace(aside, file)
    sync_folder(file.parent)
