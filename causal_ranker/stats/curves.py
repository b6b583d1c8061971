"""How well a score finds uplift: TOC, Qini, uplift@k and calibration.

With rows ranked by score, best first, and ``gamma`` the doubly robust scores,
``G(q) = (1/n) sum_{rank <= qn} gamma``; then ``TOC(q) = G(q)/q - G(1)``,
``AUTOC = int_0^1 TOC(q) dq`` (Yadlowsky et al., 2021) and ``QINI = int_0^1 (G(q) - q G(1)) dq``.
With weights, n and q are shares of weight. Nothing is divided by the average effect, which may
be 0. Tied rows are averaged, so that a constant score has both areas 0, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.stats._arrays import (
    Array,
    float_vector,
    positive_count,
    same_size,
)
from causal_ranker.stats._codes import (
    rank_vector,
    reject_empty_slots,
    reject_repeated_ranks,
    request_codes,
)
from causal_ranker.stats._ranked import RankedRows, areas, rank_rows
from causal_ranker.stats.calibration import Calibration, calibration

__all__ = [
    "Calibration",
    "RankCurve",
    "TocCurve",
    "autoc",
    "calibration",
    "qini",
    "rank_curve",
    "toc",
    "uplift_at_k",
]


@dataclass(frozen=True)
class RankCurve:
    """The gain curve G, linear between its points.

    Parameters
    ----------
    q : ndarray of float64, shape (b + 1,)
        Share of rows from the top, from 0 to 1, at the ends of the tie blocks.
    gain : ndarray of float64, shape (b + 1,)
        G(q), plays per row of the whole table; ``gain[-1]`` is the average effect.
    """

    q: Array
    gain: Array


@dataclass(frozen=True)
class TocCurve:
    """The targeting operator characteristic.

    Parameters
    ----------
    q : ndarray of float64, shape (b,)
        Share of rows from the top, in (0, 1], at the ends of the tie blocks.
    toc : ndarray of float64, shape (b,)
        Mean effect of the top share minus the average effect, in plays per row.
    """

    q: Array
    toc: Array


def _blocks(ranked: RankedRows) -> tuple[Array, Array]:
    return ranked.block_sums(ranked.weights), ranked.block_sums(ranked.weights * ranked.gamma)


def rank_curve(
    score: ArrayLike, gamma: ArrayLike, *, weights: ArrayLike | None = None
) -> RankCurve:
    """Return G, the cumulative gain of treating the top share q by score.

    Parameters
    ----------
    score : array_like, shape (n,)
        What to rank by, higher is better; infinite values may rank, NaN may not.
    gamma : array_like, shape (n,)
        Doubly robust scores, in plays per exposure.
    weights : array_like, shape (n,), optional
        Analysis weights of 0 or more.

    Returns
    -------
    RankCurve
        One point per tie block, and the origin.

    Raises
    ------
    RowError
        If a value is NaN, or a gamma or weight is not finite.
    """
    weight, total = _blocks(rank_rows(score, gamma, weights=weights))
    cumulative = np.cumsum(weight)
    return RankCurve(
        q=np.concatenate(([0.0], cumulative / cumulative[-1])),
        gain=np.concatenate(([0.0], np.cumsum(total) / cumulative[-1])),
    )


def toc(score: ArrayLike, gamma: ArrayLike, *, weights: ArrayLike | None = None) -> TocCurve:
    """Return ``TOC(q) = G(q)/q - G(1)`` at the ends of the tie blocks.

    Parameters
    ----------
    score, gamma, weights
        As in `rank_curve`.

    Returns
    -------
    TocCurve
        The curve; its last value is 0.
    """
    curve = rank_curve(score, gamma, weights=weights)
    q, gain = curve.q[1:], curve.gain[1:]
    return TocCurve(q=q, toc=gain / q - gain[-1])


def autoc(score: ArrayLike, gamma: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the area under the TOC, ``int_0^1 (G(q)/q - G(1)) dq``.

    Parameters
    ----------
    score, gamma, weights
        As in `rank_curve`.

    Returns
    -------
    float
        AUTOC, in plays per exposure; exactly 0 for a constant score. It weighs the top of the
        ranking most, and suits effects that few rows have.
    """
    return float(areas(*_blocks(rank_rows(score, gamma, weights=weights)))[0])


def qini(score: ArrayLike, gamma: ArrayLike, *, weights: ArrayLike | None = None) -> float:
    """Return the Qini coefficient ``int_0^1 (G(q) - q G(1)) dq``.

    Parameters
    ----------
    score, gamma, weights
        As in `rank_curve`.

    Returns
    -------
    float
        QINI, in plays per row; exactly 0 for a constant score. Never divided by the average
        effect.
    """
    return float(areas(*_blocks(rank_rows(score, gamma, weights=weights)))[1])


def uplift_at_k(rank: ArrayLike, gamma: ArrayLike, request: ArrayLike, *, k: int) -> Array:
    """Return each request's ``(1/k) sum_{rank <= k} gamma``.

    Its mean over requests is uplift@k: extra plays per slot, all else at its natural course.

    Parameters
    ----------
    rank : array_like, shape (n,)
        Rank within the request, from 1, no rank used twice among the first k.
    gamma : array_like, shape (n,)
        Doubly robust scores, in plays per exposure.
    request : array_like of int, shape (n,)
        Codes 0 .. R-1, each with a row.
    k : int
        Slots; a slot that a short request leaves empty adds 0.

    Returns
    -------
    ndarray of float64, shape (R,)
        Extra plays per slot.

    Raises
    ------
    ConfigError
        If k is not a whole number of at least 1, or is above every rank.
    RowError
        If a rank is below 1 or used twice, or a request code has no row.
    """
    slots = positive_count(k, name="k")
    ranks, values = rank_vector(rank), float_vector(gamma, name="gamma")
    codes, count = request_codes(request)
    same_size(ranks.size, gamma=values, request=codes)
    reject_repeated_ranks(ranks, codes, slots=slots)
    reject_empty_slots(slots, longest=int(ranks.max()))
    top = ranks <= slots
    return np.bincount(codes[top], weights=values[top], minlength=count) / slots
