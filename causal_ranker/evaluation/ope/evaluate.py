"""The door: the value of a new policy from logged lists, by several estimators in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.estimators import ESTIMATORS, Added, Estimator, Logs
from causal_ranker.evaluation.ope.model import ModelValues, Predictions, model_values
from causal_ranker.evaluation.ope.policies import Array, ListPolicy, LoggingPolicy
from causal_ranker.evaluation.ope.result import PolicyEstimate, PolicyEstimates
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.support import MissingSupport, missing_support
from causal_ranker.evaluation.ope.weights import ListWeights, effective_lists
from causal_ranker.stats.intervals import Interval, clustered_mean, clustered_ratio

__all__ = ["evaluate_policy", "evaluate_weighted"]

# The mean weight expects 1 minus the share of lists without support, and is below it where lists
# hardly ever logged were not drawn. Refused is what this interval puts below 1 by more than this,
# which leaves room for propensities that were written with two digits.
_SURE: Final = 0.999
_TOLERATED: Final = 0.01


def evaluate_policy(
    slates: LoggedSlates,
    logging: LoggingPolicy,
    *,
    target: ListPolicy,
    estimators: Sequence[str] = ("ips", "snips", "iips", "rips"),
    predictions: Predictions | None = None,
    k: int | None = None,
    config: OpeConfig | None = None,
) -> PolicyEstimates:
    """Estimate what the lists of a new policy would have brought.

    Parameters
    ----------
    slates : LoggedSlates
        Lists that were shown, and their rewards.
    logging : LoggingPolicy
        Who drew them: a policy, their logged propensities, or a `Mixture` of several.
    target : ListPolicy
        The new policy, for the same requests and columns of candidates.
    estimators : sequence of str
        Names from `causal_ranker.evaluation.ope.estimators.ESTIMATORS`.
    predictions : callable, optional
        From a slot (0 is the first) to the predicted reward of each candidate in it, shape
        (n, candidates); ``dm``, ``dr``, ``cascade_dr``, ``switch`` and ``shrinkage`` read it. They
        must not have been learned from the rewards of the lists that they are about.
    k : int, optional
        Slots that count, from the first; all of them by default.
    config : OpeConfig, optional
        When to refuse, caps, the level of intervals.

    Returns
    -------
    PolicyEstimates
        Reward per list by each estimator, with intervals clustered by user (and by the slates'
        second cluster).

    Raises
    ------
    OverlapError
        If every estimator asked refuses: the new lists have no support in the log, its weights
        are too few effective lists, or their mean is surely below 1. If only some do, their
        reasons stand beside the others' figures.
    ConfigError
        If an estimator's name is unknown, it lacks what it reads, or k is above the length of the
        lists.
    RowError
        If a logged list has propensity 0.
    SchemaError
        If lists, policies and predictions are not of the same requests and candidates.
    """
    shown = slates if k is None else slates.first(k)
    weights = ListWeights(shown.items, logging, target)
    wanted = any(name in ESTIMATORS and ESTIMATORS[name].needs_model for name in estimators)
    model = None
    if wanted and predictions is not None:
        model = model_values(predictions, weights.items, target=target)
    return evaluate_weighted(shown, weights, estimators=estimators, model=model, config=config)


def evaluate_weighted(
    slates: LoggedSlates,
    weights: ListWeights,
    *,
    estimators: Sequence[str],
    model: ModelValues | None = None,
    config: OpeConfig | None = None,
) -> PolicyEstimates:
    """Do as `evaluate_policy` does, with weights that other outcomes of the lists share.

    Parameters
    ----------
    slates : LoggedSlates
        Lists that were shown, and their rewards.
    weights : ListWeights
        Of these lists.
    estimators : sequence of str
        Names of estimators.
    model : ModelValues, optional
        From `causal_ranker.evaluation.ope.model.model_values`, of these lists.
    config : OpeConfig, optional
        As in `evaluate_policy`.

    Returns
    -------
    PolicyEstimates
        As from `evaluate_policy`.

    Raises
    ------
    CausalRankerError
        As `evaluate_policy`.
    """
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown or not len(estimators):
        raise ConfigError(
            expected=f"estimators among {', '.join(ESTIMATORS)}",
            came=", ".join(map(repr, unknown)) or "none",
            do="Correct the names.",
        )
    if not np.array_equal(slates.items, weights.items):
        raise ConfigError(
            expected="weights of the lists that are evaluated",
            came="weights of others",
            do="Build them from slates.items.",
        )
    settings = config or OpeConfig()
    logs = Logs(slates=slates, weights=weights, model=model, config=settings)
    missing = missing_support(weights.logging, weights.target, k=slates.slots, seed=settings.seed)
    found: list[PolicyEstimate] = []
    refusals: dict[str, OverlapError] = {}
    for name in dict.fromkeys(estimators):
        try:
            found.append(_estimate(name, logs, missing))
        except OverlapError as refusal:
            refusals[name] = refusal
    if not found:
        raise next(iter(refusals.values()))
    return PolicyEstimates(
        lists=len(slates),
        k=slates.slots,
        level=settings.level,
        missing=missing,
        estimates=tuple(found),
        refusals=refusals,
    )


def _estimate(name: str, logs: Logs, missing: MissingSupport | None) -> PolicyEstimate:
    estimator = ESTIMATORS[name]
    if name != "dm" and missing is not None:
        _refuse_missing(
            missing.lists if estimator.whole_lists else missing.slots,
            what="lists" if estimator.whole_lists else "lists with an item in a slot",
            logs=logs,
        )
    added = estimator.add(logs)
    effective = float(len(logs.slates))
    mean_weight = float("nan")
    if added.used is not None:
        raw = _raw(estimator, name, logs)
        mean_weight = float(raw.mean())
        if added.share_kept < logs.config.least_kept_share:
            raise OverlapError(
                expected=f"caps and taming that keep a share of {logs.config.least_kept_share:g} "
                f"of the weights for {name!r}",
                came=f"{added.share_kept:.2%}",
                do="Raise the cap, the bound or lambda, or log with more exploration: there is "
                "hardly any weight left to hold the new policy's lists against the logged ones.",
            )
        effective = effective_lists(added.used)
        if effective < logs.config.least_effective_lists:
            raise OverlapError(
                expected=f"at least {logs.config.least_effective_lists:g} effective lists "
                f"for {name!r}",
                came=f"{effective:.1f} from {len(logs.slates):,} logged lists",
                do="Log more lists or with more exploration, evaluate a policy that is closer, or "
                "use an estimator that weighs slots.",
            )
        _refuse_low_mean(raw, logs, shortfalls=logs.slates.slots if name == "pi" else 1)
    total, by_slot = _intervals(added, logs)
    scale = 1.0
    if added.normalised and added.used is not None:
        scale = float(added.used.mean())
    return PolicyEstimate(
        estimator=name,
        assumes=estimator.assumes,
        value=total,
        by_slot=by_slot,
        per_list=added.by_slot.sum(axis=1) / scale,
        effective_lists=effective,
        mean_weight=mean_weight,
        share_capped=added.share_capped,
        share_kept=added.share_kept,
        setting=added.setting,
    )


def _raw(estimator: Estimator, name: str, logs: Logs) -> Array:
    """Return the weights before they were capped or tamed."""
    if name == "pi":
        return logs.weights.linear[:, None]
    if not estimator.whole_lists:
        return logs.weights.slot
    return logs.weights.prefix[:, -1:]


def _refuse_missing(share: float, *, what: str, logs: Logs) -> None:
    if share > logs.config.most_missing_share:
        raise OverlapError(
            expected=f"logged support for the new policy's {what}, but for a share of "
            f"{logs.config.most_missing_share:g}",
            came=f"{share:.2%} of them that the logging policy never shows",
            do="Evaluate a policy within the logged candidates, or log with exploration; "
            "most_missing_share=... leaves these lists out of the claim.",
        )


def _refuse_low_mean(raw: Array, logs: Logs, *, shortfalls: int) -> None:
    """Refuse where the new policy's lists are missing from the log, whatever its support says.

    A list that is hardly ever logged is not drawn, and then even weights tell of many effective
    lists. The mean of weights sees it, also where some are below 0. That of the pseudo-inverse
    lacks the missing shares of all slots, so that a list counts up to `shortfalls` times.
    """
    slates = logs.slates
    level = 1.0 - (1.0 - _SURE) / raw.shape[1]
    means = [
        clustered_mean(column, slates.user, second_cluster=slates.second_cluster, level=level)
        for column in raw.T
    ]
    mean = min(means, key=lambda each: each.high)
    share = (1.0 - mean.high) / shortfalls
    if share > max(logs.config.most_missing_share, _TOLERATED / shortfalls):
        raise OverlapError(
            expected="weights with mean 1, as they have where every new list may be logged",
            came=f"a mean of {mean.point:.3g}, at most {mean.high:.3g}: at least {share:.1%} of "
            "the new policy's lists have no support, or so little that none was logged",
            do="Check the propensities, log more lists or with more exploration, or evaluate a "
            "policy within what was logged.",
        )


def _intervals(added: Added, logs: Logs) -> tuple[Interval, tuple[Interval, ...]]:
    slates, level = logs.slates, logs.config.level
    columns = [added.by_slot.sum(axis=1), *added.by_slot.T]

    def of(values: Array) -> Interval:
        if added.normalised and added.used is not None:
            return clustered_ratio(
                values,
                added.used[:, 0],
                slates.user,
                second_cluster=slates.second_cluster,
                level=level,
            )
        return clustered_mean(
            values, slates.user, second_cluster=slates.second_cluster, level=level
        )

    total, *by_slot = map(of, columns)
    return total, tuple(by_slot)
