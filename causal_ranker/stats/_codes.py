"""Ranks, request codes and cluster codes: whole numbers that say which rows belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats._arrays import IntArray, float_vector, reject_rows, same_size

__all__ = [
    "Clusters",
    "cluster_codes",
    "clusterings",
    "counts_vector",
    "rank_vector",
    "reject_empty_slots",
    "reject_repeated_ranks",
    "request_codes",
    "whole_numbers",
]


@dataclass(frozen=True)
class Clusters:
    """Rows coded by cluster.

    Parameters
    ----------
    codes : ndarray of int64, shape (n,)
        0 .. count-1, each used.
    count : int
        Number of clusters.
    """

    codes: IntArray
    count: int


def whole_numbers(values: ArrayLike, *, name: str) -> IntArray:
    """Return whole numbers as integers.

    Parameters
    ----------
    values : array_like, shape (n,)
        The numbers.
    name : str
        What the array is called, for messages.

    Returns
    -------
    ndarray of int64, shape (n,)
        The numbers.

    Raises
    ------
    RowError
        If one is not whole.
    """
    # exact for whole numbers below 2**53, and codes and ranks count rows
    vector = float_vector(values, name=name)
    reject_rows(
        vector != np.floor(vector),
        vector,
        name=name,
        expected=f"whole numbers in '{name}'",
        do="Pass integers.",
    )
    return vector.astype(np.int64)


def rank_vector(rank: ArrayLike, *, name: str = "rank") -> IntArray:
    """Return ranks as integers from 1.

    Parameters
    ----------
    rank : array_like, shape (n,)
        Ranks within the request, 1 is the first slot.
    name : str
        What the array is called, for messages.

    Returns
    -------
    ndarray of int64, shape (n,)
        The ranks.

    Raises
    ------
    RowError
        If a rank is below 1 or not whole.
    """
    ranks = whole_numbers(rank, name=name)
    reject_rows(
        ranks < 1, ranks, name=name, expected=f"{name}s of 1 or more", do=f"Count {name}s from 1."
    )
    return ranks


def counts_vector(values: ArrayLike, *, name: str) -> IntArray:
    """Return counts of 0 or more as integers.

    Parameters
    ----------
    values : array_like, shape (n,)
        The counts.
    name : str
        What the array is called, for messages.

    Returns
    -------
    ndarray of int64, shape (n,)
        The counts.

    Raises
    ------
    RowError
        If one is negative or not whole.
    """
    counts = whole_numbers(values, name=name)
    reject_rows(
        counts < 0, counts, name=name, expected=f"counts of 0 or more in '{name}'", do="Count rows."
    )
    return counts


def reject_repeated_ranks(ranks: IntArray, codes: IntArray, *, slots: int) -> None:
    """Raise if two rows of a request stand in one of the first places.

    Parameters
    ----------
    ranks : ndarray of int64, shape (n,)
        Ranks from 1.
    codes : ndarray of int64, shape (n,)
        Request codes.
    slots : int
        How many places are looked at; rows behind them may share a rank.

    Raises
    ------
    RowError
        If a rank is used twice.
    """
    top = ranks <= slots
    place = np.sort(codes[top] * slots + ranks[top])
    repeated = int((place[1:] == place[:-1]).sum())
    if repeated:
        raise RowError(
            expected=f"each rank from 1 to k = {slots} at most once per request",
            came=f"{repeated} repeated ranks",
            do="Break ties before ranking; one row per candidate of a request.",
        )


def reject_empty_slots(slots: int, *, longest: int) -> None:
    """Raise if some slots are empty in every request, so that they only divide.

    Parameters
    ----------
    slots : int
        k.
    longest : int
        Length of the longest list.

    Raises
    ------
    ConfigError
        If k is larger.
    """
    if slots > longest:
        raise ConfigError(
            expected=f"k of at most {longest}, the length of the longest list",
            came=f"k = {slots}: slots that no request fills would only make the figure smaller",
            do="Choose a smaller k, or give more candidates per request.",
        )


def request_codes(request: ArrayLike) -> tuple[IntArray, int]:
    """Return request codes and how many requests there are.

    Parameters
    ----------
    request : array_like, shape (n,)
        Integer codes 0 .. R-1, each with at least one row.

    Returns
    -------
    codes : ndarray of int64, shape (n,)
        The codes.
    count : int
        R.

    Raises
    ------
    RowError
        If a code is negative, or a code below the largest has no row: a request without
        rows would silently count as one without uplift.
    """
    codes = whole_numbers(request, name="request")
    advice = "Code the requests with np.unique(..., return_inverse=True)."
    reject_rows(codes < 0, codes, name="request", expected="request codes of 0 or more", do=advice)
    count = int(codes.max()) + 1
    if count > codes.size or not np.bincount(codes, minlength=count).all():
        raise RowError(
            expected="request codes 0 .. R-1 that each have a row",
            came=f"codes up to {count - 1} with gaps, in {codes.size} rows",
            do=advice,
        )
    return codes, count


def cluster_codes(cluster: ArrayLike, *, name: str, size: int, rows: IntArray) -> Clusters:
    """Code cluster labels as 0 .. C-1.

    Parameters
    ----------
    cluster : array_like of int or str, shape (n,)
        The cluster of each row.
    name : str
        What the array is called, for messages.
    size : int
        n, the number of labels expected.
    rows : ndarray of int64, shape (m,)
        The rows to code, in the order wanted.

    Returns
    -------
    Clusters
        Codes of those rows.

    Raises
    ------
    SchemaError
        If the labels are neither integers nor strings, or of another length.
    RowError
        If a label is missing, or all rows are in one cluster.
    """
    labels = np.asarray(cluster)
    if labels.ndim != 1 or labels.dtype.kind not in "iuUTO":
        raise SchemaError(
            expected=f"integers or strings in one dimension in '{name}'",
            came=f"shape {labels.shape} of type {labels.dtype}",
            do="Pass the column of ids.",
        )
    same_size(size, **{name: labels})
    labels = labels[rows]
    clusters = (
        _sorted_codes(labels) if labels.dtype.kind in "iu" else _label_codes(labels, name=name)
    )
    if clusters.count < 2:
        raise RowError(
            expected=f"at least 2 clusters in '{name}'",
            came=f"{clusters.count} in {rows.size} rows",
            do="One cluster has no variance to estimate; cluster by a finer unit.",
        )
    return clusters


def _sorted_codes(labels: NDArray[np.generic]) -> Clusters:
    levels, codes = np.unique(labels, return_inverse=True)
    return Clusters(codes.astype(np.int64, copy=False), levels.size)


def _label_codes(labels: NDArray[np.generic], *, name: str) -> Clusters:
    # a dictionary is several times faster than sorting Python strings
    values = labels.tolist()
    known = dict.fromkeys(values)
    bad = [value for value in known if not isinstance(value, (str, int, np.integer))]
    if bad:
        raise RowError(
            expected=f"integers or strings in '{name}', none missing",
            came=f"{bad[0]!r} among {len(known)} labels",
            do="Drop the rows without an id, or give them one.",
        )
    place = dict(zip(known, range(len(known)), strict=True))
    codes = np.fromiter(map(place.__getitem__, values), dtype=np.int64, count=len(values))
    return Clusters(codes, len(place))


def clusterings(
    cluster: ArrayLike, second_cluster: ArrayLike | None, *, size: int, rows: IntArray
) -> list[Clusters]:
    """Code one clustering, or two and their intersections.

    Parameters
    ----------
    cluster : array_like of int or str, shape (n,)
        The cluster of each row.
    second_cluster : array_like of int or str, shape (n,), or None
        A second clustering.
    size : int
        n.
    rows : ndarray of int64, shape (m,)
        The rows to code, in the order wanted; clusters of other rows do not count.

    Returns
    -------
    list of Clusters
        One entry, or three: first, second, intersections.
    """
    first = cluster_codes(cluster, name="cluster", size=size, rows=rows)
    if second_cluster is None:
        return [first]
    second = cluster_codes(second_cluster, name="second_cluster", size=size, rows=rows)
    return [first, second, _sorted_codes(first.codes * second.count + second.codes)]
