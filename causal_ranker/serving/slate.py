"""What one request is answered: the list, how it came about, and what is written down of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.draws import Draw, Thompson
from causal_ranker.reranking.explore import Exploration, explore
from causal_ranker.serving.asked import Asked
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.decisions.record import Decision
from causal_ranker.serving.ranking import Ranked, rank_request
from causal_ranker.serving.wire import RankedItem, RerankAnswer, RerankRequest

__all__ = ["Draws", "Slate", "make_slate"]

Id = int | str


@dataclass(frozen=True, kw_only=True)
class Draws:
    """How the list of one decision is drawn.

    Parameters
    ----------
    exploration : Exploration
        How to draw.
    seed : int
        Of the draws.
    decision_id : str
        The decision, each with its own draws.
    """

    exploration: Exploration
    seed: int
    decision_id: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Slate:
    """The list that is shown.

    Parameters
    ----------
    ranked : Ranked
        All candidates.
    shown : ndarray of int64, shape (m,)
        Places of the items that are answered, best first.
    propensity : ndarray of float64, shape (slots,)
        Of the slots that were drawn, the chance of the item given those above; empty where none
        was drawn.
    holdout : bool
        Whether the user always gets the base list.
    relaxed : tuple of str
        Rules of the policy that could not be kept.
    missing_features : int
        Values that the uplift model read as missing.
    features_hash : str
        Hash of what the uplift model read; empty where it was not asked.
    """

    ranked: Ranked
    shown: NDArray[np.int64]
    propensity: NDArray[np.float64]
    holdout: bool
    relaxed: tuple[str, ...]
    missing_features: int = 0
    features_hash: str = ""

    @classmethod
    def of(cls, ranked: Ranked, *, k: int | None, holdout: bool = False) -> Slate:
        """Show the head of a ranked list.

        Parameters
        ----------
        ranked : Ranked
            The list.
        k : int or None
            How much of it.
        holdout : bool
            Whether the user always gets the base list.

        Returns
        -------
        Slate
            The list, nothing drawn.
        """
        return cls(
            ranked=ranked,
            shown=np.argsort(ranked.rank)[:k],
            propensity=np.empty(0),
            holdout=holdout,
            relaxed=ranked.relaxed,
        )

    @property
    def explored(self) -> bool:
        """Whether slots were drawn."""
        return self.propensity.size > 0

    def items(self) -> list[RankedItem]:
        """Return the items that are shown.

        Returns
        -------
        list of RankedItem
            Best first.
        """
        ranked, shown = self.ranked, self.shown
        behind: float | None = None if self.explored else 1.0
        ends, nothing = ranked.interval, [[None] * shown.size] * 2
        complete = ranked.lists is not None  # what a policy ranks has no NaN
        columns: tuple[Sequence[Any], ...] = (
            [ranked.items[place] for place in shown.tolist()],
            _or_none(ranked.base_score[shown], complete=complete),
            ranked.base_rank[shown].tolist(),
            _or_none(ranked.uplift[shown], complete=complete),
            _or_none(ranked.score[shown], complete=complete),
            range(1, shown.size + 1),
            self.propensity.tolist() + [behind] * (shown.size - self.propensity.size),
            *(nothing if ends is None else [end[shown].tolist() for end in ends]),
        )
        return list(map(RankedItem, *columns))

    def answer(self, user: Id, *, version: str, decision_id: str | None) -> RerankAnswer:
        """Write the list as it goes out.

        Parameters
        ----------
        user : int or str
            The user.
        version : str
            The model.
        decision_id : str or None
            The decision, where it is written down.

        Returns
        -------
        RerankAnswer
            The answer.
        """
        return RerankAnswer(
            user_id=user,
            items=self.items(),
            decision_id=decision_id,
            version=version,
            fallback=self.ranked.fallback,
            explored=self.explored,
            holdout=self.holdout,
            relaxed=list(self.relaxed),
        )

    def decision(
        self,
        request: RerankRequest,
        *,
        draws: Draws | None,
        decision_id: str,
        at_ms: int,
        bundle: Bundle,
        canary: bool,
    ) -> Decision:
        """Write the list as it goes into the log.

        Parameters
        ----------
        request : RerankRequest
            What was asked.
        draws : Draws or None
            How lists are drawn.
        decision_id : str
            The decision.
        at_ms : int
            When, in milliseconds since 1970.
        bundle : Bundle
            The model.
        canary : bool
            Whether it is the canary.

        Returns
        -------
        Decision
            The record.
        """
        ranked = self.ranked
        drawn = draws if self.explored else None
        return Decision(
            decision_id=decision_id,
            user_id=request.user_id,
            at_ms=at_ms,
            version=bundle.version,
            exploration=None if drawn is None else drawn.exploration.model_dump(),
            seed=0 if draws is None else draws.seed,
            items=ranked.items,
            base_score=ranked.base_score.tolist(),
            score=None if ranked.fallback else ranked.score.tolist(),
            shown=self.shown.tolist(),
            propensity=self.propensity.tolist(),
            slots=0 if drawn is None else drawn.exploration.slots,
            fallback=ranked.fallback,
            holdout=self.holdout,
            explored=self.explored,
            features_hash=self.features_hash,
            session_id=request.session_id,
            surface=request.surface,
            canary=canary,
            constrained=_has_constraints(bundle.policy),
            moment=request.moment,
            cold=_cold(ranked, bundle),
            deviation=None if drawn is None else _deviations(ranked, drawn.exploration.draw),
        )


def make_slate(
    bundle: Bundle,
    asked: Asked,
    *,
    draws: Draws | None,
    holdout: bool,
    hashed: bool,
    at_hand: Callable[[Ranked], None],
) -> Slate:
    """Ask the models for a list, and draw from it where it is to be drawn.

    Parameters
    ----------
    bundle : Bundle
        A loaded bundle.
    asked : Asked
        The request.
    draws : Draws or None
        How to draw; ``None`` to show the policy's list.
    holdout : bool
        Whether the user gets the base list.
    hashed : bool
        Whether what the uplift model reads is hashed.
    at_hand : callable
        Is told the base order before the policy is asked.

    Returns
    -------
    Slate
        The list.

    Raises
    ------
    EmptyError, UnknownUserError
        As `causal_ranker.serving.ranking.rank_request`.
    """
    ranked = rank_request(bundle, asked, by_policy=not holdout, intervals=True, at_hand=at_hand)
    slate = Slate.of(ranked, k=asked.k, holdout=holdout)
    shown, propensity, relaxed = slate.shown, slate.propensity, slate.relaxed
    if draws is not None and ranked.fallback is None and ranked.lists is not None:
        drawn = explore(
            bundle.policy,
            ranked.lists,
            draws.exploration,
            decisions=[draws.decision_id],
            users=[asked.user],
            seed=draws.seed,
        )
        shown = np.argsort(drawn.rank)[: asked.k]
        propensity = drawn.propensity[0, : shown.size]
        relaxed = tuple(rule for rule, broken in drawn.relaxed.items() if broken.any())
    features = ranked.features
    return Slate(
        ranked=ranked,
        shown=shown,
        propensity=propensity,
        holdout=holdout,
        relaxed=relaxed,
        missing_features=0 if features is None else bundle.uplift.plan.count_missing(features),
        features_hash=_hash(features) if hashed and features is not None else "",
    )


def _hash(features: NDArray[np.float64]) -> str:
    # In hardware on current processors, and there twice as fast as BLAKE2.
    return sha256(np.ascontiguousarray(features).data).hexdigest()[:16]


def _deviations(ranked: Ranked, draw: Draw) -> list[float] | None:
    """Say what lists are drawn from beside scores; without it nobody could tell their chances."""
    if not isinstance(draw, Thompson) or ranked.interval is None:
        return None
    told: list[float] = draw.deviations(*ranked.interval).tolist()
    return told


def _has_constraints(policy: ListPolicy) -> bool:
    return isinstance(policy, ChainedPolicy) and isinstance(policy.rules[-1], Constrained)


def _cold(ranked: Ranked, bundle: Bundle) -> list[int] | None:
    """Return the places of cold items: as rules read them, or else as the model does."""
    if ranked.lists is not None and C.IS_COLD in ranked.lists.columns:
        flags = ranked.lists.columns[C.IS_COLD].values
    else:
        names = [feature.name for feature in bundle.uplift.plan.schema.features]
        if ranked.features is None or C.IS_COLD not in names:
            return None
        flags = ranked.features[:, names.index(C.IS_COLD)]
    return np.flatnonzero(flags > 0).tolist()


def _or_none(values: NDArray[np.float64], *, complete: bool) -> list[float | None]:
    told: list[float | None] = values.tolist()
    return told if complete else [None if value != value else value for value in told]
