"""Maximum mean discrepancy of two samples of scores, with the kernel ``exp(-(x - y)^2)``.

The kernel is the mean of ``cos(w (x - y))`` over ``w`` from N(0, 2) (Bochner), an integral that a
few nodes give almost exactly: the discrepancy is then the distance between two means of a dozen
features, instead of a sum over all pairs. Scores that lie further apart need more of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from causal_ranker.errors import ConfigError, EmptyError

__all__ = ["exact_mmd", "fourier_mmd", "fourier_nodes"]

_NEAR = 2.0
_FEATURES = 12  # that do as far as that
_ZERO_FROM = 3.5  # where the kernel is below 1e-5
_LAST = 6.5  # frequencies beyond are rarer than that


def fourier_nodes(*, reach: float = 2.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies and amplitudes of the features ``a cos(w x)`` and ``a sin(w x)``.

    Parameters
    ----------
    reach : float
        How far apart two values may be. Up to 2, twelve Gauss-Hermite nodes in pairs around 0 are
        precise to 1e-5. Beyond, nodes lie evenly (the midpoint rule), so closely that the kernel
        that they give repeats itself where the true one has long been 0: as precise.

    Returns
    -------
    numpy.ndarray
        Frequencies w, shape (features / 2,).
    numpy.ndarray
        Amplitudes a, shape (features / 2,); their squares sum to 1.

    Raises
    ------
    ConfigError
        If the reach is negative or not finite.
    """
    if not 0 <= reach < np.inf:
        raise ConfigError(
            expected="a finite distance, 0 or more",
            came=str(reach),
            do="Leave out NaN and infinity.",
        )
    if reach <= _NEAR:
        nodes, weights = np.polynomial.hermite.hermgauss(_FEATURES)
        half = nodes > 0
        return 2 * nodes[half], np.sqrt(2 * weights[half] / np.sqrt(np.pi))
    step = 2 * np.pi / (reach + _ZERO_FROM)
    count = int(np.ceil(_LAST / step))
    frequencies = (np.arange(count, dtype=np.float64) + 0.5) * step
    amplitudes: NDArray[np.float64] = np.sqrt(step / np.sqrt(np.pi)) * np.exp(-(frequencies**2) / 8)
    return frequencies, amplitudes


def fourier_mmd(x: ArrayLike, y: ArrayLike) -> float:
    """Return the squared discrepancy by Fourier features.

    Parameters
    ----------
    x, y : array_like
        Two samples, shapes (n,) and (m,).

    Returns
    -------
    float
        The V-statistic, 0 or more.

    Raises
    ------
    EmptyError
        If a sample is empty.
    ConfigError
        If a value is NaN or infinite.
    """
    samples = _samples(x, y)
    reach = float(np.ptp(np.concatenate(samples)))
    frequencies, amplitudes = fourier_nodes(reach=reach)
    means = []
    for values in samples:
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
