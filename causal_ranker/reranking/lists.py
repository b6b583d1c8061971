"""Candidate lists of many requests: the rows as they came, and laid out in base order.

The base order is that of falling base scores; the base rank only decides between equal ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError

__all__ = ["BaseOrder", "CandidateLists", "SideColumn", "check_finite", "group_codes", "level_code"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Base ranks are sorted by counting while they have at most so many places for each row.
_SPARSE: Final = 4
#: Cells of one matrix of lists: what fits a processor's cache.
_CELLS: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class SideColumn:
    """What a rule reads of the candidates beside their scores: a group, or a flag.

    Parameters
    ----------
    values : array_like, shape (n,)
        Numbers, or the codes of a category; NaN where the value is missing.
    levels : sequence of str or int, optional
        Levels of a category, in the order of their codes; None for numbers.
    """

    values: Array
    levels: Sequence[str | int] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CandidateLists:
    """The candidates of one or many requests, each array of shape (n,).

    Parameters
    ----------
    request : array_like
        Which request a row belongs to: integers or strings.
    base_score : array_like
        The base recommender's score, larger is better, in its own unit.
    base_rank : array_like
        Its rank within the request, smaller is better; decides between equal scores.
    uplift : array_like
        Estimated uplift, in plays per impression.
    columns : mapping of str to SideColumn
        What rules read, by name.
    interval : tuple of array_like, optional
        Lower and upper ends of the uplift's interval, where the model gives one.

    Raises
    ------
    RowError
        If the arrays differ in length.
    """

    request: NDArray[Any]
    base_score: Array
    base_rank: Array
    uplift: Array
    columns: Mapping[str, SideColumn] = field(default_factory=dict)
    interval: tuple[Array, Array] | None = None

    def __post_init__(self) -> None:
        for name, dtype in (
            ("request", None),
            ("base_score", float),
            ("base_rank", float),
            ("uplift", float),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=dtype))
        if self.interval is not None:
            low, high = (np.asarray(end, dtype=float) for end in self.interval)
            object.__setattr__(self, "interval", (low, high))
        sizes = {
            np.shape(values)
            for values in (
                self.request,
                self.base_score,
                self.base_rank,
                self.uplift,
                *(self.interval or ()),
                *(column.values for column in self.columns.values()),
            )
        }
        if len(sizes) > 1 or len(next(iter(sizes))) != 1:
            raise RowError(
                expected="vectors of one length",
                came=f"shapes {sorted(sizes)}",
                do="Pass columns of one table.",
            )

    def __len__(self) -> int:
        return int(self.request.size)

    def column(self, name: str) -> SideColumn:
        """Return a column that a rule reads.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        SideColumn
            The column.

        Raises
        ------
        SchemaError
            If there is none of this name.
        """
        if name not in self.columns:
            raise SchemaError(
                expected=f"the column '{name}', which the policy reads",
                came=", ".join(map(repr, self.columns)) or "no column",
                do="Hand it over with the candidates.",
            )
        return self.columns[name]


@dataclass(frozen=True, eq=False)
class BaseOrder:
    """Where each candidate stands in its request's base order.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        Rows of the lists, request by request, each in base order.
    starts, counts : ndarray of int64, shape (requests,)
        First place and number of rows of each request, in ascending order of requests.
    """

    rows: IntArray
    starts: IntArray
    counts: IntArray

    @classmethod
    def of(cls, lists: CandidateLists) -> BaseOrder:
        """Sort the rows of each request by base score.

        Parameters
        ----------
        lists : CandidateLists
            The candidates.

        Returns
        -------
        BaseOrder
            Their places.

        Raises
        ------
        RowError
            If a base score or a base rank is not finite.
        """
        for name, values in (("base scores", lists.base_score), ("base ranks", lists.base_rank)):
            if not np.isfinite(values).all():
                raise RowError(
                    expected=f"finite {name}",
                    came=f"{int((~np.isfinite(values)).sum())} of {values.size} that are not",
                    do="Give every candidate a base score, or leave it out.",
                )
        codes, starts, counts = _requests(lists.request)
        rows = _by_counting(lists, codes, counts)
        if rows is None:
            rows = np.lexsort((lists.base_rank, -lists.base_score, codes))
        return cls(rows, starts, counts)

    def chunks(self, *, width: int | None = None) -> Iterator[tuple[IntArray, IntArray, Mask]]:
        """Lay the lists out as matrices, lists of about one length together.

        Parameters
        ----------
        width : int, optional
            Places to lay out, from the first on; whole lists by default.

        Yields
        ------
        requests : ndarray of int64, shape (r,)
            Numbers of the requests.
        rows : ndarray of int64, shape (r, w)
            Their rows in base order; some row or other behind the end of a list.
        real : ndarray of bool, shape (r, w)
            False behind the end of a list.
        """
        counts = self.counts if width is None else np.minimum(self.counts, width)
        order = np.argsort(counts, kind="stable")
        first = 0
        while first < order.size:
            # Lists come by rising length: the last one of a chunk says how wide it is.
            sizes = counts[order[first:]]
            fits = np.flatnonzero(sizes * np.arange(1, sizes.size + 1) <= _CELLS)
            taken = int(fits[-1]) + 1 if fits.size else 1
            requests = order[first : first + taken]
            places = np.arange(int(sizes[taken - 1]))
            real = places < counts[requests][:, None]
            at = self.starts[requests][:, None] + np.where(real, places, 0)
            yield requests, self.rows[at], real
            first += taken


def _requests(request: NDArray[Any]) -> tuple[IntArray, IntArray, IntArray]:
    """Return codes of the requests in ascending order, and their first places and lengths."""
    if request.dtype.kind in "iu" and bool((request[1:] >= request[:-1]).all()):
        new = np.ones(request.size, dtype=bool)
        new[1:] = request[1:] != request[:-1]
        starts = np.flatnonzero(new)
        counts = np.diff(np.append(starts, request.size))
        return np.repeat(np.arange(starts.size), counts), starts, counts
    _, codes, counts = np.unique(request, return_inverse=True, return_counts=True)
    return codes, np.cumsum(counts) - counts, counts


def _by_counting(lists: CandidateLists, codes: IntArray, counts: IntArray) -> IntArray | None:
    """Put each row at its base rank, where the ranks say the order of the scores; else None."""
    rank = lists.base_rank
    if not rank.size:
        return np.empty(0, dtype=np.int64)
    if rank.min() < 1 or rank.max() * counts.size > _SPARSE * rank.size + 1:
        return None
    whole = rank.astype(np.int64)
    if (whole != rank).any():
        return None
    longest = int(whole.max())
    place = np.full(counts.size * longest, -1, dtype=np.int64)
    place[codes * longest + whole - 1] = np.arange(rank.size)
    rows = place if rank.size == place.size and place.min() >= 0 else place[place >= 0]
    if rows.size != rank.size:
        return None  # two rows of one rank
    score = lists.base_score[rows]
    falling = score[1:] <= score[:-1]
    falling[np.cumsum(counts)[:-1] - 1] = True  # from one request to the next
    return rows if falling.all() else None


def group_codes(values: Array) -> NDArray[np.int32]:
    """Give the groups of a column numbers from 0.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Codes or numbers; NaN for a row without a group.

    Returns
    -------
    ndarray of int32, shape (n,)
        Equal where the values are; -1 without a group.
    """
    missing = np.isnan(values)
    some = values[~missing]
    codes = np.full(values.size, -1, dtype=np.int32)
    if some.size and some.min() >= 0 and some.max() < 1 << 15 and not (some % 1).any():
        codes[~missing] = some  # codes of a category already are such numbers
    else:
        codes[~missing] = np.unique(some, return_inverse=True)[1]
    return codes


def level_code(column: SideColumn, level: str | int, *, name: str) -> int:
    """Return the code of a level.

    Parameters
    ----------
    column : SideColumn
        A category.
    level : str or int
        The level.
    name : str
        What the column is called.

    Returns
    -------
    int
        Its place among the levels.

    Raises
    ------
    ConfigError
        If the column has no such level.
    """
    levels = column.levels or ()
    if level not in levels:
        raise ConfigError(
            expected=f"a level of '{name}'",
            came=f"{level!r}; it has {', '.join(map(repr, levels[:10])) or 'no levels'}",
            do="Name one of its levels.",
        )
    return list(levels).index(level)


def check_finite(score: Array) -> None:
    """Refuse scores that cannot be mixed or compared.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Scores.

    Raises
    ------
    RowError
        If one is not finite.
    """
    if not np.isfinite(score).all():
        raise RowError(
            expected="finite scores to arrange lists by",
            came=f"{int((~np.isfinite(score)).sum())} of {score.size} that are not",
            do="Repair the rows whose uplift or base score is not finite.",
        )
