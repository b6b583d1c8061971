"""Arrays above a limit lie in files, and hold the same."""

from __future__ import annotations

import errno
import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from causal_ranker import paging
from causal_ranker.errors import ConfigError
from causal_ranker.paging import empty_array

LIMIT = 4096


@pytest.fixture(autouse=True)
def _small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "_IN_MEMORY", LIMIT)


@pytest.mark.parametrize("shape", [(1000,), (500, 3)])
def test_large_arrays_lie_in_a_file_and_small_ones_in_memory(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape)
    large = empty_array(shape, np.float64)
    assert isinstance(large, np.memmap)
    large[...] = values
    np.testing.assert_array_equal(large, values)
    assert large.flags.f_contiguous
    small = empty_array((LIMIT // 8,), np.float64)
    assert not isinstance(small, np.memmap)
    assert not isinstance(empty_array((10_000,), object), np.memmap)
    assert empty_array((0, 3), np.float32).shape == (0, 3)


def test_nothing_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging.tempfile, "tempdir", str(tmp_path))
    large = empty_array((100_000,), np.int64)
    large[:] = 7
    assert list(tmp_path.iterdir()) == []
    part = large[50_000:]
    del large
    gc.collect()
    assert part.sum() == 350_000


@pytest.mark.skipif(sys.platform != "linux", reason="space is reserved on Linux only")
def test_a_full_disk_is_told_before_a_row_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ConfigError, match=r"1 MiB of free disk.*No space left.*TMPDIR"):
        empty_array((2**17,), np.int64)
