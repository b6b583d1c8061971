"""From an id to its row in a few steps, in one vector that can lie in a file.

A table of open addressing with linear probing (Knuth, The Art of Computer Programming, vol. 3,
section 6.4): a power of two of places, at most a quarter of them taken, each holding a row or -1.
An id is looked for from the place that its hash says on, up to the first free place. It is at home
where the id of the row says so, never because the hash does: a wrong table loses ids, it mixes up
none.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import SchemaError

__all__ = ["IdIndex", "as_ids"]

_FREE: Final = -1
_ROWS: Final = np.int32
_LARGEST: Final = (1 << 63) - 1
_BITS: Final = (1 << 64) - 1
# Ids are hashed this many at a time, so that what is in a file is never all in memory.
_CHUNK: Final = 1 << 17
_FEW: Final = 256

_Keys = list[Any] | NDArray[np.int64]


class IdIndex:
    """Where the row of each id is.

    Parameters
    ----------
    ids : ndarray of int64 or str, shape (rows,)
        Ids, each once, as :func:`as_ids` returns them.
    slots : ndarray of int32, shape (a power of two,)
        What :meth:`build` found: the row at each place, -1 where it is free.

    Raises
    ------
    SchemaError
        If the places are not those of these ids: one that is not found, or at another row.
    """

    def __init__(self, ids: NDArray[Any], slots: NDArray[np.int32]) -> None:
        self._ids, self.slots, self._numbers = ids, slots, ids.dtype.kind == "i"
        size = slots.size
        whole = slots.ndim == 1 and slots.dtype == _ROWS and size > ids.size
        if not whole or size & (size - 1):
            raise _refuse(
                f"a power of two of places for {ids.size} ids",
                f"shape {slots.shape} of type {slots.dtype}",
            )
        self._mask = np.uint64(size - 1)
        taken = 0
        for first in range(0, size, _CHUNK):
            part = slots[first : first + _CHUNK]
            taken += int((part != _FREE).sum())
            if part.min() < _FREE or part.max() >= ids.size:
                raise _refuse(f"rows from -1 to {ids.size - 1} in the index", "others")
        if taken != ids.size:
            raise _refuse(f"{ids.size} places that are taken", str(taken))
        for first in range(0, ids.size, _CHUNK):
            rows = np.arange(first, min(first + _CHUNK, ids.size))
            lost = int((self.rows(ids[rows].tolist()) != rows).sum())
            if lost:
                raise _refuse(
                    "an index that finds each id once, at its row",
                    f"{lost} ids that are repeated, or that it finds elsewhere or not at all",
                )

    @classmethod
    def build(cls, ids: NDArray[Any]) -> Self:
        """Find a place for each id.

        Parameters
        ----------
        ids : ndarray of int64 or str, shape (rows,)
            Ids, as :func:`as_ids` returns them.

        Returns
        -------
        IdIndex
            The index.

        Raises
        ------
        SchemaError
            If an id is repeated.
        """
        if ids.size > np.iinfo(_ROWS).max:
            raise _refuse(f"at most {np.iinfo(_ROWS).max} ids", str(ids.size))
        distinct = np.unique(ids).size
        if distinct != ids.size:
            raise SchemaError(
                expected="each id once",
                came=f"{ids.size - distinct} repeated ids",
                do="Keep one row.",
            )
        slots = np.full(1 << max(1, (4 * ids.size - 1).bit_length()), _FREE, dtype=_ROWS)
        mask = np.uint64(slots.size - 1)
        waiting = np.arange(ids.size, dtype=_ROWS)
        place = np.concatenate(
            [
                _hashes(ids[first : first + _CHUNK].tolist()) & mask
                for first in range(0, ids.size, _CHUNK)
            ]
            or [np.empty(0, dtype=np.uint64)]
        )
        while waiting.size:
            free = slots[place] == _FREE
            slots[place[free]] = waiting[free]  # of several that want one place the last gets it
            left = slots[place] != waiting
            waiting, place = waiting[left], (place[left] + np.uint64(1)) & mask
        return cls(ids, slots)

    def rows(self, keys: Sequence[object]) -> NDArray[np.int64]:
        """Look ids up.

        Parameters
        ----------
        keys : sequence
            Ids of any type; one of another type than the table's is not known.

        Returns
        -------
        ndarray of int64, shape (n,)
            Their rows, -1 where an id is not known.
        """
        wanted = int if self._numbers else str
        if set(map(type, keys)) == {wanted} and not (self._numbers and _too_large(keys)):
            return self._rows(list(keys))
        kept = [place for place, key in enumerate(keys) if self._could_be(key)]
        out = np.full(len(keys), _FREE, dtype=np.int64)
        if kept:
            out[kept] = self._rows([keys[place] for place in kept])
        return out

    def row(self, key: object) -> int:
        """Look one id up, without the price of a vector.

        Parameters
        ----------
        key : object
            An id of any type; one of another type than the table's is not known.

        Returns
        -------
        int
            Its row, -1 where it is not known.
        """
        if not self._ids.size or not self._could_be(key):
            return _FREE
        return self._walk(key, _hash(key) & int(self._mask))

    def _could_be(self, key: object) -> bool:
        if self._numbers:
            return isinstance(key, int | np.integer) and not _too_large((key,))
        return isinstance(key, str)

    def _rows(self, keys: list[Any]) -> NDArray[np.int64]:
        if not self._ids.size:
            return np.full(len(keys), _FREE, dtype=np.int64)
        wanted = np.array(keys, dtype=np.int64) if self._numbers else keys
        place = _hashes(wanted) & self._mask
        rows: NDArray[np.int64] = self.slots[place].astype(np.int64)
        left = np.flatnonzero(self._others(rows, wanted))
        while left.size > _FEW:
            place[left] = (place[left] + np.uint64(1)) & self._mask
            rows[left] = self.slots[place[left]]
            some = wanted[left] if isinstance(wanted, np.ndarray) else [keys[i] for i in left]
            left = left[self._others(rows[left], some)]
        # Those of one request are walked one by one: a vector of few costs more than they do.
        for i in left.tolist():
            rows[i] = self._walk(keys[i], int(place[i]))
        return rows

    def _walk(self, key: object, at: int) -> int:
        """Look for an id from a place on."""
        ids, slots, mask = self._ids, self.slots, int(self._mask)
        row: int = slots.item(at)
        while row != _FREE and ids.item(row) != key:
            at = (at + 1) & mask
            row = slots.item(at)
        return row

    def _others(self, rows: NDArray[np.int64], keys: _Keys) -> NDArray[np.bool_]:
        """Say where a place is taken by another id than the one that is looked for."""
        found = self._ids[rows]  # of a free place, -1, the last one's, which does not count
        if self._numbers:
            different: NDArray[np.bool_] = (found != keys) & (rows != _FREE)
            return different
        # Not as an array of strings: that forgets NULs at the end, and "a" is not "a\0".
        other = np.fromiter(map(operator.ne, found.tolist(), keys), dtype=np.bool_, count=len(keys))
        taken: NDArray[np.bool_] = rows != _FREE
        return other & taken


def as_ids(ids: ArrayLike) -> NDArray[Any]:
    """Check ids, and bring them to one of the two types there are.

    Parameters
    ----------
    ids : array_like, shape (rows,)
        All integers, or all strings.

    Returns
    -------
    ndarray of int64 or str, shape (rows,)
        The ids; not a copy where they are of that type already.

    Raises
    ------
    SchemaError
        If they are neither, do not fit into 64 bits, or end with a NUL character.
    """
    array = np.asarray(ids)
    if array.ndim == 1 and array.dtype.kind == "U":
        return array
    if array.ndim == 1 and array.dtype.kind == "i":
        return array.astype(np.int64, copy=False)
    if array.ndim == 1 and array.dtype.kind == "u" and (array <= _LARGEST).all():
        return array.astype(np.int64)
    # NumPy's strings would drop a NUL at the end, and make two ids one.
    if array.ndim == 1 and array.dtype.kind in "OT" and all(_is_kept(i) for i in array):
        return array.astype(np.str_)
    raise SchemaError(
        expected="a vector of ids that are all integers or all strings",
        came=f"an array of shape {array.shape} and type {array.dtype}",
        do="Convert the ids to one of the two.",
    )


def _too_large(keys: Sequence[Any]) -> bool:
    return bool(keys) and not -_LARGEST - 1 <= min(keys) <= max(keys) <= _LARGEST


def _is_kept(key: object) -> bool:
    return isinstance(key, str) and not key.endswith("\0")


def _hashes(keys: _Keys) -> NDArray[np.uint64]:
    """Hash ids, all of one type, to 64 bits.

    That is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom
    number generators", OOPSLA), on the number or on the CRC-32 of the text.
    """
    if not isinstance(keys, np.ndarray) and isinstance(keys[0], str):
        crc = [zlib.crc32(key.encode("utf-8", "surrogatepass")) for key in keys]
        x = np.array(crc, dtype=np.uint64)
    else:
        x = np.array(keys, dtype=np.int64).view(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _hash(key: Any) -> int:
    """Hash one id as `_hashes` does."""
    x = zlib.crc32(key.encode("utf-8", "surrogatepass")) if isinstance(key, str) else int(key)
    x &= _BITS
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _BITS
    return x ^ (x >> 31)


def _refuse(expected: str, came: str) -> SchemaError:
    return SchemaError(expected=expected, came=came, do="Publish the snapshot again.")
