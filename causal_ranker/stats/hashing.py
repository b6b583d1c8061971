"""Salted hashes of ids: sticky folds, samples and assignments without a stored table.

The same id and salt give the same number in every process and on every platform.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.stats._arrays import Array, IntArray, positive_count

__all__ = ["fold_of", "hash_words", "uniform_hash", "uniform_stream"]

_Words = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform_hash(ids: ArrayLike, *, salt: str) -> Array:
    """Hash ids to uniform numbers; another salt gives numbers independent of these.

    Integers of every width give the same numbers as 64-bit ones: two rounds of the SplitMix64
    finaliser (Steele, Lea and Flood, 2014), with the salt's hash between them. Strings are
    hashed as UTF-8 by keyed BLAKE2b. The integer 5 and the string "5" are different ids.

    Parameters
    ----------
    ids : array_like of int or str, shape (n,)
        The ids; none missing, integers and strings not mixed.
    salt : str
        Names the purpose, for example ``"crossfit-7"``.

    Returns
    -------
    ndarray of float64, shape (n,)
        Multiples of 2^-53 in [0, 1).

    Raises
    ------
    SchemaError
        If the ids are neither integers nor strings, or not in one dimension.
    RowError
        If an id is missing, or of another type than the rest.
    """
    words = _words(np.asarray(ids), salt=salt.encode())
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def hash_words(ids: ArrayLike, *, salt: str) -> NDArray[np.uint64]:
    """Hash ids to 64-bit words, of which `uniform_hash` keeps the first 53 bits.

    Parameters
    ----------
    ids : array_like of int or str, shape (n,)
        The ids; none missing, integers and strings not mixed.
    salt : str
        Names the purpose.

    Returns
    -------
    ndarray of uint64, shape (n,)
        The words.

    Raises
    ------
    SchemaError, RowError
        As `uniform_hash`.
    """
    return _words(np.asarray(ids), salt=salt.encode())


def uniform_stream(ids: ArrayLike, counters: ArrayLike, *, salt: str) -> Array:
    """Draw many uniform numbers for each id: the same id, counter and salt give the same number.

    SplitMix64 (Steele, Lea and Flood, 2014) started at the id's hash, so that numbers of an id
    are as good as those of a generator, and depend on nothing else that is drawn.

    Parameters
    ----------
    ids : array_like of int or str, shape (n,)
        The ids; none missing, integers and strings not mixed.
    counters : array_like of int, shape (m,)
        Which numbers of the stream, each from 0 to below 2^63.
    salt : str
        Names the purpose and the seed.

    Returns
    -------
    ndarray of float64, shape (n, m)
        Odd multiples of 2^-53, strictly between 0 and 1.

    Raises
    ------
    SchemaError
        If the ids are neither integers nor strings, or not in one dimension.
    RowError
        If an id is missing, or of another type than the rest.
    """
    start = _words(np.asarray(ids), salt=salt.encode())[:, None]
    steps = (np.asarray(counters).astype(np.uint64) + np.uint64(1)) * _GOLDEN
    words = _mixed(start + steps)
    # 52 bits and a half: with one bit more the largest would round to 1
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def fold_of(ids: ArrayLike, n_folds: int, *, salt: str) -> IntArray:
    """Assign each id to a fold that never changes.

    Parameters
    ----------
    ids : array_like of int or str, shape (n,)
        The ids, for example users: all rows of a user are in one fold.
    n_folds : int
        Number of folds.
    salt : str
        Names the purpose.

    Returns
    -------
    ndarray of int64, shape (n,)
        Folds 0 .. n_folds - 1, of about equal numbers of ids.

    Raises
    ------
    ConfigError
        If n_folds is not a whole number of at least 1.
    SchemaError, RowError
        As `uniform_hash`.
    """
    folds = positive_count(n_folds, name="n_folds")
    return (uniform_hash(ids, salt=salt) * folds).astype(np.int64)


def _words(ids: NDArray[np.generic], *, salt: bytes) -> _Words:
    if ids.ndim == 1 and ids.dtype.kind == "O" and ids.size:
        ids = _typed(ids)
    if ids.ndim != 1 or ids.dtype.kind not in "iuUTO":
        raise SchemaError(
            expected="ids that are integers or strings, in one dimension",
            came=f"shape {ids.shape} of type {ids.dtype}",
            do="Convert the ids; a float id often means that some are missing.",
        )
    if ids.dtype.kind == "u":
        return _integer_words(ids.astype(np.uint64), salt)
    if ids.dtype.kind == "i":
        return _integer_words(ids.astype(np.int64).view(np.uint64), salt)
    return _string_words(ids.tolist(), salt)


def _typed(ids: NDArray[np.generic]) -> NDArray[np.generic]:
    """Turn a column of Python objects into integers, or check that all are strings."""
    values = ids.tolist()
    whole = isinstance(values[0], (int, np.integer)) and not isinstance(values[0], bool)
    wanted: tuple[type, ...] = (int, np.integer) if whole else (str,)
    for row, value in enumerate(values):
        if not isinstance(value, wanted):
            raise RowError(
                expected="ids that are all integers or all strings, none missing",
                came=f"{value!r} in row {row}",
                do="Drop the rows without an id, or convert the column.",
            )
    return np.array(values, dtype=np.int64) if whole else ids


def _mixed(words: _Words) -> _Words:
    """Apply the SplitMix64 finaliser, a bijection of 64-bit words (overflow is meant)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _integer_words(ids: _Words, salt: bytes) -> _Words:
    key = np.frombuffer(blake2b(salt, digest_size=8).digest(), dtype="<u8").astype(np.uint64)
    return _mixed(_mixed(ids + _GOLDEN) ^ key)


def _string_words(ids: list[str], salt: bytes) -> _Words:
    # BLAKE2b keys hold 64 bytes at most, so a salt of any length is hashed first
    keyed = blake2b(digest_size=8, key=blake2b(salt, digest_size=32).digest())
    digests = dict.fromkeys(ids, b"")  # ids repeat: hash each once
    for text in digests:
        one = keyed.copy()
        one.update(text.encode())
        digests[text] = one.digest()
    joined = b"".join(map(digests.__getitem__, ids))
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)
