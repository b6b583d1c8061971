"""Erase a user from everything that serving keeps: the log, compacted tables, snapshots of models.

What stays: the models themselves, which hold no rows of anybody, and their golden rows, which are
values of features without a name.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import BundleError
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.decisions.erase import Erased, erase_from_compacted, erase_from_log
from causal_ranker.serving.files import decode, encode
from causal_ranker.serving.manifest import MANIFEST, sha256
from causal_ranker.serving.replace import put_in_place, sync_folder, write_synced
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable

__all__ = ["forget", "forget_in_bundle"]

#: An integer as Python writes it, and those that a log can hold.
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,19}", re.ASCII)
_WRITABLE: Final = range(-(2**63), 2**64)

Id = int | str
IntArray = NDArray[np.int64]


def forget(
    user: str,
    *,
    log: Path,
    models: Path | None = None,
    compacted: Path | None = None,
    wait_s: float = 0.0,
) -> list[tuple[str, str, int]]:
    """Erase a user, and say what was erased where.

    Parameters
    ----------
    user : str
        The user's id as text; ``"5"`` means the integer and the string.
    log : Path
        Folder of the decision log.
    models : Path, optional
        A published model.
    compacted : Path, optional
        Folder of compacted tables.
    wait_s : float
        Seconds to wait for a segment that a running service writes.

    Returns
    -------
    list of (str, str, int)
        Folder, what it held of the user, and how many of that.

    Raises
    ------
    ConfigError
        If a segment is being written for longer, or another process works on the tables.
    DataError
        If there is no such log or no such tables.
    BundleError
        If there is no such model, or it cannot be written.
    OSError
        If a file cannot be read or written.
    """
    users: set[Id] = {user}
    if _WHOLE.fullmatch(user) and int(user) in _WRITABLE:
        users.add(int(user))
    found: list[tuple[str, str, int]] = []
    decisions: list[str] = []
    if compacted is not None:
        erased, decisions = erase_from_compacted(compacted, users)
        found += _lines(compacted, erased)
    found += _lines(log, erase_from_log(log, users, also=decisions, wait_s=wait_s))
    if models is not None and forget_in_bundle(models, users):
        found.append((str(models), "rows of features", 1))
    return found


def _lines(folder: Path, erased: Erased) -> list[tuple[str, str, int]]:
    lines = [(str(folder), what, count) for what, count in sorted(erased.rows.items())]
    if erased.unreadable:
        lines.append((str(folder), "bytes that could not be read", erased.unreadable))
    if erased.files:
        lines.append((str(folder), "files written anew", len(erased.files)))
    return lines


def forget_in_bundle(path: Path, users: Collection[Id]) -> bool:
    """Write a bundle anew without the features and candidates of some users.

    Its version is another one afterwards, as that is the hash of what is in it.

    Parameters
    ----------
    path : Path
        Folder of the bundle.
    users : collection of int or str
        The users.

    Returns
    -------
    bool
        Whether it knew any of them.

    Raises
    ------
    BundleError
        If it is no bundle, was changed, or cannot be written.
    """
    bundle = load_bundle(path)
    rows = [row for user in users if (row := bundle.snapshot.users.row(user)) >= 0]
    if not rows:
        return False
    keep = np.ones(bundle.snapshot.users.ids.size, dtype=np.bool_)
    keep[rows] = False
    files = {name: (path / name).read_bytes() for name in bundle.manifest.files}
    parts = decode(files)
    candidates = parts.candidates
    if candidates is not None:
        candidates = CandidateSource(*_without(keep, candidates.starts, candidates.items)[:2])
    fresh_parts = replace(
        parts, snapshot=_snapshot_without(parts.snapshot, keep), candidates=candidates
    )
    files |= encode(fresh_parts)
    hashes = {name: sha256(content) for name, content in files.items()}
    files[MANIFEST] = replace(bundle.manifest, files=hashes).to_bytes()
    target = path.resolve()
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            fresh = Path(aside) / "new"
            fresh.mkdir()
            for name, content in files.items():
                write_synced(fresh / name, content)
            sync_folder(fresh)
            load_bundle(fresh)
            put_in_place(fresh, target)
            sync_folder(target.parent)
    except OSError as error:
        raise BundleError(
            expected=f"a model that can be written anew at {target}",
            came=str(error),
            do="Check its permissions and the free space.",
        ) from error
    return True


def _snapshot_without(snapshot: FeatureSnapshot, keep: NDArray[np.bool_]) -> FeatureSnapshot:
    users, pairs = snapshot.users, snapshot.pairs
    starts, items, kept = _without(keep, pairs.starts, pairs.items)
    return replace(
        snapshot,
        users=FeatureTable(users.ids[keep], users.names, users.values[keep]),
        pairs=PairTable(pairs.names, starts, items, pairs.values[kept], pairs.default),
    )


def _without(
    keep: NDArray[np.bool_], starts: IntArray, items: IntArray
) -> tuple[IntArray, IntArray, NDArray[np.bool_]]:
    """Leave users out of compressed rows."""
    lengths = np.diff(starts)
    kept = np.repeat(keep, lengths)
    fresh = np.concatenate([[0], np.cumsum(lengths[keep])])
    return fresh, items[kept], kept
