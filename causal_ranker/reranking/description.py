"""Policies as JSON objects and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from causal_ranker.errors import ConfigError
from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy, Rule
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, Policy, UpliftPolicy

__all__ = ["policy_from_dict", "policy_name", "policy_to_dict"]

_SCORERS: Final[dict[str, type[Policy]]] = {
    policy.kind: policy for policy in (BasePolicy, UpliftPolicy, BlendPolicy)
}
_RULES: Final[dict[str, type[Rule]]] = {"diversified": Diversified, "constrained": Constrained}
_CHAINED: Final = ChainedPolicy.kind
_KNOWN: Final = ", ".join(sorted([*_SCORERS, _CHAINED]))


def policy_to_dict(policy: ListPolicy) -> dict[str, Any]:
    """Describe a policy as a JSON object.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        A policy of this room.

    Returns
    -------
    dict
        ``{"kind": ..., **settings}``.

    Raises
    ------
    ConfigError
        If the policy is not one of this room's: nobody could read it back.
    """
    if isinstance(policy, ChainedPolicy):
        rules = [rule.model_dump(mode="json", exclude_defaults=True) for rule in policy.rules]
        kinds = [{"kind": rule.kind} for rule in policy.rules]
        return {
            "kind": _CHAINED,
            "scorer": policy_to_dict(policy.scorer),
            "rules": [kind | rule for kind, rule in zip(kinds, rules, strict=True)],
        }
    if _SCORERS.get(policy.kind) is not type(policy):
        raise ConfigError(
            expected=f"a policy of kind {_KNOWN}",
            came=repr(policy),
            do="Use one of the policies of causal_ranker.reranking.",
        )
    settings: Any = policy  # every scorer is a dataclass
    return {"kind": policy.kind, **asdict(settings)}


def policy_from_dict(description: Mapping[str, Any]) -> ListPolicy:
    """Build a policy from its JSON object.

    Parameters
    ----------
    description : Mapping
        What :func:`policy_to_dict` gave, or the same written by hand.

    Returns
    -------
    Policy or ChainedPolicy
        The policy.

    Raises
    ------
    ConfigError
        If the kind is not known, or a setting is unknown, missing or out of its bounds.
    """
    settings = dict(description)
    kind = settings.pop("kind", None)
    known = isinstance(kind, str) and (kind in _SCORERS or kind == _CHAINED)
    if not known:
        raise ConfigError(
            expected=f"a policy of kind {_KNOWN}",
            came=repr(kind),
            do="Use a known kind, or a newer version of the package.",
        )
    if kind == _CHAINED:
        return _chained(settings)
    try:
        return _SCORERS[kind](**settings)
    except TypeError as error:
        raise ConfigError(
            expected=f"the settings of the policy '{kind}'",
            came=str(error),
            do="Remove unknown settings and give each that is missing.",
        ) from None


def policy_name(policy: ListPolicy) -> str:
    """Return what a policy is called in reports.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.

    Returns
    -------
    str
        Its kind, for example ``"uplift"``; of a chained one ``"uplift, constrained"``.
    """
    if not isinstance(policy, ChainedPolicy):
        return policy.kind
    return ", ".join([policy.scorer.kind, *(rule.kind for rule in policy.rules)])


def _chained(settings: dict[str, Any]) -> ChainedPolicy:
    scorer, rules = settings.get("scorer"), settings.get("rules")
    if set(settings) != {"scorer", "rules"} or not (
        isinstance(scorer, Mapping)
        and isinstance(rules, list | tuple)
        and all(isinstance(rule, Mapping) and rule.get("kind") in _RULES for rule in rules)
    ):
        raise ConfigError(
            expected="a scorer (a policy) and a list of rules of kind "
            f"{' or '.join(_RULES)} in the policy 'chained'",
            came=repr(settings),
            do="Remove unknown settings and give each that is missing.",
        )
    first = policy_from_dict(scorer)
    if isinstance(first, ChainedPolicy):
        raise ConfigError(
            expected="the scorer base, uplift or blend",
            came="another chained policy",
            do="Put all rules into one list.",
        )
    return ChainedPolicy(first, tuple(_RULES[rule["kind"]](**rule) for rule in rules))
