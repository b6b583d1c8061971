"""Why an item stands where it does, in figures and in a sentence."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np

from causal_ranker.errors import ConfigError
from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy
from causal_ranker.reranking.policies import BlendPolicy, UpliftPolicy
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.ranking import Ranked
from causal_ranker.serving.schema import Feature
from causal_ranker.serving.slate import Slate
from causal_ranker.serving.wire import ExplainAnswer, Influence

__all__ = ["explain_item"]

_log = logging.getLogger(__name__)

Id = int | str

_REASONS: Final[dict[FallbackReason, str]] = {
    "unknown_user": "the model does not know the user",
    "feature_store_error": "the feature store did not answer",
    "base_model_error": "the base model failed",
    "model_error": "the model failed",
    "model_not_finite": "the model gave no number for an item",
    "model_wrong_length": "the model scored another number of items",
    "interval_error": "the model gave no intervals",
    "deadline": "the model did not answer in time",
    "circuit_open": "the model failed too often of late",
    "overload": "too many requests wait for the model",
}
#: Features named in the sentence.
_NAMED: Final = 3


def explain_item(bundle: Bundle, ranked: Ranked, item: Id, *, holdout: bool) -> ExplainAnswer:
    """Say why an item of a list stands where it does.

    Parameters
    ----------
    bundle : Bundle
        The version that ranked the list.
    ranked : Ranked
        The list.
    item : int or str
        One of its candidates.
    holdout : bool
        Whether the user always gets the base list.

    Returns
    -------
    ExplainAnswer
        Its ranks, what each feature adds to its uplift, and a sentence.

    Raises
    ------
    ConfigError
        If the item is no candidate.
    """
    if item not in ranked.items:
        raise ConfigError(
            expected=f"an item among the {len(ranked.items)} candidates",
            came=repr(item),
            do="Explain an item of the list.",
        )
    place = ranked.items.index(item)
    average, influences = _influences(bundle, ranked, place)
    listed = Slate.of(ranked, k=None, holdout=holdout).items()
    return ExplainAnswer(
        item=listed[int(ranked.rank[place]) - 1],
        version=bundle.version,
        fallback=ranked.fallback,
        average=average,
        influences=influences,
        words=_words(bundle.policy, ranked, place, influences=influences, holdout=holdout),
    )


def _influences(bundle: Bundle, ranked: Ranked, place: int) -> tuple[float | None, list[Influence]]:
    if ranked.features is None or ranked.fallback is not None:
        return None, []
    row = ranked.features[place : place + 1]
    try:
        parts = bundle.uplift.model.contributions(row)[0]
    except Exception:  # LightGBM splits no prediction of trees with linear leaves
        _log.warning("the model's predictions cannot be split", exc_info=True)
        return None, []
    features = bundle.uplift.plan.schema.features
    found = [
        Influence(feature=feature.name, value=_raw(feature, value), uplift=part)
        for feature, value, part in zip(features, row[0].tolist(), parts[:-1].tolist(), strict=True)
    ]
    return float(parts[-1]), sorted(found, key=lambda each: -abs(each.uplift))


def _raw(feature: Feature, value: float) -> float | str | None:
    if value != value:
        return None
    if feature.levels is None:
        return value
    return feature.levels[int(value)]


def _words(
    policy: ListPolicy,
    ranked: Ranked,
    place: int,
    *,
    influences: list[Influence],
    holdout: bool,
) -> str:
    n, before, rank = len(ranked.items), int(ranked.base_rank[place]), int(ranked.rank[place])
    if holdout:
        return f"It stays at rank {rank} of {n}: this user always gets the base list."
    if ranked.fallback is not None:
        return (
            f"It stays at rank {rank} of {n}: the list is in base order, because "
            f"{_REASONS[ranked.fallback]}."
        )
    sentences = [f"{_moved(before, rank)} of {n}: the list is ordered by {_order(policy)}."]
    uplift = ranked.uplift[place]
    below = float((ranked.uplift < uplift).mean())
    sentences.append(
        f"Showing it adds an estimated {uplift:.3g} plays per impression, more than "
        f"{below:.0%} of the candidates."
    )
    named = [
        f"{each.feature} = {_shown(each.value)} ({each.uplift:+.3g})"
        for each in influences[:_NAMED]
        if each.uplift
    ]
    if named:
        listed = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
        sentences.append(f"What matters most: {listed}.")
    one = np.zeros(n, dtype=np.int64)
    by_score = int(rank_within(one, ranked.score, tie_break=ranked.base_rank)[place])
    if by_score != rank:
        sentences.append(f"By its score it would be at rank {by_score}; a rule moved it.")
    return " ".join(sentences)


def _moved(before: int, rank: int) -> str:
    if rank == before:
        return f"It stays at rank {rank}"
    return f"It moves {'up' if rank < before else 'down'} from rank {before} to rank {rank}"


def _order(policy: ListPolicy) -> str:
    scorer = policy.scorer if isinstance(policy, ChainedPolicy) else policy
    if isinstance(scorer, UpliftPolicy):
        words = "uplift"
    elif isinstance(scorer, BlendPolicy):
        words = f"base score and uplift, {scorer.weight:.0%} of it uplift"
    else:
        words = "base score"
    if isinstance(policy, ChainedPolicy):
        rules = " and ".join(f"'{rule.kind}'" for rule in policy.rules)
        words += f", with the rule{'s' if len(policy.rules) > 1 else ''} {rules}"
    return words


def _shown(value: float | str | None) -> str:
    if value is None:
        return "missing"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
