"""Arrays that may be larger than memory: above a limit they lie in a file."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from causal_ranker.errors import ConfigError

__all__ = ["empty_array"]

_IN_MEMORY = 2**27


def empty_array(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Make an array to be filled, column by column in memory.

    Parameters
    ----------
    shape : tuple of int
        Rows, and columns if there are any.
    dtype : dtype
        Type of the values; an array of Python objects always lies in memory.

    Returns
    -------
    numpy.ndarray
        Above 128 MiB it lies in a temporary file that the operating system pages in and out (to no
        avail where the temporary folder is memory itself, a tmpfs: TMPDIR names another). The file
        is gone when the array is.

    Raises
    ------
    ConfigError
        If the file does not fit on the disk.
    """
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if size <= _IN_MEMORY or kind.hasobject:
        return np.empty(shape, dtype=kind, order="F")
    with tempfile.TemporaryFile(prefix="causal_ranker_") as file:
        if sys.platform == "linux":
            # Reserved now: a full disk that is met while writing to a mapping kills the process.
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise ConfigError(
                    expected=f"{size / 2**20:,.0f} MiB of free disk in {tempfile.gettempdir()}",
                    came=f"{error.strerror}",
                    do="Free some, or set TMPDIR to a folder on a larger disk.",
                ) from error
        # The mapping keeps the closed file alive.
        return np.memmap(file, dtype=kind, mode="w+", shape=shape, order="F")
