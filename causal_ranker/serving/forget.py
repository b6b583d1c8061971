"""Erase a user from what is kept of them: log, compacted tables, snapshots of models, reviews.

What stays: the models themselves, which hold no rows of anybody, and their golden rows, which are
values of features without a name.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.drift.review.queue import ReviewQueue
from causal_ranker.errors import BundleError
from causal_ranker.serving.bundle import load_bundle, rewrite_bundle
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.decisions.erase import (
    Erased,
    decisions_of,
    erase_from_compacted,
    erase_from_log,
)
from causal_ranker.serving.files import BundleParts
from causal_ranker.serving.promotions import is_registry
from causal_ranker.serving.redis_push import forget_features, push_instead
from causal_ranker.serving.registry import Registry
from causal_ranker.serving.replace import put_in_place, sync_folder
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable

__all__ = ["forget", "forget_in_models"]

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
    redis: str | None = None,
    review: Path | None = None,
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
        A registry of models, or one bundle.
    compacted : Path, optional
        Folder of compacted tables.
    redis : str, optional
        URL of a Redis server that features were pushed to.
    review : Path, optional
        File of a review queue.
    wait_s : float
        Seconds to wait for a segment that a running service writes.

    Returns
    -------
    list of (str, str, int)
        Folder, what it held of the user, and how many of that.

    Raises
    ------
    ConfigError
        If a segment is being written for longer, another process works on the tables, or there is
        no such queue.
    DataError
        If there is no such log or no such tables, or the queue cannot be written.
    BundleError
        If there is no such model, one was damaged, or it cannot be written.
    UpstreamError
        If the Redis server cannot be reached, or refuses.
    OSError
        If a file cannot be read or written.
    """
    users: set[Id] = {user}
    if _WHOLE.fullmatch(user) and int(user) in _WRITABLE:
        users.add(int(user))
    also = [] if compacted is None else decisions_of(compacted, users)
    erased = erase_from_log(log, users, also=also, wait_s=wait_s)
    found = _lines(log, erased)
    if compacted is not None:
        found += _lines(compacted, erase_from_compacted(compacted, users, also=erased.decisions))
    if models is not None:
        changed = forget_in_models(models, users, redis=redis)
        found += [(str(models), f"version {old}, now {new}", 1) for old, new in changed.items()]
    if redis is not None and (versions := sum(forget_features(redis, user=u) for u in users)):
        found.append(("Redis", "rows of features", versions))
    if review is not None:
        with ReviewQueue(review, create=False) as queue:
            if rows := queue.forget(users):
                found.append((str(review), "rows to review", rows))
    return found


def _lines(folder: Path, erased: Erased) -> list[tuple[str, str, int]]:
    lines = [(str(folder), what, count) for what, count in sorted(erased.rows.items())]
    if erased.unreadable:
        lines.append((str(folder), "bytes that could not be read", erased.unreadable))
    if erased.files:
        lines.append((str(folder), "files written anew", len(erased.files)))
    return lines


def forget_in_models(
    path: Path, users: Collection[Id], *, redis: str | None = None
) -> dict[str, str]:
    """Replace every model that knows some users by one that does not.

    Parameters
    ----------
    path : Path
        A registry, all of whose versions are looked at, or the folder of one bundle.
    users : collection of int or str
        The users.
    redis : str, optional
        URL of a Redis server. Where it holds the features of a model, it holds those of the new
        one before that takes its place.

    Returns
    -------
    dict of str to str
        New version by old version: it is the hash of what is in it.

    Raises
    ------
    BundleError
        If it is neither, a model was damaged, or it cannot be written.
    UpstreamError
        If the Redis server cannot be reached, or refuses; then the old models stay.
    """

    def ready(old: str, fresh: Path) -> None:
        if redis is not None:
            push_instead(redis, bundle=load_bundle(fresh), of=old)

    change = partial(_parts_without, users=users)
    if is_registry(path):
        return Registry(path).rewrite(change, ready=ready)
    target = path.resolve()
    before = load_bundle(target).version
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            fresh = Path(aside) / "new"
            if not rewrite_bundle(target, fresh, change=change):
                return {}
            after = load_bundle(fresh).version
            ready(before, fresh)
            put_in_place(fresh, target)
            sync_folder(target.parent)
    except OSError as error:
        raise BundleError(
            expected=f"a model that can be written anew at {target}",
            came=str(error),
            do="Check its permissions and the free space.",
        ) from error
    return {before: after}


def _parts_without(parts: BundleParts, *, users: Collection[Id]) -> BundleParts | None:
    rows = [row for user in users if (row := parts.snapshot.users.row(user)) >= 0]
    if not rows:
        return None
    keep = np.ones(parts.snapshot.users.ids.size, dtype=np.bool_)
    keep[rows] = False
    candidates = parts.candidates
    if candidates is not None:
        candidates = CandidateSource(*_without(keep, candidates.starts, candidates.items)[:2])
    snapshot = _snapshot_without(parts.snapshot, keep)
    return replace(parts, snapshot=snapshot, candidates=candidates)


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
