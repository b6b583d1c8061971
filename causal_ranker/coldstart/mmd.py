"""Maximum mean discrepancy of two samples of scores, with the kernel ``exp(-(x - y)^2)``.

The kernel is the mean of ``cos(w (x - y))`` over ``w`` from N(0, 2) (Bochner), an integral that
Gauss-Hermite nodes give almost exactly where scores lie within two units: the discrepancy is
then the distance between two means of a dozen features, instead of a sum over all pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, EmptyError

__all__ = ["exact_mmd", "fourier_mmd", "fourier_nodes"]


def fourier_nodes(features: int = 12) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies and amplitudes of the features ``a cos(w x)`` and ``a sin(w x)``.

    Parameters
    ----------
    features : int
        How many, an even number; half are cosines. As many nodes lie, in pairs, around 0.

    Returns
    -------
    numpy.ndarray
        Frequencies w, shape (features / 2,).
    numpy.ndarray
        Amplitudes a, shape (features / 2,); their squares sum to 1.

    Raises
    ------
    ConfigError
        If the number is odd or below 2.
    """
    if features < 2 or features % 2:
        raise ConfigError(
            expected="an even number of features, at least 2", came=str(features), do="Use 12."
        )
    nodes, weights = np.polynomial.hermite.hermgauss(features)
    half = nodes > 0
    return 2 * nodes[half], np.sqrt(2 * weights[half] / np.sqrt(np.pi))


def fourier_mmd(x: ArrayLike, y: ArrayLike, *, features: int = 12) -> float:
    """Return the squared discrepancy by Fourier features.

    Parameters
    ----------
    x, y : array_like
        Two samples, shapes (n,) and (m,). Twelve features are precise to 1e-5 where all values lie
        within two units, and mean nothing beyond three.
    features : int
        How many features; more reach further.

    Returns
    -------
    float
        The V-statistic, 0 or more.

    Raises
    ------
    EmptyError
        If a sample is empty.
    """
    frequencies, amplitudes = fourier_nodes(features)
    means = []
    for values in _samples(x, y):
        angles = np.outer(values, frequencies)
        parts = np.hstack([np.cos(angles) * amplitudes, np.sin(angles) * amplitudes])
        means.append(parts.mean(axis=0))
    return float(np.square(means[0] - means[1]).sum())


def exact_mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Return the squared discrepancy by all pairs.

    Parameters
    ----------
    x, y : array_like
        Two samples, shapes (n,) and (m,).

    Returns
    -------
    float
        The V-statistic ``mean k(x, x') - 2 mean k(x, y) + mean k(y, y')``, 0 or more.

    Raises
    ------
    EmptyError
        If a sample is empty.
    """
    one, two = _samples(x, y)

    def kernel(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
        return float(np.exp(-np.square(np.subtract.outer(left, right))).mean())

    return kernel(one, one) - 2 * kernel(one, two) + kernel(two, two)


def _samples(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, two = (np.asarray(values, dtype=np.float64).ravel() for values in (x, y))
    if not (one.size and two.size):
        raise EmptyError(
            expected="two samples with at least one value",
            came=f"{one.size} and {two.size} values",
            do="Leave out items without audience.",
        )
    return one, two
