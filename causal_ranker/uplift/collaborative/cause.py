"""CausE: factors of those shown and of those not, held together, and the difference they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.uplift.collaborative.base import Draws, FactorModel
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.kernels import tied_steps
from causal_ranker.uplift.collaborative.pointwise import MFConfig
from causal_ranker.uplift.collaborative.strata import Strata, batches, require_pairs, strata_of

__all__ = ["CausE", "CausEConfig"]

Floats = NDArray[np.float32]


class CausEConfig(MFConfig):
    """Settings of CausE.

    Parameters
    ----------
    factors, learning_rate, l2, epochs, played_share
        As in `MFConfig`.
    shown_share : float
        Share of draws that were shown.
    tie : float
        Penalty on the squared difference of both arms' factors and biases.
    """

    shown_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    tie: Annotated[float, Field(ge=0)] = 0.03


class _ByArm:
    """Draws of the four classes, each with its arm and label."""

    # In the order of `strata_of`: shown and played, shown only, played only, neither.
    _arm = np.array([1, 1, 0, 0], dtype=np.int32)
    _label = np.array([1, -1, 1, -1], dtype=np.float32)

    def __init__(self, strata: Strata, *, draws: int) -> None:
        self._strata, self._draws = strata, draws

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[Any], ...]]:
        for part in batches(self._draws):
            user, item, stratum = self._strata.draw(part.stop - part.start, rng=rng)
            yield user, item, self._arm[stratum], self._label[stratum]


class CausE(FactorModel[CausEConfig]):
    """Two factorisations of plays by log-loss, one of what was shown and one of what was not.

    In each arm a share gamma_P of the draws are plays, evenly, the others pairs of that arm that
    were not played, evenly; an epoch has so many draws that each play is drawn once on average.

    The score is the difference of two chances, ``sigma(s_1 + c_1) - sigma(s_0 + c_0)``, and not of
    their log-odds: an effect is counted in plays, and a pair that hardly anybody plays has a small
    effect however large the ratio of its odds. As plays are drawn more often than they come,
    c puts the log-odds back: ``c_a = logit(share of plays in arm a) - logit(gamma_P)``, which is
    exact for a logistic model (King and Zeng, 2001). What was shown to whom is not corrected for,
    as the method has it. Source: Bonner and Vasile, Causal Embeddings for Recommendation, RecSys
    2018.

    Attributes
    ----------
    user_factors_, item_factors_ : ndarray of float32, shape (n_users, 2k) and (n_items, 2k)
        Those of the arm shown, then those of the other, negative in items: with `item_bias_`, their
        product is the difference of log-odds.
    item_bias_ : ndarray of float32, shape (n_items,)
        Difference of the arms' biases, each with its c.
    """

    _default = CausEConfig()
    _loop = staticmethod(tied_steps)
    _arms = 2

    def _draws(self, interactions: Interactions) -> Draws:
        pairs = strata_of(interactions)
        for each, what in zip(
            pairs,
            ("shown and played", "shown and not played", "played without being shown", "neither"),
            strict=True,
        ):
            require_pairs(each, what=what, by="CausE")
        played, shown = self._config.played_share, self._config.shown_share
        odds = np.array([pairs[2].size / pairs[3].size, pairs[0].size / pairs[1].size])
        self._offset = np.log(odds * (1 - played) / played).astype(np.float32)
        return _ByArm(
            Strata(
                pairs,
                shares=[
                    shown * played,
                    shown * (1 - played),
                    (1 - shown) * played,
                    (1 - shown) * (1 - played),
                ],
            ),
            draws=round(int(interactions.played.sum()) / played),
        )

    def _strengths(self) -> tuple[np.float32, ...]:
        return *super()._strengths(), np.float32(self._config.tie)

    def _combine(self, logits: Floats) -> Floats:
        offset = self._offset.reshape(2, *[1] * (logits.ndim - 1))
        # The logistic function by tanh, which no logit makes overflow.
        half = np.tanh((logits + offset) * np.float32(0.5))
        effect: Floats = (half[1] - half[0]) * np.float32(0.5)
        return effect

    @property
    def user_factors_(self) -> Floats:
        """Factors of both arms, shape (n_users, 2k)."""
        user = self._fitted()[0].user
        return np.hstack([user[1], user[0]])

    @property
    def item_factors_(self) -> Floats:
        """Factors of both arms, negative for the arm not shown, shape (n_items, 2k)."""
        item = self._fitted()[0].item
        return np.hstack([item[1], -item[0]])

    @property
    def item_bias_(self) -> Floats:
        """Difference of the arms' log-odds of an item for nobody in particular."""
        bias: Floats = self._fitted()[0].bias + self._offset[:, None]
        difference: Floats = bias[1] - bias[0]
        return difference
