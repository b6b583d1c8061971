"""DLCE and its halves: pairwise losses that inverse propensities make unbiased for the effect.

For a play of item i by user u, and an item j drawn evenly from all others::

    T / max(p, chi) log(1 + exp(-omega (s_ui - s_uj)))
      + (1 - T) / max(1 - p, chi) log(1 + exp(omega (s_ui - s_uj)))

A play after exposure ranks its item up, one without exposure ranks it down. DLTO keeps the first
term, and is a propensity-weighted accuracy ranker; BLCE sets the weights to 1. Source: Sato et
al., Unbiased Learning for the Causal Effect of Recommendation, RecSys 2020.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.uplift.collaborative.base import Draws, FactorConfig, FactorModel
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.kernels import pair_steps
from causal_ranker.uplift.collaborative.strata import ListedPairs, batches, require_pairs

__all__ = ["BLCE", "DLCE", "DLTO", "BLCEConfig", "DLCEConfig", "DLTOConfig"]

Floats = NDArray[np.float32]


class BLCEConfig(FactorConfig):
    """Settings of BLCE.

    Parameters
    ----------
    factors, learning_rate, l2, epochs
        As in `FactorConfig`.
    omega : float
        Steepness of the loss.
    """

    omega: Annotated[float, Field(gt=0)] = 1.0


class DLTOConfig(BLCEConfig):
    """Settings of DLTO.

    Parameters
    ----------
    factors, learning_rate, l2, epochs, omega
        As in `BLCEConfig`.
    chi : float
        Floor of the propensities that weights are made of; 1 makes all weights 1. What it raises
        counts for less than it stands for; its share is in ``share_floored_``.
    """

    # Weights of up to 1 / chi make steps that much longer.
    learning_rate: Annotated[float, Field(gt=0)] = 0.003
    chi: Annotated[float, Field(gt=0, le=1)] = 0.01


class DLCEConfig(DLTOConfig):
    """Settings of DLCE, which are those of DLTO.

    Parameters
    ----------
    factors, learning_rate, l2, epochs, omega, chi
        As in `DLTOConfig`.
    """


class _Plays:
    """Each play once an epoch, in random order, against another item drawn anew.

    Which plays share a batch is drawn once; the order of batches, and of the plays in each, anew
    for each epoch. So all that an epoch reads of a batch stays near the processor.
    """

    def __init__(
        self,
        pairs: ListedPairs,
        *,
        weight: Floats,
        slope: Floats,
        n_items: int,
    ) -> None:
        # What is read together lies together.
        self._packed = np.empty((pairs.size, 4), dtype=np.int32)
        self._packed[:, 0], self._packed[:, 1] = pairs.user, pairs.item
        self._packed[:, 2], self._packed[:, 3] = weight.view(np.int32), slope.view(np.int32)
        self._n_items, self._mixed = n_items, False

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[Any], ...]]:
        # `take` copies whole rows, several times faster than an index does.
        if not self._mixed:
            self._packed = self._packed.take(rng.permutation(len(self._packed)), axis=0)
            self._mixed = True
        parts = list(batches(len(self._packed)))
        for number in rng.permutation(len(parts)):
            plays = self._packed[parts[number]]
            columns = np.ascontiguousarray(plays.take(rng.permutation(len(plays)), axis=0).T)
            user, liked = columns[0], columns[1]
            # One of the n - 1 others: those from the liked item on are one further.
            other = rng.integers(self._n_items - 1, size=liked.size, dtype=np.int32)
            other += other >= liked
            yield user, liked, other, columns[2].view(np.float32), columns[3].view(np.float32)


class _Effects(FactorModel[Any]):
    """Plays up or down by what was shown; a subclass says with which weights.

    Attributes
    ----------
    share_floored_ : float
        Share of the plays learned from whose propensity chi raised.
    """

    _loop = staticmethod(pair_steps)
    #: Whether plays without exposure are learned from, too.
    _down: ClassVar[bool] = True

    share_floored_ = 0.0

    def _draws(self, interactions: Interactions) -> Draws:
        if interactions.n_items < 2:
            raise ConfigError(
                expected="at least 2 items to rank", came="1", do="Give logs of more items."
            )
        t, y, name = interactions.exposed, interactions.played, type(self).__name__
        up, down = ListedPairs.of(interactions, t & y), ListedPairs.of(interactions, ~t & y)
        require_pairs(up, what="shown and played", by=name)
        if self._down:
            require_pairs(down, what="played without being shown", by=name)
        chosen = y if self._down else t & y
        shown, omega = t[chosen], np.float32(self._config.omega)
        return _Plays(
            ListedPairs.of(interactions, chosen),
            weight=self._weights(interactions.propensity[chosen], shown),
            slope=np.where(shown, omega, -omega),
            n_items=interactions.n_items,
        )

    def _weights(self, propensity: NDArray[np.float64], shown: NDArray[np.bool_]) -> Floats:
        """Return w of each play that is learned from."""
        lost = np.isnan(propensity)
        if lost.any():
            raise RowError(
                expected=f"a propensity of every play that {type(self).__name__} learns from",
                came=f"{int(lost.sum())} of {lost.size} plays without",
                do="Estimate propensities for all pairs, or take 'blce', which needs none.",
            )
        chance = np.where(shown, propensity, 1 - propensity)
        self.share_floored_ = float((chance < self._config.chi).mean())
        weight: Floats = (1 / np.maximum(chance, self._config.chi)).astype(np.float32)
        return weight


class DLCE(_Effects):
    """Ranking by effect from weighted plays: needs the propensity of every play.

    The score is no effect in plays; only its order within a user means something. The fall-back
    is that of `FactorModel`. Plays of both arms are needed: with those of one arm only, DLTO, or
    its mirror image, is all that could be learned.

    Attributes
    ----------
    share_floored_ : float
        Share of the plays whose propensity chi raised.
    """

    _default = DLCEConfig()


class DLTO(_Effects):
    """The first half of DLCE: plays after exposure, weighted by 1 / propensity.

    It ranks by P(Y(1) = 1), that is, by who would play if shown, not by what showing changes.

    Attributes
    ----------
    share_floored_ : float
        Share of the plays whose propensity chi raised.
    """

    _default = DLTOConfig()
    _down = False


class BLCE(_Effects):
    """DLCE without weights, which what was shown to whom biases; it needs no propensities."""

    _default = BLCEConfig()

    def _weights(self, propensity: NDArray[np.float64], shown: NDArray[np.bool_]) -> Floats:
        return np.ones(shown.size, dtype=np.float32)
