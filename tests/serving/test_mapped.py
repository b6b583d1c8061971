"""Arrays in files: the file that was hashed is the one that is mapped, and nothing else passes."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import BundleError
from causal_ranker.serving.mapped import array_bytes, map_array, release


def written(folder: Path, content: bytes) -> tuple[Path, str]:
    file = folder / "some.npy"
    file.write_bytes(content)
    return file, hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(5),
        np.array(["a", "bcd"]),
        np.empty((0, 3)),
        np.empty((4, 0)),
        np.array([np.nan, -0.0, np.inf]),
    ],
    ids=str,
)
def test_what_is_written_comes_back_and_cannot_be_changed(
    array: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    file, digest = written(tmp_path, array_bytes(array))
    mapped = map_array(file, digest=digest)
    assert type(mapped) is np.ndarray
    assert mapped.dtype == array.dtype
    assert mapped.tobytes() == array.tobytes()
    if array.size:
        with pytest.raises(ValueError, match="read-only"):
            mapped[...] = 0
    release(mapped)
    assert mapped.tobytes() == array.tobytes()


def test_a_folder_may_be_deleted_under_a_map(tmp_path: Path) -> None:
    array = np.arange(100_000.0)
    file, digest = written(tmp_path, array_bytes(array))
    mapped = map_array(file, digest=digest)
    release(mapped)
    other = tmp_path / "other"
    other.write_bytes(array_bytes(-array))
    os.replace(other, file)
    np.testing.assert_array_equal(mapped, array)
    file.unlink()
    np.testing.assert_array_equal(mapped, array)


def saved(array: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array), **how)
    return file.getvalue()


WHOLE = array_bytes(np.arange(12.0).reshape(3, 4))
BAD = {
    "nothing": b"",
    "no magic": b"PK" + WHOLE,
    "cut": WHOLE[:-1],
    "cut in the header": WHOLE[:40],
    "longer": WHOLE + b"\0",
    "objects": saved(np.array([1, "a"], dtype=object), allow_pickle=True),
    "big-endian": saved(np.arange(3, dtype=">f8")),
    "complex": saved(np.arange(3, dtype=complex)),
    "a record": saved(np.zeros(3, dtype=[("a", "<f8")])),
    "by columns": saved(np.asfortranarray(np.arange(12.0).reshape(3, 4))),
    "another version": saved(np.arange(3.0), version=(2, 0)),
    "too many rows": WHOLE.replace(b"(3, 4)", b"(9, 4)"),
    "negative": WHOLE.replace(b"(3, 4)", b"(-3,4)"),
    "words": WHOLE.replace(b"(3, 4)", b"(a, 4)"),
    "an open bracket": WHOLE.replace(b"(3, 4), }", b"(3, 4), ("),
    "a bracket too many": WHOLE.replace(b"(3, 4), }", b"(3, 4)) }"),
    "a call": WHOLE.replace(b"(3, 4)", b"exit()"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_content_under_a_right_hash_is_refused(name: str, tmp_path: Path) -> None:
    file, digest = written(tmp_path, BAD[name])
    with pytest.raises(BundleError, match=r"a plain array by rows in some\.npy"):
        map_array(file, digest=digest)


def test_a_changed_file_is_refused_before_it_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("mapped")

    monkeypatch.setattr(np, "memmap", never)
    file, digest = written(tmp_path, WHOLE)
    file.write_bytes(WHOLE[:-8] + b"\0" * 8)
    with pytest.raises(BundleError, match=r"some\.npy as it was published, SHA-256"):
        map_array(file, digest=digest)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="needs /proc")
def test_memory_that_was_read_through_is_let_go(tmp_path: Path) -> None:
    array = np.ones(8_000_000)  # 64 MB
    file, digest = written(tmp_path, array_bytes(array))
    mapped = map_array(file, digest=digest)

    def of_files() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))

    before = of_files()
    assert mapped.sum() == array.size
    assert of_files() - before > 50_000  # KiB
    release(mapped)
    assert of_files() - before < 10_000
