"""The settings of a ranker, checked before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, Final, Literal

from causal_ranker.chain.config import ChainConfig
from causal_ranker.errors import ConfigError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.reranking.chained import ChainedPolicy, ListPolicy
from causal_ranker.reranking.description import policy_from_dict
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy, UpliftPolicy
from causal_ranker.uplift.factory import LEARNERS

__all__ = ["PolicySetting", "check_settings", "chosen_policy"]

#: A policy by name, as an object or as its JSON object.
PolicySetting = Literal["auto", "uplift", "blend", "base"] | ListPolicy | Mapping[str, Any]

_POLICIES: Final = ("auto", "uplift", "blend", "base")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse a setting that would act as another one, or fail only deep inside.

    Parameters
    ----------
    settings : mapping of str to values
        Parameters of `causal_ranker.ranker.CausalRanker`, by name.

    Raises
    ------
    ConfigError
        If one is not what the class says.
    """
    base, config = settings["base"], settings["config"]
    named = base is None or (isinstance(base, str) and base == "boosted")
    # A class has the method, too, but nobody to call it on.
    other = isinstance(base, BaseRecommender) and not isinstance(base, type)
    rules: dict[str, tuple[bool, str]] = {
        "learner": (settings["learner"] in LEARNERS, "one of " + ", ".join(map(repr, LEARNERS))),
        "policy": (
            _is_policy(settings["policy"]),
            " or ".join(map(repr, _POLICIES)) + ", a policy of causal_ranker.reranking or its "
            "JSON object",
        ),
        "base": (named or other, "None, 'boosted' or an object with the method candidates"),
        "k": (_is_whole(settings["k"], least=1), "a whole number of 1 or more"),
        "seed": (_is_whole(settings["seed"], least=0), "a whole number of 0 or more"),
        "checkpoint": (
            settings["checkpoint"] is None or isinstance(settings["checkpoint"], str | Path),
            "None or the path of a folder",
        ),
        "config": (config is None or isinstance(config, ChainConfig), "None or a ChainConfig"),
    }
    if (
        settings["learner"] == "auto"
        and isinstance(config, ChainConfig)
        and config.dr.final.monotone
    ):
        raise ConfigError(
            expected="monotone features in the final stages of config.candidates, as "
            "learner='auto' reads no other",
            came=f"config.dr.final.monotone = {config.dr.final.monotone}",
            do="Set them there, or name the learner that is to keep them.",
        )
    for name, (kept, rule) in rules.items():
        if not kept:
            value = settings[name]
            came = repr(value) if isinstance(value, str | int | float) else str(type(value))
            do = f"Set {name} of CausalRanker so and fit again."
            raise ConfigError(expected=f"{rule} as {name}", came=came, do=do)


def chosen_policy(
    policy: PolicySetting, config: ChainConfig | None
) -> Literal["auto", "uplift", "blend", "base"] | ListPolicy:
    """Return the policy that was asked for; "auto" leaves it to the config, where that has one.

    Parameters
    ----------
    policy : str, Policy, ChainedPolicy or mapping
        The setting of the ranker.
    config : ChainConfig or None
        The config.

    Returns
    -------
    str, Policy or ChainedPolicy
        One of the names, or a policy.

    Raises
    ------
    ConfigError
        If a JSON object is not that of a policy.
    """
    if policy == "auto" and config is not None and config.policy is not None:
        return policy_from_dict(config.policy)
    if isinstance(policy, Mapping):
        return policy_from_dict(policy)
    return policy


def _is_policy(value: Any) -> bool:
    if isinstance(value, str):
        return value in _POLICIES
    if isinstance(value, Mapping):
        policy_from_dict(value)  # says itself what is wrong
        return True
    return isinstance(value, BasePolicy | UpliftPolicy | BlendPolicy | ChainedPolicy)


def _is_whole(value: Any, *, least: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
