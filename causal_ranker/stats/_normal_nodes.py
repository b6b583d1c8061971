"""Where integrals over the values of several normal variables are taken.

Gauss-Legendre on panels, as narrow as the narrowest variable that is near asks for. Wide variables
alone need few panels, wherever they reach to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import RowError
from causal_ranker.stats._arrays import Array

__all__ = ["Nodes", "nodes_of"]

_ORDER: Final = 8
#: Beyond so many standard deviations lies a mass of 6e-16.
_REACH: Final = 8.0
#: A panel may be a part of all that there is as small as 2^-this.
_DEEPEST: Final = 24


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes, from the smallest value to the largest.

    Parameters
    ----------
    x, weight : ndarray of float64, shape (panels, 8)
        Values and the weights of an integral over all of them.
    near : ndarray of bool, shape (n,)
        Variables that may be among the k largest.
    """

    x: Array
    weight: Array
    near: NDArray[np.bool_]

    def above(self, values: Array) -> Array:
        """Integrate from each node upwards.

        Parameters
        ----------
        values : ndarray of float64, shape (panels, 8)
            Of what is integrated, at the nodes.

        Returns
        -------
        ndarray of float64, shape (panels, 8)
            Integrals from the node to the end.
        """
        panel = (values * self.weight).sum(axis=1)
        behind = np.append(np.cumsum(panel[:0:-1])[::-1], 0.0)
        half = self.weight.sum(axis=1, keepdims=True) / 2
        found: Array = behind[:, None] + half * (values @ _rest_of_panel().T)
        return np.maximum(found, 0.0)


def nodes_of(mean: Array, sd: Array, *, places: int, width: float) -> Nodes:
    """Choose the nodes for the k largest of independent normal variables.

    Parameters
    ----------
    mean, sd : ndarray of float64, shape (n,)
        Finite, the latter above 0.
    places : int
        k, at most n.
    width : float
        Of a panel at most, in standard deviations of every variable that is near.

    Returns
    -------
    Nodes
        From below the k-th largest to above the largest, but for a mass of 6e-16 a variable.

    Raises
    ------
    RowError
        If a standard deviation is so small beside all others that no panel would see its step.
    """
    start, end = mean - _REACH * sd, mean + _REACH * sd
    lowest = np.partition(start, -places)[-places]  # k variables are above it, but for their tails
    near = end > lowest
    start, end = np.maximum(start[near], lowest), end[near]
    wanted = width * sd[near]
    left, length = np.array([lowest]), np.array([end.max() - lowest])
    done: list[tuple[Array, Array]] = []
    for _ in range(_DEEPEST):
        # Items that lie in a panel and ask for a narrower one.
        asks = (start < (left + length)[:, None]) & (end > left[:, None])
        wide = (asks & (wanted < length[:, None])).any(axis=1)
        done.append((left[~wide], length[~wide]))
        left, length = left[wide], length[wide] / 2
        if not left.size:
            break
        left, length = np.concatenate([left, left + length]), np.tile(length, 2)
    else:
        raise RowError(
            expected="standard deviations that are no less than about a ten-millionth of the range",
            came=f"{sd.min():.3g} in a range of {end.max() - lowest:.3g}",
            do="Give every candidate an interval of some width.",
        )
    left, length = (np.concatenate(each) for each in zip(*done, strict=True))
    order = np.argsort(left)
    left, length = left[order, None], length[order, None]
    at, weight = np.polynomial.legendre.leggauss(_ORDER)
    return Nodes(left + length * (at + 1) / 2, length * weight / 2, near)


@lru_cache(maxsize=1)
def _rest_of_panel() -> Array:
    """Return what turns values at the nodes into integrals from a node to the end of its panel.

    Of a panel from -1 to 1. The polynomial through the values is written in Legendre's, whose
    integrals are known: ``(2 m + 1) int_x^1 P_m = P_(m-1)(x) - P_(m+1)(x)``.
    """
    at, weight = np.polynomial.legendre.leggauss(_ORDER)
    legendre = np.polynomial.legendre.legvander(at, _ORDER)
    upwards = legendre[:, : _ORDER - 1] - legendre[:, 2 : _ORDER + 1]  # of P_1, P_2, ...
    upwards = np.column_stack([1 - at, upwards])  # (nodes, m), times 2 m + 1 where m > 0
    found: Array = (upwards / 2) @ (legendre[:, :_ORDER] * weight[:, None]).T
    return found
