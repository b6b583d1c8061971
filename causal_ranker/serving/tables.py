"""The tables of a snapshot: users or items one row each, and pairs where there is history.

Ids are int64 or unicode, values float64, so that a file of them needs no pickle and the numbers are
exactly those that training would have seen. Looking an id up is one dictionary access.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import SchemaError
from causal_ranker.serving.csr import check_csr, csr_from_rows
from causal_ranker.serving.index import IdIndex, as_ids

__all__ = ["FeatureTable", "PairTable", "values_of"]


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of users, or of items: one row each.

    Parameters
    ----------
    ids : array_like, shape (rows,)
        Ids, all integers or all strings, each once.
    names : tuple of str
        Names of the features.
    values : array_like, shape (rows, features)
        Values; categorical features as codes; NaN where a value is missing.
    slots : ndarray of int32, optional
        The index of the ids, where one was built before; else it is built here.

    Raises
    ------
    SchemaError
        If the ids are of another type or repeated, the shapes do not fit, or the index is not that
        of the ids.
    """

    ids: NDArray[Any]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    slots: InitVar[NDArray[np.int32] | None] = None
    index: IdIndex = field(init=False, repr=False)

    def __post_init__(self, slots: NDArray[np.int32] | None) -> None:
        ids = as_ids(self.ids)
        index = IdIndex.build(ids) if slots is None else IdIndex(ids, slots)
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "values", _matrix(self.values, ids.size, len(self.names)))
        object.__setattr__(self, "index", index)

    def row(self, key: int | str) -> int:
        """Return the row of an id, or -1 where the id is not known.

        Parameters
        ----------
        key : int or str
            The id, of the type of :attr:`ids`.

        Returns
        -------
        int
            The row's number, from 0.
        """
        return self.index.row(key)

    def key(self, text: str) -> int | str:
        """Read an id from text, as a command line gives it.

        Parameters
        ----------
        text : str
            The id as text.

        Returns
        -------
        int or str
            An integer where the ids are integers and the text is one, else the text itself.
        """
        if self.ids.dtype.kind == "i":
            try:
                return int(text)
            except ValueError:
                return text
        return text


@dataclass(frozen=True, eq=False)
class PairTable:
    """Features of user and item together, sparse: most pairs have no history.

    Parameters
    ----------
    names : tuple of str
        Names of the features.
    starts : array_like of int, shape (users + 1,)
        The entries of user row ``u`` are ``starts[u]`` to ``starts[u + 1]``.
    items : array_like of int, shape (entries,)
        Item rows, rising within a user.
    values : array_like, shape (entries, features)
        Values of the entries.
    default : array_like, shape (features,)
        Values of a pair that has no entry, e.g. 0 for a count and NaN for the days since.

    Raises
    ------
    SchemaError
        If the index is not one, or the shapes do not fit.
    """

    names: tuple[str, ...]
    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    values: NDArray[np.float64]
    default: NDArray[np.float64]

    def __post_init__(self) -> None:
        starts, items = check_csr(self.starts, self.items)
        width = len(self.names)
        default = np.asarray(self.default, dtype=np.float64)
        if default.shape != (width,):
            raise _refuse(
                f"{width} default values", f"shape {default.shape}", "Give one for each feature."
            )
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "values", _matrix(self.values, items.size, width))
        object.__setattr__(self, "default", default)

    @classmethod
    def from_rows(
        cls,
        user_rows: ArrayLike,
        item_rows: ArrayLike,
        *,
        names: tuple[str, ...],
        values: ArrayLike,
        default: ArrayLike,
        n_users: int,
    ) -> Self:
        """Build the table from one row per pair, in any order.

        Parameters
        ----------
        user_rows, item_rows : array_like of int, shape (entries,)
            Rows of the user table and of the item table; each pair at most once.
        names : tuple of str
            Names of the features.
        values : array_like, shape (entries, features)
            Values of the pairs.
        default : array_like, shape (features,)
            Values of a pair that is not listed.
        n_users : int
            Rows of the user table.

        Returns
        -------
        PairTable
            The table.

        Raises
        ------
        SchemaError
            If a row number is out of range, a pair comes twice, or the shapes do not fit.
        """
        starts, items, order = csr_from_rows(user_rows, item_rows, n_users=n_users)
        matrix = _matrix(values, items.size, len(names))
        return cls(
            names, starts, items, matrix[order], default=np.asarray(default, dtype=np.float64)
        )

    def lookup(self, user_row: int, item_rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the features of one user with some items.

        Parameters
        ----------
        user_row : int
            Row of the user, -1 for a user who is not known.
        item_rows : ndarray of int64, shape (n,)
            Rows of the items, -1 for an item that is not known.

        Returns
        -------
        ndarray of float64, shape (n, features)
            Values of the pairs; the default row where a pair has no entry.
        """
        first, last = (
            (self.starts[user_row], self.starts[user_row + 1]) if user_row >= 0 else (0, 0)
        )
        return values_of(
            item_rows, self.items[first:last], self.values[first:last], default=self.default
        )


def values_of(
    item_rows: NDArray[np.int64],
    items: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    default: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Find some items among the entries of one user.

    Parameters
    ----------
    item_rows : ndarray of int64, shape (n,)
        Rows of the items, -1 for an item that is not known.
    items : ndarray of int64, shape (entries,)
        Item rows of the entries, rising from 0 on.
    values : ndarray of float64, shape (entries, features)
        Values of the entries.
    default : ndarray of float64, shape (features,)
        Values where there is no entry.

    Returns
    -------
    ndarray of float64, shape (n, features)
        Values of the pairs.
    """
    out = np.empty((item_rows.size, default.size))
    out[:] = default
    if items.size:
        place = np.minimum(np.searchsorted(items, item_rows), items.size - 1)
        found = items[place] == item_rows
        out[found] = values[place[found]]
    return out


def _matrix(values: ArrayLike, rows: int, columns: int) -> NDArray[np.float64]:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.shape != (rows, columns):
        raise _refuse(
            f"values of shape ({rows}, {columns})",
            f"shape {matrix.shape}",
            "Give one row for each id or entry and one column for each name.",
        )
    return matrix


def _refuse(expected: str, came: str, do: str) -> SchemaError:
    return SchemaError(expected=expected, came=came, do=do)
