"""How far a candidate was from the end of its slate: what decides where nobody explores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import Array, binary_vector, float_vector, same_size

__all__ = ["slate_margins"]


def slate_margins(score: ArrayLike, shown: ArrayLike, *, request: ArrayLike) -> Array:
    """Return each candidate's score less the score at which its request's slate ends.

    A slate ends midway between the last score that is shown and the first that is not.

    Parameters
    ----------
    score : array_like, shape (n,)
        What the slate was filled by, highest first.
    shown : array_like of 0 and 1, shape (n,)
        Whether the candidate was in the slate.
    request : array_like of int or str, shape (n,)
        The request of each row.

    Returns
    -------
    ndarray of float64, shape (n,)
        Above 0 exactly where the candidate was shown, in the unit of the score.

    Raises
    ------
    RowError
        If a request shows all of its candidates or none, or one with a score that is not above
        those of all that it does not show: something else than the score decided.
    """
    scores, placed = float_vector(score, name="score"), binary_vector(shown, name="shown")
    labels = np.asarray(request)
    same_size(scores.size, shown=placed, request=labels)
    codes = np.unique(labels, return_inverse=True)[1]
    last = np.full(int(codes.max()) + 1, np.inf)
    first = -last
    np.minimum.at(last, codes[placed], scores[placed])
    np.maximum.at(first, codes[~placed], scores[~placed])
    whole = np.isinf(last) | np.isinf(first)
    crossed = ~whole & (last <= first)
    if whole.any() or crossed.any():
        raise RowError(
            expected="slates of the candidates with the highest scores, and of no others",
            came=f"{int(whole.sum())} requests that show all candidates or none, and "
            f"{int(crossed.sum())} that show one below another that they do not",
            do="Leave out requests that show everything. Where exploration or rules move items, "
            "use logged propensities instead.",
        )
    return np.asarray(scores - ((last + first) / 2)[codes])
