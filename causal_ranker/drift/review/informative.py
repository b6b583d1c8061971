"""From which rows a person's look would teach most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError

__all__ = ["REASONS", "Informative", "most_informative"]

#: Why a row is chosen, by criterion.
REASONS: Final = {
    "margin": "near a decision",
    "residual": "far from what was predicted",
    "times_seen": "of a category hardly seen before",
}


@dataclass(frozen=True, eq=False)
class Informative:
    """Rows to look at, those from which most is learned first.

    Parameters
    ----------
    rows : ndarray of int64, shape (k,)
        Their places.
    score : ndarray of float64, shape (k,)
        In (0, 1), decreasing.
    reason : list of str, length k
        One of `REASONS`.
    """

    rows: NDArray[np.int64]
    score: NDArray[np.float64]
    reason: list[str]


def most_informative(
    k: int,
    *,
    margin: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    times_seen: ArrayLike | None = None,
) -> Informative:
    """Choose rows by what is known of them, each criterion with an equal say.

    A criterion ranks the rows, and its score of a row is one less its rank's share of all rows,
    with ranks averaged inside ties: where all are alike it has nothing to say beyond 1/2. A row's
    score is the largest of its criteria's. So criteria need no common unit, and none drowns the
    others.

    Parameters
    ----------
    k : int
        Rows wanted; fewer come where there are fewer of which anything is known.
    margin : array_like, shape (n,), optional
        Distance from the decision on either side, e.g. predicted uplift less that of the last
        row on the list, or probability less 1/2. Small ones are worth a look.
    residual : array_like, shape (n,), optional
        Outcome less prediction, of labels that have matured. Large ones are worth a look.
    times_seen : array_like, shape (n,), optional
        How often the reference has the row's category. Small ones are worth a look.
        In all three NaN is for rows of which it is not known.

    Returns
    -------
    Informative
        Ties stand in the order of the rows.

    Raises
    ------
    ConfigError
        If `k` is below 1 or there is no criterion.
    EmptyError
        If nothing is known of any row.
    RowError
        If criteria have different lengths, or are not of numbers.
    """
    from scipy.stats import rankdata

    given = {"margin": margin, "residual": residual, "times_seen": times_seen}
    known = {name: _numbers(name, values) for name, values in given.items() if values is not None}
    if k < 1 or not known:
        raise ConfigError(
            expected="at least one row wanted, and at least one criterion",
            came=f"k={k} and {len(known)} criteria",
            do="Pass margin, residual or times_seen.",
        )
    lengths = {name: values.size for name, values in known.items()}
    if len(set(lengths.values())) > 1:
        raise RowError(
            expected="one value for each row in every criterion",
            came=", ".join(f"{name}: {n}" for name, n in lengths.items()),
            do="Pass arrays of the same rows in the same order.",
        )
    scores = []
    for name, values in known.items():
        there = ~np.isnan(values)
        size = np.abs(values[there])
        rank = rankdata(-size if name == "residual" else size, method="average")
        score = np.zeros(values.size)
        score[there] = 1 - (rank - 0.5) / max(rank.size, 1)
        scores.append(score)
    table = np.vstack(scores)
    best = table.max(axis=0, initial=0.0)
    rows = np.argsort(-best, kind="stable")[: min(k, int(np.count_nonzero(best)))]
    if not rows.size:
        raise EmptyError(
            expected="at least one row of which something is known",
            came=f"{best.size} rows, all NaN",
            do="Wait until labels have matured, or pass another criterion.",
        )
    names = list(known)
    reason = [REASONS[names[at]] for at in table[:, rows].argmax(axis=0)]
    return Informative(rows.astype(np.int64), best[rows], reason)


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise RowError(
            expected=f"{name} as numbers, one for each row",
            came=f"{array.dtype} of shape {array.shape}",
            do="Pass a one-dimensional array of numbers.",
        )
    return array.astype(np.float64)
