"""Arrays as files that are mapped into memory: nothing of them is resident until it is touched."""

from __future__ import annotations

import hashlib
import io
import mmap
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import BundleError

__all__ = ["array_bytes", "map_array", "release"]

#: What arrays of a bundle are made of, byte by byte: nothing else is mapped.
_KINDS: Final = ("<i4", "<i8", "<f8")


def array_bytes(array: NDArray[Any]) -> bytes:
    """Write an array as an ``.npy`` file that needs no pickle.

    Parameters
    ----------
    array : ndarray
        The array.

    Returns
    -------
    bytes
        The file's content.
    """
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def map_array(file: Path, *, digest: str) -> NDArray[Any]:
    """Hash an ``.npy`` file as a stream, then map the very file that was hashed.

    Nobody may change the file in place while it is mapped; a published folder is replaced whole.

    Parameters
    ----------
    file : Path
        The file.
    digest : str
        Its SHA-256 hash.

    Returns
    -------
    ndarray
        The array, read-only.

    Raises
    ------
    OSError
        If the file cannot be read.
    BundleError
        If it has another hash, or holds something else than a plain array.
    """
    with file.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
        if found != digest:
            raise BundleError(
                expected=f"{file.name} as it was published, SHA-256 {digest[:12]}",
                came=f"a changed file of {handle.tell()} bytes, SHA-256 {found[:12]}",
                do="Publish the bundle again, or restore the file.",
            )
        size = handle.seek(0, io.SEEK_END)
        handle.seek(0)
        try:
            version = np.lib.format.read_magic(handle)
            if version != (1, 0):
                raise ValueError(f"version {version} of the format")
            shape, by_column, dtype = np.lib.format.read_array_header_1_0(handle)
            plain = dtype.str in _KINDS or dtype.str.startswith("<U")
            wanted = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if not plain or by_column or wanted != size - handle.tell():
                raise ValueError(f"shape {shape}, type {dtype.str}, {size} bytes")
        except Exception as error:  # what NumPy's reader of headers raises is listed nowhere
            raise BundleError(
                expected=f"a plain array by rows in {file.name}",
                came=" ".join(str(error).split()),
                do="Publish the bundle again.",
            ) from None
        if not wanted:
            return np.empty(shape, dtype=dtype)
        mapped = np.memmap(handle, dtype=dtype, mode="r", offset=handle.tell(), shape=shape)
    return mapped.view(np.ndarray)


def release(array: NDArray[Any]) -> None:
    """Let go of the memory of a mapped array that was read through; it stays readable.

    Parameters
    ----------
    array : ndarray
        What :func:`map_array` returned; any other array is left as it is.
    """
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise"):
        owner.madvise(mmap.MADV_DONTNEED)
