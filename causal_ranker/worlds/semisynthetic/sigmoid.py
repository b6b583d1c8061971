"""The logistic function in single precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sigmoid"]


def sigmoid(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / (1 + exp(-logit)), without overflow at either end.

    Parameters
    ----------
    logit : ndarray of float32
        Log-odds.

    Returns
    -------
    ndarray of float32
        In [0, 1], of the same shape.
    """
    small = np.exp(-np.abs(logit))
    likely: NDArray[np.float32] = np.reciprocal(1 + small)
    return np.where(logit >= 0, likely, small * likely)
