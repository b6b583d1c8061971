"""Small networks: built and trained in PyTorch, asked in NumPy.

A tower is dense, batch normalisation, tanh, linear. When it is read, the normalisation is folded
into the dense layer, so that two products and a tanh are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import require

__all__ = ["forward", "read_tower", "scaled", "seeded", "standardised", "tower"]


def tower(inputs: int, hidden: int, *, outputs: int) -> Any:
    """Build a tower.

    Parameters
    ----------
    inputs, hidden, outputs : int
        Widths.

    Returns
    -------
    torch.nn.Sequential
        Dense, batch normalisation, tanh, linear; in training mode.
    """
    nn = require("torch", extra="coldstart").nn
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.Tanh(), nn.Linear(hidden, outputs)
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw first weights by a seed, and leave PyTorch's own generator as it was.

    Parameters
    ----------
    seed : int
        Decides the draws.

    Yields
    ------
    None
        Control, inside which networks are built.
    """
    torch = require("torch", extra="coldstart")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def read_tower(
    net: Any, *, name: str, inputs: float = 1.0, outputs: float = 1.0
) -> dict[str, NDArray[np.float32]]:
    """Read a trained tower, as it is in evaluation.

    Parameters
    ----------
    net : torch.nn.Sequential
        What `tower` built.
    name : str
        Begins the arrays' names.
    inputs, outputs : float
        Multiply what enters, and what leaves: scales that training divided by.

    Returns
    -------
    dict of str to numpy.ndarray
        Four arrays for `forward`.
    """
    dense, norm, _, linear = net
    weight, bias = _array(dense.weight), _array(dense.bias)
    gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    shift = _array(norm.bias) - _array(norm.running_mean) * gain
    return {
        f"{name}_dense": (weight * gain[:, None] * inputs).T.astype(np.float32),
        f"{name}_dense_bias": (bias * gain + shift).astype(np.float32),
        f"{name}_linear": (_array(linear.weight).T * outputs).astype(np.float32),
        f"{name}_linear_bias": (_array(linear.bias) * outputs).astype(np.float32),
    }


def forward(
    rows: NDArray[np.float32], *, state: dict[str, NDArray[np.float32]], name: str
) -> NDArray[np.float32]:
    """Send rows through a tower that was read.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (n_rows, inputs).
    state : dict of str to numpy.ndarray
        Holds what `read_tower` returned.
    name : str
        The tower's.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows, outputs).
    """
    hidden = np.tanh(rows @ state[f"{name}_dense"] + state[f"{name}_dense_bias"])
    return np.asarray(hidden @ state[f"{name}_linear"] + state[f"{name}_linear_bias"])


def standardised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standardise the columns of a matrix; a column that is constant becomes 0.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (n_rows, width).

    Returns
    -------
    numpy.ndarray
        Mean 0 and standard deviation 1 in each column.
    """
    spread = rows.std(axis=0)
    centered = rows - rows.mean(axis=0)
    return np.asarray(np.divide(centered, spread, out=np.zeros_like(centered), where=spread > 0))


def scaled(rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Divide a matrix by the root mean square of its entries, so that networks start well.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape (n_rows, width).

    Returns
    -------
    numpy.ndarray
        The quotient.
    float
        What it was divided by; 1 for a matrix of zeros.
    """
    size = float(np.sqrt(np.square(rows, dtype=np.float64).mean())) or 1.0
    return (rows / np.float32(size)).astype(np.float32), size


def _array(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)
