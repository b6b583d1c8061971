"""Swap pairs: one item in one context, shown at several positions.

Plays of pair g shown at position k have the mean ``r_g theta_k``. Given how often each pair was
played in all, its plays fall on the positions in the shares ``pi_gk = n_gk theta_k / sum_l n_gl
theta_l`` (n_gk: how often it was shown there), whatever ``r_g``. That conditional likelihood is
concave in ``log theta``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import OverlapError
from causal_ranker.stats._arrays import Array, IntArray
from causal_ranker.stats._codes import Clusters

__all__ = [
    "SwapCells",
    "count_cells",
    "fit_log_ratios",
    "linked",
    "score_products",
    "sparse",
    "swapped",
]

_STEPS, _CLOSE = 100, 1e-10


@dataclass(frozen=True)
class SwapCells:
    """How often each pair was shown and played at each position, pair by pair.

    Parameters
    ----------
    pair, place : ndarray of int64, shape (cells,)
        Codes of pair and position; each combination that was shown, once.
    shown, plays : ndarray of float64, shape (cells,)
        Number of rows, and of rows with a play.
    pairs, places : int
        Number of pairs and of positions.
    """

    pair: IntArray
    place: IntArray
    shown: Array
    plays: Array
    pairs: int
    places: int

    def sparse(self, values: Array) -> Any:
        """Lay values of the cells out as a matrix.

        Parameters
        ----------
        values : ndarray, shape (cells,)
            One value a cell.

        Returns
        -------
        scipy.sparse.csr_array
            Shape (pairs, places).
        """
        return sparse(values, self.pair, self.place, shape=(self.pairs, self.places))

    def shares(self, log_theta: Array) -> tuple[Array, Array]:
        """Return where the plays of each pair fall, and what each pair's positions sum to.

        Parameters
        ----------
        log_theta : ndarray, shape (places,)
            Logarithms of examination.

        Returns
        -------
        shares : ndarray, shape (cells,)
            ``pi_gk``.
        total : ndarray, shape (pairs,)
            ``sum_l n_gl theta_l``.
        """
        expected = self.shown * np.exp(log_theta)[self.place]
        total = _sums(expected, self.pair, size=self.pairs)
        return expected / total[self.pair], total


def swapped(pair: IntArray, place: IntArray, *, places: int) -> IntArray:
    """Return the rows of pairs that were shown at two positions or more.

    Parameters
    ----------
    pair, place : ndarray of int64, shape (n,)
        Codes of pair and position.
    places : int
        Number of positions.

    Returns
    -------
    ndarray of int64
        Positions in the arrays.
    """
    cells = np.unique(pair * places + place)
    several = np.bincount(cells // places, minlength=int(pair.max()) + 1) > 1
    return np.flatnonzero(several[pair])


def count_cells(
    played: NDArray[np.bool_], pair: Clusters, place: IntArray, *, places: int
) -> SwapCells:
    """Count rows and plays by pair and position.

    Parameters
    ----------
    played : ndarray of bool, shape (n,)
        The row was played.
    pair : Clusters
        Pairs of the rows.
    place : ndarray of int64, shape (n,)
        Codes of their positions.
    places : int
        Number of positions.

    Returns
    -------
    SwapCells
        Sorted by pair, then position.
    """
    key, code, shown = np.unique(
        pair.codes * places + place, return_inverse=True, return_counts=True
    )
    return SwapCells(
        pair=key // places,
        place=key % places,
        shown=shown.astype(np.float64),
        plays=_sums(played, code, size=key.size),
        pairs=pair.count,
        places=places,
    )


def linked(cells: SwapCells, *, start: int, by_plays: bool) -> NDArray[np.bool_]:
    """Return which positions are tied to one of them through pairs.

    Parameters
    ----------
    cells : SwapCells
        The counts.
    start : int
        Code of the position to start from.
    by_plays : bool
        Ask for plays in both directions: for each way to part the positions in two, some pair
        shown in both parts was played in the one, and some in the other. That is when the
        likelihood has a finite maximum, and one only (Ford, 1957, for paired comparisons).

    Returns
    -------
    ndarray of bool, shape (places,)
        True where tied.
    """
    there = cells.sparse(np.ones(cells.shown.size))
    from_there = cells.sparse((cells.plays > 0).astype(np.float64)) if by_plays else there
    edges = (from_there.T @ there).toarray() > 0
    return _reached(edges, start) & _reached(edges.T, start)


def _reached(edges: NDArray[np.bool_], start: int) -> NDArray[np.bool_]:
    found = np.zeros(len(edges), dtype=np.bool_)
    found[start] = True
    while (wider := found | edges[found].any(axis=0)).sum() > found.sum():
        found = wider
    return found


def fit_log_ratios(cells: SwapCells, *, reference: int) -> tuple[Array, Array]:
    """Maximise the conditional likelihood by Newton's method.

    Parameters
    ----------
    cells : SwapCells
        Counts whose positions are all linked by plays.
    reference : int
        Code of the position whose logarithm is 0.

    Returns
    -------
    log_ratio : ndarray, shape (places,)
        ``log(theta_k / theta_reference)``.
    bread : ndarray, shape (places, places)
        Inverse of the negative Hessian; 0 in the row and column of the reference.

    Raises
    ------
    OverlapError
        If Newton's method does not settle.
    """
    free = np.flatnonzero(np.arange(cells.places) != reference)
    plays = _sums(cells.plays, cells.pair, size=cells.pairs)
    log_ratio = np.zeros(cells.places)
    bread = np.zeros((cells.places, cells.places))
    for _ in range(_STEPS):
        shares, _ = cells.shares(log_ratio)
        inverse = np.linalg.inv(_information(cells, shares, plays)[free][:, free])
        surplus = cells.plays - plays[cells.pair] * shares
        score = _sums(surplus, cells.place, size=cells.places)
        step = np.zeros(cells.places)
        step[free] = inverse @ score[free]
        width = np.ptp(step)
        if width < _CLOSE:
            break
        # A full step may pass the maximum by far, to where the likelihood is flat. On the way its
        # curvature grows by e^(width t) at most (a third moment is at most the width times the
        # second), so that this much of the step is uphill all the way (Bach, 2010, EJS).
        log_ratio = log_ratio + step * np.log1p(width) / width
    else:
        raise OverlapError(
            expected=f"swaps that tell examination within {_STEPS} steps of Newton's method",
            came=f"steps that still moved log theta by {width:.3g}",
            do="Leave out positions that hardly any pair links to the others.",
        )
    bread[np.ix_(free, free)] = inverse
    return log_ratio, bread


def _sums(values: NDArray[Any], code: IntArray, *, size: int) -> Array:
    return np.asarray(np.bincount(code, weights=values, minlength=size), dtype=np.float64)


def _information(cells: SwapCells, shares: Array, plays: Array) -> Array:
    weighted = plays[cells.pair] * shares
    crossed = (cells.sparse(shares).T @ cells.sparse(weighted)).toarray()
    diagonal = _sums(weighted, cells.place, size=cells.places)
    return np.asarray(np.diag(diagonal) - crossed)


def score_products(
    cells: SwapCells,
    log_ratio: Array,
    *,
    played: NDArray[np.bool_],
    pair: IntArray,
    place: IntArray,
    way: Clusters,
) -> Array:
    """Return the sum over clusters of the outer product of their scores.

    Row i of pair g at position k adds ``(y_i - r_g theta_k) (e_k - pi_g)``, with ``r_g`` fitted.
    In pairs of few rows the fit follows the rows, so clusters that cut through pairs need the
    pairs themselves as a second clustering: the scores of a whole pair do not depend on ``r_g``.

    Parameters
    ----------
    cells : SwapCells
        The counts.
    log_ratio : ndarray, shape (places,)
        The fit.
    played : ndarray of bool, shape (n,)
        The row was played.
    pair, place : ndarray of int64, shape (n,)
        Codes of pair and position.
    way : Clusters
        Clusters of the rows.

    Returns
    -------
    ndarray, shape (places, places)
        Times ``C / (C - 1)``.
    """
    shares, total = cells.shares(log_ratio)
    plays = _sums(cells.plays, cells.pair, size=cells.pairs)
    residual = played - (plays / total)[pair] * np.exp(log_ratio)[place]
    by_place = sparse(residual, way.codes, place, shape=(way.count, cells.places))
    by_pair = sparse(residual, way.codes, pair, shape=(way.count, cells.pairs))
    scores = by_place - by_pair @ cells.sparse(shares)
    return np.asarray((scores.T @ scores).toarray() * way.count / (way.count - 1))


def sparse(values: Array, row: IntArray, column: IntArray, *, shape: tuple[int, int]) -> Any:
    """Return the sums of the values by row and column.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Numbers.
    row, column : ndarray of int64, shape (n,)
        Where they belong.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    scipy.sparse.csr_array
        Of that shape.
    """
    from scipy.sparse import csr_array

    return csr_array((values, (row, column)), shape=shape)
