"""A policy and the list rules that come after it, and the one function that ranks by a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.lists import BaseOrder, CandidateLists, SideColumn
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, Policy, UpliftPolicy
from causal_ranker.reranking.ranks import rank_within, top_within

__all__ = [
    "ChainedPolicy",
    "ListPolicy",
    "RankedLists",
    "Rule",
    "check_columns",
    "columns_of",
    "rank_lists",
    "score_lists",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

Rule = Diversified | Constrained


@dataclass(frozen=True, slots=True)
class ChainedPolicy:
    """Score by one policy, then apply list rules one after the other.

    Parameters
    ----------
    scorer : BasePolicy, UpliftPolicy or BlendPolicy
        Scores the candidates.
    rules : tuple of Diversified or Constrained
        At least one rule; each works on the order that the one before left. At most one of each,
        `Constrained` last: whatever came behind it could break what it keeps. `Diversified`
        needs the scorer to be `UpliftPolicy`.

    Raises
    ------
    ConfigError
        If the parts do not go together.
    """

    scorer: Policy
    rules: tuple[Rule, ...]

    kind: ClassVar[str] = "chained"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        kinds = [getattr(rule, "kind", repr(rule)) for rule in self.rules]
        if kinds not in (["diversified"], ["constrained"], ["diversified", "constrained"]):
            raise ConfigError(
                expected="the rules 'diversified', 'constrained', or both in this order",
                came=", ".join(map(repr, kinds)) or "none",
                do="Give each rule once at most; without rules, the scorer alone is the policy.",
            )
        if not isinstance(self.scorer, BasePolicy | UpliftPolicy | BlendPolicy):
            raise ConfigError(
                expected="the scorer base, uplift or blend",
                came=repr(self.scorer),
                do="Put all rules into one chained policy.",
            )
        if kinds[0] == "diversified" and not isinstance(self.scorer, UpliftPolicy):
            raise ConfigError(
                expected="the scorer 'uplift' before the rule 'diversified'",
                came=repr(self.scorer.kind),
                do="Score by uplift; max_base_loss of the rule 'constrained' keeps the base score.",
            )


ListPolicy = Policy | ChainedPolicy


@dataclass(frozen=True, eq=False)
class RankedLists:
    """Candidate lists, ranked.

    Attributes
    ----------
    score : ndarray of float64, shape (n,)
        What the lists are sorted by where no constraint says otherwise.
    rank : ndarray of int64, shape (n,)
        Ranks 1 to m within each request of m rows; k + 1 for all behind the first k, where k was
        given.
    relaxed : dict of str to ndarray of bool, shape (requests,)
        By "floors" and "caps", where the policy has them: requests, in ascending order, whose list
        breaks one.
    """

    score: Array
    rank: IntArray
    relaxed: dict[str, NDArray[np.bool_]]


def columns_of(policy: ListPolicy) -> tuple[str, ...]:
    """Return the columns of the candidates that a policy reads beside their scores.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.

    Returns
    -------
    tuple of str
        Their names, each once.
    """
    rules = policy.rules if isinstance(policy, ChainedPolicy) else ()
    return tuple(dict.fromkeys(name for rule in rules for name in rule.columns))


def check_columns(policy: ListPolicy, levels: Mapping[str, Sequence[str | int] | None]) -> None:
    """Refuse a policy that reads what is not there, before any request comes.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    levels : mapping of str to sequence or None
        By each column that there is, the levels of its category; None for numbers.

    Raises
    ------
    SchemaError
        If a column that a rule reads is not there.
    ConfigError
        If a floor names a level that its column does not have, or names none of a category.
    """
    if not columns_of(policy):
        return
    nothing = np.empty(0)
    columns = {name: SideColumn(nothing, found) for name, found in levels.items()}
    rank_lists(
        policy,
        CandidateLists(
            request=np.empty(0, dtype=np.int64),
            base_score=nothing,
            base_rank=nothing,
            uplift=nothing,
            columns=columns,
        ),
    )


def rank_lists(policy: ListPolicy, lists: CandidateLists, *, k: int | None = None) -> RankedLists:
    """Rank the candidates of each request by a policy: the one way, offline and online.

    The list of a request depends on its own candidates only, and `k` only says how much of it is
    told. Equal scores keep the base order.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    lists : CandidateLists
        The candidates.
    k : int, optional
        Rows to tell apart; all by default.

    Returns
    -------
    RankedLists
        Scores and ranks in the order of the rows.

    Raises
    ------
    RowError
        If a score is NaN, or one that rules have to compare is not finite.
    SchemaError
        If a column that a rule reads is missing.
    ConfigError
        If a floor names no level, or one that its column does not have.
    """
    if not isinstance(policy, ChainedPolicy):
        score = score_lists(policy, lists)
        rank = _ranks(lists.request, score, lists.base_rank, k=k)
        return RankedLists(score=score, rank=rank, relaxed={})
    order = BaseOrder.of(lists)
    score = score_lists(policy, lists, order=order)
    last = policy.rules[-1]
    if not isinstance(last, Constrained):
        rank = _ranks(lists.request, score, lists.base_rank, k=k)
        return RankedLists(score=score, rank=rank, relaxed={})
    arranged = last.arrange(lists, score, order=order)
    behind = score if last.max_moves is None else lists.base_score
    rank = arranged.ranks(lists, behind, k=k)
    return RankedLists(score=score, rank=rank, relaxed=arranged.relaxed)


def score_lists(
    policy: ListPolicy, lists: CandidateLists, *, order: BaseOrder | None = None
) -> Array:
    """Score the candidates of each request as a policy does, constraints aside.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    lists : CandidateLists
        The candidates.
    order : BaseOrder, optional
        Their base order, where it is known already.

    Returns
    -------
    ndarray of float64, shape (n,)
        Scores, comparable within a request.
    """
    scorer = policy.scorer if isinstance(policy, ChainedPolicy) else policy
    score = scorer.score(lists.base_score, lists.uplift, request=lists.request)
    if isinstance(policy, ChainedPolicy):
        for rule in policy.rules:
            if isinstance(rule, Diversified):
                score = rule.rescore(lists, score, order=order or BaseOrder.of(lists))
    return score


def _ranks(request: NDArray[Any], score: Array, base_rank: Array, *, k: int | None) -> IntArray:
    if k is None:
        return rank_within(request, score, tie_break=base_rank)
    return top_within(request, score, k=k, tie_break=base_rank)
