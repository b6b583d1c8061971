"""How much less a position is examined than another: the position-based model.

``P(play from the slot | shown at k) = theta_k * P(play | examined)``: theta depends on the
position alone, the other factor on item and context alone (Craswell et al., 2008, WSDM; Chuklin et
al., 2015, "Click Models for Web Search"). Only the ratios ``theta_k / theta_reference`` are
identified by plays.

A play here is one **started from the slot itself**. Plays on any surface, the outcome Y of uplift,
will not do: a member who finds the title elsewhere plays it whatever the slot, and such plays pull
every ratio towards 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, EmptyError, OverlapError
from causal_ranker.stats._arrays import (
    Array,
    IntArray,
    binary_vector,
    positive_count,
    reject_rows,
    same_size,
    share,
)
from causal_ranker.stats._codes import Clusters, cluster_codes, clusterings, rank_vector
from causal_ranker.stats._interval import combined_variance, t_quantile
from causal_ranker.stats._swaps import (
    count_cells,
    fit_log_ratios,
    linked,
    score_products,
    sparse,
    swapped,
)

__all__ = ["Examination", "randomised_examination", "swap_examination"]


@dataclass(frozen=True)
class Examination:
    """Examination of each position relative to the reference, arrays of shape (positions,).

    Parameters
    ----------
    position : ndarray of int64
        Positions in ascending order.
    theta : ndarray of float64
        ``theta_k / theta_reference``; 1 at the reference.
    low, high : ndarray of float64
        Intervals of each ratio, symmetric on the scale of logarithms; 1 at the reference.
    standard_error : ndarray of float64
        Of each ratio; 0 at the reference.
    shown, plays : ndarray of int64
        Rows that the estimate rests on, and those with a play.
    reference : int
        The position that the others are compared with.
    """

    position: IntArray
    theta: Array
    low: Array
    high: Array
    standard_error: Array
    shown: IntArray
    plays: IntArray
    reference: int

    def at(self, position: ArrayLike) -> Array:
        """Look positions up.

        Parameters
        ----------
        position : array_like of int, shape (n,)
            Positions from 1.

        Returns
        -------
        ndarray of float64, shape (n,)
            Their theta.

        Raises
        ------
        OverlapError
            If a position has no estimate; nothing is extrapolated.
        RowError
            If a position is below 1 or not whole.
        """
        wanted = rank_vector(position, name="position")
        place = np.minimum(np.searchsorted(self.position, wanted), self.position.size - 1)
        reject_rows(
            self.position[place] != wanted,
            wanted,
            name="position",
            expected=f"positions with an estimate of examination, {self.position.tolist()}",
            do="Estimate examination from logs that show these positions, or leave the rows out.",
            error=OverlapError,
        )
        return self.theta[place]


@dataclass(frozen=True)
class _Shown:
    """Checked rows of the impressions of some positions."""

    played: NDArray[np.bool_]
    place: IntArray
    position: IntArray  # shape (places,)
    start: int  # code of the reference

    @classmethod
    def of(cls, played: ArrayLike, position: ArrayLike, *, reference: int) -> _Shown:
        y, k = binary_vector(played, name="played"), rank_vector(position, name="position")
        same_size(y.size, position=k)
        positions, place = np.unique(k, return_inverse=True)
        if positions.size < 2:
            raise EmptyError(
                expected="rows at two positions or more",
                came=f"{y.size} rows, all at position {positions[0]}",
                do="Examination is relative; pass impressions of every position.",
            )
        if positive_count(reference, name="reference") not in positions:
            raise ConfigError(
                expected=f"a reference among the positions shown, {positions.tolist()}",
                came=f"reference = {reference}",
                do="Choose a position that was shown.",
            )
        return cls(y, place, positions, int(np.searchsorted(positions, reference)))

    def take(self, rows: IntArray) -> _Shown:
        return _Shown(self.played[rows], self.place[rows], self.position, self.start)

    def counts(self) -> tuple[IntArray, IntArray]:
        size = self.position.size
        return (
            np.bincount(self.place, minlength=size),
            np.bincount(self.place[self.played], minlength=size),
        )

    def result(
        self, log_ratio: Array, *, variance: Array, ways: list[Clusters], level: float
    ) -> Examination:
        error = np.sqrt(variance)
        reach = t_quantile(ways, level=share(level, name="level")) * error
        theta = np.exp(log_ratio)
        shown, plays = self.counts()
        return Examination(
            position=self.position,
            theta=theta,
            low=theta * np.exp(-reach),
            high=theta * np.exp(reach),
            standard_error=theta * error,
            shown=shown,
            plays=plays,
            reference=int(self.position[self.start]),
        )


def randomised_examination(
    played: ArrayLike,
    position: ArrayLike,
    *,
    cluster: ArrayLike,
    reference: int = 1,
    level: float = 0.95,
) -> Examination:
    """Estimate examination where chance alone decided the positions.

    With positions drawn uniformly, every position gets the same items on average, and
    ``theta_k / theta_reference`` is the ratio of their play rates (Joachims, Swaminathan and
    Schnabel, 2017, WSDM, section 5; Wang et al., 2018, WSDM). Variances are those of the logarithm
    by the delta method: row i at k adds ``(y_i - rate_k) / (n_k rate_k)``.

    Parameters
    ----------
    played : array_like of 0 and 1, shape (n,)
        A play was started from the slot.
    position : array_like of int, shape (n,)
        Where the item was shown, from 1; drawn at random, alike for all rows.
    cluster : array_like of int or str, shape (n,)
        Rows that move together, for example those of one user.
    reference : int
        Position to compare with.
    level : float
        Probability that an interval holds the truth, for each position by itself.

    Returns
    -------
    Examination
        Of every position in the rows.

    Raises
    ------
    RowError
        If a position is below 1 or not whole, a play is not 0 or 1, or there is one cluster.
    EmptyError
        If only one position was shown, or a position was never played.
    ConfigError
        If the reference was never shown.
    """
    rows = _Shown.of(played, position, reference=reference)
    ways = clusterings(cluster, None, size=rows.place.size, rows=np.arange(rows.place.size))
    shown, plays = rows.counts()
    _refuse_unplayed(rows.position[plays == 0])
    rate = plays / shown
    part = (rows.played - rate[rows.place]) / plays[rows.place]
    sums = sparse(part, ways[0].codes, rows.place, shape=(ways[0].count, rate.size))
    products = (sums.T @ sums).toarray() * ways[0].count / (ways[0].count - 1)
    own, start = products.diagonal(), rows.start
    # the variance of a difference; at the reference exactly 0
    variance = np.maximum(own + own[start] - 2 * products[start], 0)
    return rows.result(
        np.log(rate / rate[start]),
        variance=np.where(np.arange(rate.size) == start, 0, variance),
        ways=ways,
        level=level,
    )


def swap_examination(
    played: ArrayLike,
    position: ArrayLike,
    *,
    pair: ArrayLike,
    cluster: ArrayLike,
    reference: int = 1,
    level: float = 0.95,
) -> Examination:
    """Estimate examination from items that were shown at several positions in one context.

    Swaps may be made on purpose (Joachims, Swaminathan and Schnabel, 2017) or harvested from
    rankers that disagreed (Agarwal et al., 2019, WSDM, "Estimating position bias without intrusive
    interventions"). All pairs of positions enter at once, as in the AllPairs estimator of the
    latter, which has one relevance for each two positions and weighs the plays of a pair by 1 / how
    often it was shown there. Here each (item, context) has a relevance of its own, conditioned
    away: the fixed-effects Poisson likelihood (Hausman, Hall and Griliches, 1984, Econometrica),
    which needs no more than the mean to be right (Wooldridge, 1999, Journal of Econometrics), and
    in which a pair that was shown once at a position does not count as much as one shown a
    thousand times. For two positions that each pair was shown at equally often, it is the ratio of
    their plays.

    Variances are clustered by user and by pair.

    Parameters
    ----------
    played : array_like of 0 and 1, shape (n,)
        A play was started from the slot.
    position : array_like of int, shape (n,)
        Where the item was shown, from 1.
    pair : array_like of int or str, shape (n,)
        The (item, context) of the row, as one label. Within it, what decided the position (the
        ranker, the draw) must not know more about the play.
    cluster : array_like of int or str, shape (n,)
        Rows that move together, for example those of one user.
    reference : int
        Position to compare with.
    level : float
        Probability that an interval holds the truth, for each position by itself.

    Returns
    -------
    Examination
        Of every position in the rows. Its counts are those of pairs seen at two positions or
        more; the others say nothing.

    Raises
    ------
    OverlapError
        If no chain of swaps links a position to the reference; it names those positions.
    EmptyError
        If only one position was shown, or plays on the way to a position are missing in one of
        the two directions; it names those positions.
    RowError
        If a position is below 1 or not whole, a play is not 0 or 1, or there is one cluster, or
        only one pair.
    ConfigError
        If the reference was never shown.
    """
    rows = _Shown.of(played, position, reference=reference)
    size, places = rows.place.size, rows.position.size
    pairs = cluster_codes(pair, name="pair", size=size, rows=np.arange(size))
    kept = swapped(pairs.codes, rows.place, places=places)
    if kept.size == 0:
        _refuse_unlinked(rows, np.arange(places) == rows.start)
    cluster_codes(pairs.codes, name="pair", size=size, rows=kept)  # of one there is no variance
    ways = clusterings(cluster, pairs.codes, size=size, rows=kept)
    rows = rows.take(kept)
    cells = count_cells(rows.played, ways[1], rows.place, places=places)
    _refuse_unlinked(rows, linked(cells, start=rows.start, by_plays=False))
    _refuse_unplayed(rows.position[rows.counts()[1] == 0])
    _refuse_unplayed(rows.position[~linked(cells, start=rows.start, by_plays=True)])
    log_ratio, bread = fit_log_ratios(cells, reference=rows.start)

    def variance(way: Clusters) -> Array:
        products = score_products(
            cells,
            log_ratio,
            played=rows.played,
            pair=ways[1].codes,
            place=rows.place,
            way=way,
        )
        # a variance of 0 may come out a rounding below
        return np.asarray(np.maximum(np.einsum("jk,kl,lj->j", bread, products, bread), 0))

    variances = combined_variance([variance(way) for way in ways])
    return rows.result(log_ratio, variance=variances, ways=ways, level=level)


def _refuse_unlinked(rows: _Shown, found: NDArray[np.bool_]) -> None:
    if found.all():
        return
    raise OverlapError(
        expected="for every position, a chain of items shown there and elsewhere in one context "
        f"that leads to position {rows.position[rows.start]}",
        came=f"none for positions {rows.position[~found].tolist()}",
        do="Leave these positions out, or swap them with others now and then.",
    )


def _refuse_unplayed(positions: IntArray) -> None:
    if positions.size == 0:
        return
    raise EmptyError(
        expected="plays at every position, so that each ratio is above 0 and finite",
        came=f"too few to tell positions {positions.tolist()} from the others",
        do="Collect more impressions, or leave these positions out.",
    )
