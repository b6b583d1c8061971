"""Causal neighbourhoods: CUBN and CIBN, effects found among similar users or similar items.

A user's effect of an item is what similar users who were shown it played, minus what similar users
who were not shown it played:

``tau_ui = sum_{v in N, T_vi = 1} w_uv Y_vi / (beta + sum_{v in N, T_vi = 1} w_uv)
- sum_{v in N, T_vi = 0} w_uv Y_vi / (beta + sum_{v in N, T_vi = 0} w_uv)``

with ``w = cos^alpha`` of what two users played (CUBN-O) or were shown (CUBN-T), nobody being their
own neighbour. CIBN swaps users and items. Source: Sato, Singh, Takemori and Zhang, "Causality-aware
neighborhood methods for recommender systems", ECIR 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.whole_rows import WholeRowModel

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["NeighbourConfig", "NeighbourModel"]

Matrix = NDArray[np.float32]
Among = Literal["users", "items"]
Alike = Literal["outcomes", "exposures"]

_AMONG: Final = get_args(Among)
_ALIKE: Final = get_args(Alike)

_CELLS: Final = 2**21  # similarities looked at in one go
#: Neighbours so few, as a share of all, that a list of them takes less time than a full row.
_FEW: Final = 0.05


class NeighbourConfig(FrozenConfig):
    """Who counts as a neighbour, and for how much.

    Parameters
    ----------
    power : float
        alpha, of the cosine: the larger, the more the nearest count.
    shrinkage : float
        beta, in the unit of the weights: an average over neighbours whose weights sum to beta is
        halved. Above 0, a pair with one such neighbour does not stand above those with many.
    neighbours : int, optional
        How many of the most similar count, the ones of lower code where some are equally similar;
        None for everyone.
    """

    power: float = Field(default=1.0, gt=0, le=16)
    shrinkage: float = Field(default=1.0, ge=0, le=1e6)
    neighbours: int | None = Field(default=100, ge=1)


class NeighbourModel(WholeRowModel):
    """CUBN or CIBN, in its two kinds of similarity.

    Fall-back: to a user without a pair in training everyone is a neighbour, and all the same one,
    among users; among items, of whom nothing is known then, the effect is 0. That of an item
    without a pair is 0.

    Parameters
    ----------
    among : {"users", "items"}
        Whose neighbours: those of CUBN, or of CIBN.
    alike : {"outcomes", "exposures"}
        In what neighbours are alike: -O, or -T.
    config : NeighbourConfig, optional
        Weights; its defaults otherwise.
    seed : int
        Decides nothing, as nothing is drawn.

    Raises
    ------
    ConfigError
        If `among` or `alike` is another word, or the config another method's.
    """

    _default = NeighbourConfig()
    _config: NeighbourConfig
    _weights: csr_array | Matrix
    _parts: tuple[csr_array, csr_array, csr_array]

    def __init__(
        self,
        *,
        among: Among,
        alike: Alike,
        config: NeighbourConfig | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(config=config, seed=seed)
        for name, word, words in (("among", among, _AMONG), ("alike", alike, _ALIKE)):
            if word not in words:
                raise ConfigError(
                    expected=f"{name} as one of {', '.join(words)}", came=repr(word), do="Take one."
                )
        self._among = among
        self._alike = alike

    def _learn(self, interactions: Interactions) -> None:
        shown, played = interactions.exposed, interactions.played
        if not shown.any():
            raise EmptyError(
                expected="pairs that were shown",
                came=f"none in {len(interactions)} pairs",
                do="Give logs with exposures: effects are the plays that they bring.",
            )
        self._parts = (
            interactions.matrix(shown),
            interactions.matrix(shown & played),
            interactions.matrix(played & ~shown),
        )
        likeness = interactions.matrix(played) if self._alike == "outcomes" else self._parts[0]
        self._points = _unit_rows(likeness if self._among == "users" else likeness.T.tocsr())
        if self._among == "items":
            self._weights = self._weights_of_items()

    def _rows(self, user: NDArray[np.int64]) -> Matrix:
        known = user >= 0
        if self._among == "users":
            near = self._near(user[known])
            sums = [_dense(near @ part) for part in self._parts]
            total = _row_sums(near)[:, None]
        else:
            sums = [_dense(part[user[known]] @ self._weights.T) for part in self._parts]
            total = _row_sums(self._weights)[None]
        effects = np.zeros((user.size, self._parts[0].shape[1]), dtype=np.float32)
        effects[known] = self._effect(*sums, total=total)
        if self._among == "users" and not known.all():
            everyone = [np.asarray(part.sum(axis=0))[None] for part in self._parts]
            effects[~known] = self._effect(*everyone, total=np.float32(self._parts[0].shape[0]))
        return effects

    def _effect(
        self, shown: Matrix, shown_played: Matrix, organic: Matrix, *, total: Matrix | np.float32
    ) -> Matrix:
        """Compare averages of neighbours who were shown an item and who were not."""
        # What is left of a total may be a rounding error away from what it should be, below 0 too.
        beta, not_shown = np.float32(self._config.shrinkage), np.maximum(total - shown, organic)
        effect: Matrix = _ratio(shown_played, shown + beta) - _ratio(organic, not_shown + beta)
        return effect

    def _near(self, codes: NDArray[np.int64]) -> csr_array | Matrix:
        """Weigh everyone by how near they are to each of some: shape (n, all)."""
        from scipy.sparse import csr_array

        near = _dense(self._points[codes] @ self._points.T)
        near[np.arange(codes.size), codes] = 0
        few = self._config.neighbours
        if few is not None and few < near.shape[1]:
            _keep_largest(near, few)
        np.power(near, np.float32(self._config.power), out=near)
        return csr_array(near) if few is not None and few < _FEW * near.shape[1] else near

    def _weights_of_items(self) -> csr_array | Matrix:
        from scipy.sparse import issparse, vstack

        items = self._points.shape[0]
        step = max(1, _CELLS // items)
        blocks = [
            self._near(np.arange(start, min(start + step, items)))
            for start in range(0, items, step)
        ]
        return vstack(blocks, format="csr") if issparse(blocks[0]) else np.concatenate(blocks)


def _unit_rows(matrix: csr_array) -> csr_array:
    """Divide rows of ones by their length, so that products of rows are cosines."""
    counts = np.diff(matrix.indptr)
    unit = matrix.copy()
    unit.data = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    return unit


def _keep_largest(near: Matrix, count: int) -> None:
    """Set all but the largest of each row to 0; of equal ones the first are larger."""
    least = np.partition(near, -count, axis=1)[:, [-count]]
    above, equal = near > least, near == least
    room = count - above.sum(axis=1, keepdims=True)
    near[~(above | (equal & (np.cumsum(equal, axis=1) <= room)))] = 0


def _row_sums(weights: csr_array | Matrix) -> Matrix:
    return np.asarray(weights.sum(axis=1), dtype=np.float32)


def _dense(product: Any) -> Matrix:
    return product if isinstance(product, np.ndarray) else product.toarray()


def _ratio(above: Matrix, below: Matrix) -> Matrix:
    """Divide; nothing by nothing is 0, as it is without neighbours and without shrinkage."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
