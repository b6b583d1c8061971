"""The text of a LightGBM model, looked at before the library reads it.

LightGBM trusts its text: a split on a feature that is not there, a child that is no node, or two
sizes that contradict each other make it read memory that is not its own, or walk in a circle. It
then dies, hangs, or scores wrong in silence, and takes the server with it. What passes here is a
tree, whatever row it is given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import BundleError

__all__ = ["check_trees"]

# LightGBM reads at most this many lines of one tree, and what stands below as the next one.
_TREE_LINES: Final = 22
_PER_SPLIT: Final = ("split_gain", "internal_value", "internal_weight", "internal_count")
_PER_LEAF: Final = ("leaf_weight", "leaf_count")
_CATEGORICAL: Final = 1  # the bit of `decision_type`
_KNOWN_DECISIONS: Final = 16  # that bit, the default side, and two of the kind of missing value
# Below the trees; of a parameter without a value the library reads what is not there.
_TAIL: Final = re.compile(
    rb"\n*end of trees\n+feature_importances:\n(?:[^\n]*=\d+\n)*\n"
    rb"(?:parameters:\n(?:\[\w+: [^\n]*\]\n)*\nend of parameters\n\n?)?"
    rb"(?:\n*pandas_categorical:[^\n]*\n?)?"
)
# What the library writes and nothing that only one of the two parsers would take.
_INTEGERS: Final = re.compile(rb"(?:-?\d{1,18}(?: +|$))*")
_NUMBERS: Final = re.compile(rb"(?:-?(?:\d+(?:\.\d+)?(?:e[-+]?\d{1,3})?|inf|nan)(?: +|$))*")


def check_trees(text: str, *, n_features: int, name: str) -> None:
    """Refuse a model whose text contradicts itself.

    Parameters
    ----------
    text : str
        LightGBM's own text.
    n_features : int
        Columns of the matrices that the model will be asked to score.
    name : str
        What to call the model in messages.

    Raises
    ------
    BundleError
        If the model has several outputs, a tree is not where the head says, or one of its splits
        names a feature, a child, a leaf or a set of categories that does not exist.
    """
    where = "the head"
    try:
        content = text.encode()
        # Both end a text, or a line, for the library and not for us.
        _ask(b"\0" not in content and b"\r" not in content, "a zero byte or a carriage return")
        head, _, _ = content.partition(b"\n\n")
        told = _told(head.removeprefix(b"tree\n").splitlines())
        _check_head(told, n_features)
        place = len(head) + 2
        sizes = _integers(told, "tree_sizes")
        _ask(sizes.size > 0, "no tree")
        for number, size in enumerate(sizes):
            where = f"tree {number}"
            block, place = content[place : place + int(size)], place + int(size)
            first, _, body = block.partition(b"\n")
            _ask(first == b"Tree=%d" % number, "the beginning of another place")
            body, blank, rest = body.partition(b"\n\n")
            _ask(bool(blank) and not rest.strip(b"\n"), "more or less than one tree")
            _check_tree(body.splitlines(), n_features)
        where = "what stands below the trees"
        _ask(_TAIL.fullmatch(content, place) is not None, "other lines")
    except (KeyError, ValueError) as error:
        came = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise BundleError(
            expected=f"the text of a LightGBM model of {n_features} features in {name}",
            came=f"{came}, in {where}",
            do="Publish the bundle again.",
        ) from None


def _check_head(told: Mapping[str, bytes], n_features: int) -> None:
    for key, value in (
        ("num_class", 1),
        ("num_tree_per_iteration", 1),
        ("max_feature_idx", n_features - 1),
    ):
        _ask(told[key] == b"%d" % value, f"{key} {told[key].decode(errors='replace')[:20]!r}")
    _ask(not told.get("objective", b"").startswith(b"multi"), "an objective of several classes")


def _check_tree(lines: list[bytes], n_features: int) -> None:
    _ask(len(lines) <= _TREE_LINES, f"{len(lines)} lines")
    told = _told(lines)
    (leaves,) = _integers(told, "num_leaves")
    _ask(leaves >= 1, f"{leaves} leaves")
    _ask(bool(np.isfinite(_numbers(told, "leaf_value", int(leaves))).all()), "an infinite leaf")
    if leaves == 1:  # the library reads no further
        return
    splits = int(leaves) - 1
    for names, length in ((_PER_SPLIT, splits), (_PER_LEAF, int(leaves))):
        for key in names:
            if key in told:
                _numbers(told, key, length)
    feature = _integers(told, "split_feature", splits)
    _ask(_within(feature, n_features), "a split on a feature that does not exist")
    # Every node but the root, and every leaf, hangs below exactly one node: there is no circle.
    children = np.sort(
        np.concatenate([_integers(told, side, splits) for side in ("left_child", "right_child")])
    )
    each_once = np.concatenate([np.arange(-int(leaves), 0), np.arange(1, splits)])
    _ask(np.array_equal(children, each_once), "children that make no tree")
    _check_splits(told, splits)
    if told.get("is_linear", b"0") != b"0":
        _check_linear(told, int(leaves), n_features)


def _check_splits(told: Mapping[str, bytes], splits: int) -> None:
    threshold = _numbers(told, "threshold", splits)
    _ask(not np.isnan(threshold).any(), "a threshold that is no number")
    decision = _integers(told, "decision_type", splits)
    _ask(_within(decision, _KNOWN_DECISIONS), "an unknown kind of split")
    (sets,) = _integers(told, "num_cat")
    categorical = threshold[(decision & _CATEGORICAL) == 1]
    _ask(_within(categorical, int(sets)), "a split on categories that are not listed")
    _ask(bool((categorical == np.floor(categorical)).all()), "a half set of categories")
    if sets:
        bounds = _integers(told, "cat_boundaries", int(sets) + 1)
        words = _integers(told, "cat_threshold")
        _ask(_within(words, 1 << 32), "a set of categories out of range")
        _ask(
            bounds[0] == 0 and bounds[-1] == words.size and bool((np.diff(bounds) >= 0).all()),
            "sets of categories that do not follow one another",
        )


def _check_linear(told: Mapping[str, bytes], leaves: int, n_features: int) -> None:
    counts = _integers(told, "num_features", leaves)
    _ask(_within(counts, n_features + 1), "a leaf of more features than there are")
    _ask(bool(np.isfinite(_numbers(told, "leaf_const", leaves)).all()), "an infinite leaf")
    read = _integers(told, "leaf_features", int(counts.sum()))
    _ask(_within(read, n_features), "a leaf that reads a feature that does not exist")
    weight = _numbers(told, "leaf_coeff", int(counts.sum()))
    _ask(bool(np.isfinite(weight).all()), "an infinite weight")


def _told(lines: list[bytes]) -> dict[str, bytes]:
    """Read lines of ``key=value``; of a key that came twice LightGBM would take one."""
    told: dict[str, bytes] = {}
    for line in lines:
        key, _, value = line.partition(b"=")
        word = key.decode("ascii")
        _ask(word not in told, f"{word} twice")
        _ask(b"=" in line or word == "average_output", f"a line without a value: {word[:20]!r}")
        told[word] = value
    return told


def _integers(told: Mapping[str, bytes], key: str, length: int | None = None) -> NDArray[np.int64]:
    line = told[key].strip(b" ")
    _ask(_INTEGERS.fullmatch(line) is not None, f"{key} that are no integers")
    found = np.fromstring(line, dtype=np.int64, sep=" ") if line else np.empty(0, dtype=np.int64)
    _ask(length in (None, found.size), f"{found.size} {key} for {length}")
    return found


def _numbers(told: Mapping[str, bytes], key: str, length: int) -> NDArray[np.float64]:
    line = told[key].strip(b" ")
    _ask(_NUMBERS.fullmatch(line) is not None, f"{key} that are no numbers")
    found = np.fromstring(line, sep=" ") if line else np.empty(0)
    _ask(length == found.size, f"{found.size} {key} for {length}")
    return found


def _within(values: NDArray[np.int64] | NDArray[np.float64], end: int) -> bool:
    return bool(((values >= 0) & (values < end)).all())


def _ask(holds: bool, came: str) -> None:
    if not holds:
        raise ValueError(came)
