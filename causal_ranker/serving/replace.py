"""Write files and folders durably and put them where others stand: readers see old or new."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

__all__ = ["make_folder", "put_in_place", "replace_synced", "sync_folder", "write_synced"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


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


def put_in_place(fresh: Path, target: Path) -> None:
    """Move a folder to its place; a folder that stood there changes places with it.

    On Linux both names change in one step (``renameat2`` with RENAME_EXCHANGE). Where the system
    does not have that, the old folder is moved away first and moved back if the second move
    fails; a process killed between the two leaves the old folder whole beside `fresh`, as "old".

    Parameters
    ----------
    fresh : Path
        The finished folder, on the same file system as `target`.
    target : Path
        Where it shall stand.
    """
    try:
        os.rename(fresh, target)  # replaces nothing, or an empty folder
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    if _exchange(fresh, target):
        return
    old = fresh.with_name("old")
    os.rename(target, old)
    try:
        os.rename(fresh, target)
    except OSError:
        os.rename(old, target)
        raise


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


def write_synced(file: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a new file and make it durable.

    Parameters
    ----------
    file : Path
        The file, which may not exist yet.
    content : bytes
        What to write.
    mode : int
        Its permissions, of which the process's mask takes away.
    """
    with open(file, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as handle:
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


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):  # a file system without it
        return False
    raise OSError(code, os.strerror(code), str(other))
