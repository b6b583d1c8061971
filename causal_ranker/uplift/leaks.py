"""Find features that are the treatment or the outcome under another name.

Such a column was not known before t0. A model that reads it predicts perfectly in training, and
in serving the column is not there.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["find_copies"]

#: Most values of a target whose codes are looked for; one with more is looked for up to a line.
_MOST_LEVELS: Final = 64
#: Rows looked at before a column is suspected, and then read as a whole.
_SAMPLED: Final = 4096
#: Rows in which a copy with gaps must be there, so that chance is no suspicion.
_FEWEST_KNOWN: Final = 32


def find_copies(features: NDArray[np.float32], target: NDArray[Any]) -> list[int]:
    """Return the columns that tell the target in every row where they are known.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features); NaN is missing. Of most columns a few thousand values are read.
    target : numpy.ndarray
        T or Y, finite, shape (n_rows,).

    Returns
    -------
    list of int
        Columns that are a one-to-one code of a target of few values (itself, its opposite, missing
        where it is 0), or ``a + b * target`` where it has many.
    """
    # Millions of amounts are not counted to see that they are many.
    levels = pd.unique(_evenly(target, _SAMPLED))
    if len(levels) <= _MOST_LEVELS:
        levels = pd.unique(target)
    if len(levels) < 2:
        return []
    # Where nearly every row has a value of its own, any two such columns are one-to-one.
    few = len(levels) <= min(_MOST_LEVELS, len(target) // 4)
    tells = _is_code if few else _is_line
    rows = _sample(target, levels if few else target[:0])
    some, answer = features[rows], target[rows]
    suspects = [place for place in range(features.shape[1]) if tells(some[:, place], answer)]
    return [
        place
        for place in suspects
        if tells(features[:, place], target, fewest=min(_FEWEST_KNOWN, len(target)))
    ]


def _sample(target: NDArray[Any], levels: NDArray[Any]) -> NDArray[np.int64]:
    """Return rows of all levels, however rare, or rows at even distances where none are given."""
    if not len(levels):
        return _evenly(np.arange(len(target)), _SAMPLED)
    share = _SAMPLED // len(levels)
    return np.concatenate([_evenly(np.flatnonzero(target == level), share) for level in levels])


def _evenly(values: NDArray[Any], count: int) -> NDArray[Any]:
    return values[:: max(1, -(-len(values) // count))]


def _is_code(column: NDArray[np.float32], target: NDArray[Any], *, fewest: int = 2) -> bool:
    if _one_to_one(column, target):
        return True
    known = ~np.isnan(column)
    if known.all() or known.sum() < fewest:
        return False
    return _one_to_one(column[known], target[known])


def _one_to_one(column: NDArray[np.float32], target: NDArray[Any]) -> bool:
    ours, values = pd.factorize(column, use_na_sentinel=False)
    theirs, levels = pd.factorize(target)
    if len(values) != len(levels) or len(levels) < 2:
        return False
    pairs = np.bincount(ours * len(levels) + theirs) > 0
    return int(pairs.sum()) == len(levels)


def _is_line(column: NDArray[np.float32], target: NDArray[Any], *, fewest: int = 3) -> bool:
    known = np.isfinite(column)
    if known.sum() < fewest:
        return False
    x, y = column[known].astype(np.float64), target[known].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    # The features are rounded to 32 bits: a copy correlates by one less than 1e-9 at most, unless
    # its mean is thousands of times its spread.
    return norm > 0 and abs(float(x @ y)) > (1 - 1e-8) * norm
