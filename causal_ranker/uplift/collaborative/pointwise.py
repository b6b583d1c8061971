"""Pointwise rankers: a log-loss on pairs drawn by class, so that plays are not lost in the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.uplift.collaborative.absent import AbsentPairs
from causal_ranker.uplift.collaborative.base import Draws, FactorConfig, FactorModel
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.kernels import point_steps
from causal_ranker.uplift.collaborative.strata import (
    ListedPairs,
    Strata,
    batches,
    require_pairs,
    strata_of,
)

__all__ = ["MF", "ULRMF", "MFConfig", "ULRMFConfig"]


class MFConfig(FactorConfig):
    """Settings of MF.

    Parameters
    ----------
    factors, learning_rate, l2, epochs
        As in `FactorConfig`.
    played_share : float
        Share of draws that are plays, gamma_P.
    """

    played_share: Annotated[float, Field(gt=0, lt=1)] = 0.2


class ULRMFConfig(MFConfig):
    """Settings of ULRMF.

    Parameters
    ----------
    factors, learning_rate, l2, epochs, played_share
        As in `MFConfig`.
    shown_share : float
        Share of draws that were shown, among plays as among the rest, gamma_R.
    alpha : float
        Chance that a draw that was neither shown nor played is taken for a positive.
    """

    shown_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.3


class _Labelled:
    """Draws of some classes, each positive by a chance."""

    def __init__(self, strata: Strata, *, positive: tuple[float, ...], draws: int) -> None:
        self._strata, self._positive, self._draws = strata, np.array(positive), draws

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[Any], ...]]:
        for part in batches(self._draws):
            count = part.stop - part.start
            user, item, stratum = self._strata.draw(count, rng=rng)
            positive = rng.random(count) < self._positive[stratum]
            yield user, item, np.where(positive, np.float32(1), np.float32(-1))


class MF(FactorModel[Any]):
    """Factorisation of plays by log-loss: an accuracy ranker, blind to what was shown.

    A share of the draws are plays, y = 1, evenly; the others pairs that were not played, y = -1,
    evenly. An epoch has so many draws that each play is drawn once on average. The score is the
    log-odds of a play among the draws.
    """

    _default = MFConfig()
    _loop = staticmethod(point_steps)

    def _draws(self, interactions: Interactions) -> Draws:
        plays = ListedPairs.of(interactions, interactions.played)
        rest = AbsentPairs(
            interactions.keys[interactions.played],
            n_users=interactions.n_users,
            n_items=interactions.n_items,
        )
        require_pairs(plays, what="played", by="MF")
        require_pairs(rest, what="not played", by="MF")
        share = self._config.played_share
        return _Labelled(
            Strata([plays, rest], shares=[share, 1 - share]),
            positive=(1.0, 0.0),
            draws=round(plays.size / share),
        )


class ULRMF(FactorModel[Any]):
    """MF for uplift: what was shown and played is positive; what was neither is, by chance.

    Classes are drawn by gamma_P and gamma_R, then pairs of the class evenly: shown and played is
    positive, shown only and played only negative, neither positive with chance alpha. A class
    without pairs leaves its share to the others; pairs that were shown and played there must be. An
    epoch has so many draws that each play is drawn once on average. Source: Sato et al.,
    Uplift-based Evaluation and Optimization of Recommenders, RecSys 2019.
    """

    _default = ULRMFConfig()
    _loop = staticmethod(point_steps)

    def _draws(self, interactions: Interactions) -> Draws:
        pairs = strata_of(interactions)
        require_pairs(pairs[0], what="shown and played", by="ULRMF")
        played, shown = self._config.played_share, self._config.shown_share
        return _Labelled(
            Strata(
                pairs,
                shares=[
                    played * shown,
                    (1 - played) * shown,
                    played * (1 - shown),
                    (1 - played) * (1 - shown),
                ],
            ),
            positive=(1.0, 0.0, 0.0, self._config.alpha),
            draws=round(int(interactions.played.sum()) / played),
        )
