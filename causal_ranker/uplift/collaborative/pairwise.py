"""Pairwise rankers: an item against another one of the same user.

Both step down ``log(1 + exp(-(s_ui - s_uj)))``, and differ in which i and j are drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.uplift.collaborative.absent import AbsentPairs
from causal_ranker.uplift.collaborative.base import Draws, FactorConfig, FactorModel
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.kernels import pair_steps
from causal_ranker.uplift.collaborative.strata import ListedPairs, batches, require_pairs

__all__ = ["BPR", "ULBPR", "BPRConfig", "ULBPRConfig"]

Codes = NDArray[np.int32]


class BPRConfig(FactorConfig):
    """Settings of BPR, which are those of every method that learns factors.

    Parameters
    ----------
    factors, learning_rate, l2, epochs
        As in `FactorConfig`.
    """


class ULBPRConfig(FactorConfig):
    """Settings of ULBPR.

    Parameters
    ----------
    factors, learning_rate, l2, epochs
        As in `FactorConfig`.
    alpha : float
        Chance that a pair counts as one of effect for what it is not, and may have been: that
        neither shown nor played ranks up.
    """

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.3


class _Against:
    """Pairs, each against an item of the same user that is not in a list.

    Users whose items are all in the list have nothing to be drawn, and their pairs are left out.
    """

    def __init__(
        self, pairs: ListedPairs, *, listed: NDArray[np.int64], data: Interactions
    ) -> None:
        self._absent = AbsentPairs(listed, n_users=data.n_users, n_items=data.n_items)
        some = self._absent.of_user[pairs.user] > 0
        self.pairs = ListedPairs(pairs.user[some], pairs.item[some])
        self.left_out = int((~some).sum())

    def draw_items(self, user: Codes, *, rng: np.random.Generator) -> Codes:
        return self._absent.draw_items(user, rng=rng)


class _Pairwise(FactorModel[Any]):
    _loop = staticmethod(pair_steps)

    left_out_ = 0


class BPR(_Pairwise):
    """What was played against what was not: an accuracy ranker, blind to what was shown.

    Each play once an epoch, in random order; j evenly from the items that the user did not play.
    Source: Rendle et al., UAI 2009.

    Attributes
    ----------
    left_out_ : int
        Plays of users who played every item, against which there is nothing to draw.
    """

    _default = BPRConfig()

    def _draws(self, interactions: Interactions) -> Draws:
        played = interactions.played
        plays = ListedPairs.of(interactions, played)
        require_pairs(plays, what="played", by="BPR")
        against = _Against(plays, listed=interactions.keys[played], data=interactions)
        require_pairs(against.pairs, what="played by users who did not play every item", by="BPR")
        self.left_out_ = against.left_out
        return _EachOnce(against)


class ULBPR(_Pairwise):
    """BPR for uplift: what was shown and played is up, what may be effect is up by chance.

    With R-P shown and played, R-NP shown only, NR-P played only and NR-NP neither, each draw is
    with chance 1 - alpha a pair (u, i) evenly from R-P, and j evenly from the user's items that are
    not R-P; and with chance alpha a pair (u, j) evenly from R-NP and NR-P together, and i evenly
    from the user's items that are R-P or NR-NP. An epoch has so many draws that each R-P pair is
    drawn once on average. Without R-NP and NR-P all draws are of the first kind. Source: Sato et
    al., Uplift-based Evaluation and Optimization of Recommenders, RecSys 2019.

    Attributes
    ----------
    left_out_ : int
        Pairs of users who have nothing to be drawn against them.
    """

    _default = ULBPRConfig()

    def _draws(self, interactions: Interactions) -> Draws:
        t, y, keys = interactions.exposed, interactions.played, interactions.keys
        best, doubtful = ListedPairs.of(interactions, t & y), ListedPairs.of(interactions, t ^ y)
        require_pairs(best, what="shown and played", by="ULBPR")
        up = _Against(best, listed=keys[t & y], data=interactions)
        down = _Against(doubtful, listed=keys[t ^ y], data=interactions)
        require_pairs(
            up.pairs, what="shown and played by users with other items besides", by="ULBPR"
        )
        self.left_out_ = up.left_out + down.left_out
        return _Mixed(up, down, alpha=self._config.alpha if down.pairs.size else 0.0)


def _unweighted(user: Codes, liked: Codes, other: Codes) -> tuple[NDArray[Any], ...]:
    ones = np.ones(user.size, dtype=np.float32)
    return user, liked, other, ones, ones


class _EachOnce:
    def __init__(self, against: _Against) -> None:
        self._against = against

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[Any], ...]]:
        pairs = self._against.pairs
        order = rng.permutation(pairs.size)
        for part in batches(order.size):
            user, liked = pairs.user[order[part]], pairs.item[order[part]]
            yield _unweighted(user, liked, self._against.draw_items(user, rng=rng))


class _Mixed:
    def __init__(self, up: _Against, down: _Against, *, alpha: float) -> None:
        self._up, self._down, self._alpha = up, down, alpha

    def epoch(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[Any], ...]]:
        for part in batches(round(self._up.pairs.size / (1 - self._alpha))):
            count = part.stop - part.start
            second = rng.random(count) < self._alpha
            user, liked, other = np.empty((3, count), dtype=np.int32)
            for here, against, given, drawn in (
                (~second, self._up, liked, other),
                (second, self._down, other, liked),
            ):
                at = np.flatnonzero(here)
                if at.size:
                    user[at], given[at] = against.pairs.draw(at.size, rng=rng)
                    drawn[at] = against.draw_items(user[at], rng=rng)
            yield _unweighted(user, liked, other)
