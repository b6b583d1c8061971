"""What share of a list the causal layer changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.stats._arrays import Array, float_vector, positive_count, same_size

__all__ = ["share_changed"]


def share_changed(
    base_rank: ArrayLike, rank: ArrayLike, *, request: ArrayLike, slate: int
) -> Array:
    """Return the share of each list's items that the base order would not have shown.

    Parameters
    ----------
    base_rank, rank : array_like, shape (n,)
        Place of each candidate by base score and by the policy; 1 is the best.
    request : array_like, shape (n,)
        The request of each candidate.
    slate : int
        Length of a list; of a shorter one, what there is of it.

    Returns
    -------
    ndarray of float64, shape (n_requests,)
        In [0, 1], in the order of the sorted requests; NaN where the policy shows none of the
        candidates.

    Raises
    ------
    ConfigError
        If `slate` is below 1.
    EmptyError, RowError, SchemaError
        If there is no row, or a rank is no number.
    """
    most = positive_count(slate, name="slate")
    base, now = float_vector(base_rank, name="base_rank"), float_vector(rank, name="rank")
    same_size(base.size, rank=now, request=np.asarray(request))
    requests, code = np.unique(np.asarray(request), return_inverse=True)
    shown: NDArray[np.bool_] = now <= most
    length = np.bincount(code, weights=shown, minlength=requests.size)
    # the base list is as long as the list itself
    changed = shown & (base > length[code])
    count = np.bincount(code, weights=changed, minlength=requests.size)
    share: Array = np.divide(count, length, out=np.full(requests.size, np.nan), where=length > 0)
    return share
