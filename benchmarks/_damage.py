"""Bundles that were spoilt on the way: by a disk, a copy that broke off, or a hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from causal_ranker.serving.manifest import MANIFEST, Manifest, sha256

__all__ = ["KINDS", "damaged", "sealed_again"]

KINDS: Final = ("bit flip", "truncation", "swapped tree", "edited index")
_TEXTS: Final = ("uplift.txt", "base.txt")
_LISTS: Final = ("split_feature", "left_child", "right_child", "threshold", "decision_type")
_SIZES: Final = ("num_leaves", "num_cat", "cat_boundaries", "cat_threshold")
_TREE: Final = re.compile(rb"Tree=\d+\n.*?\n\n\n", re.DOTALL)

_Files = Mapping[str, bytes]


def damaged(files: _Files, kind: str, rng: np.random.Generator) -> dict[str, bytes]:
    """Spoil one file of a bundle.

    Parameters
    ----------
    files : mapping of str to bytes
        Content by name.
    kind : str
        One of `KINDS`.
    rng : numpy.random.Generator
        Where and how.

    Returns
    -------
    dict of str to bytes
        The files, one of them changed.
    """
    while True:
        # Half of what hits any file falls on the models, which can do the most harm.
        on_trees = kind in KINDS[2:] or rng.random() < 0.5
        name = str(rng.choice(_TEXTS if on_trees else sorted(files)))
        content = files[name]
        if kind == "bit flip":
            place, bit = int(rng.integers(len(content))), int(rng.integers(8))
            spoilt = content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]
        elif kind == "truncation":
            spoilt = content[: int(rng.integers(len(content)))]
        elif kind == "swapped tree":
            spoilt = _swapped(files, name, rng)
        else:
            spoilt = _edited(content, rng)
        if spoilt != content:
            return {**files, name: spoilt}


def sealed_again(files: _Files, before: bytes) -> dict[str, bytes]:
    """Make a manifest that says what the files now are, as somebody does who edits a bundle.

    Parameters
    ----------
    files : mapping of str to bytes
        Content by name, without the manifest.
    before : bytes
        The manifest of before the damage.

    Returns
    -------
    dict of str to bytes
        The same and the manifest.
    """
    hashes = {name: sha256(content) for name, content in files.items()}
    manifest = replace(Manifest.from_bytes(before), files=hashes)
    return {**files, MANIFEST: manifest.to_bytes()}


def _swapped(files: _Files, name: str, rng: np.random.Generator) -> bytes:
    """Put trees where others were: of the same model, or of the other one."""
    content = files[name]
    trees = _TREE.findall(content)
    one = int(rng.integers(len(trees)))
    if rng.random() < 0.5:
        other = int(rng.integers(len(trees)))
        trees[one], trees[other] = trees[other], trees[one]
    else:
        there = _TREE.findall(files[next(text for text in _TEXTS if text != name)])
        trees[one] = there[int(rng.integers(len(there)))]
    if rng.random() < 0.7:  # by a hand that knows the numbers of trees
        trees = [
            re.sub(rb"\ATree=\d+", b"Tree=%d" % number, tree) for number, tree in enumerate(trees)
        ]
    return _joined(content, trees, sized=rng.random() < 0.7)


def _edited(content: bytes, rng: np.random.Generator) -> bytes:
    """Write another number where a tree says which feature, child, leaf or category it means."""
    trees = _TREE.findall(content)
    number = int(rng.integers(len(trees)))
    key = str(rng.choice(_LISTS if rng.random() < 0.8 else _SIZES)).encode()
    found = re.search(rb"^%s=(.*)$" % key, trees[number], re.MULTILINE)
    if found is None or not found[1]:
        return content
    words = found[1].split(b" ")
    place = int(rng.integers(len(words)))
    near = int(float(words[place])) + int(rng.choice([-2, -1, 1, 2]))
    far = int(rng.choice([-1000, -1, 0, 7, 9, 15, 100, 10**6, 2**31 - 1, 2**32]))
    words[place] = b"%d" % (near if rng.random() < 0.5 else far)
    start, end = found.span(1)
    trees[number] = trees[number][:start] + b" ".join(words) + trees[number][end:]
    return _joined(content, trees, sized=rng.random() < 0.7)


def _joined(content: bytes, trees: list[bytes], *, sized: bool) -> bytes:
    """Put a text together again, whose head tells the sizes of its trees or those of before."""
    head, rest = content.split(b"Tree=0\n", 1)
    tail = rest[rest.index(b"end of trees") :]
    if sized:
        sizes = b" ".join(b"%d" % len(tree) for tree in trees)
        head = re.sub(rb"^tree_sizes=.*$", b"tree_sizes=" + sizes, head, flags=re.MULTILINE)
    return head + b"".join(trees) + tail
