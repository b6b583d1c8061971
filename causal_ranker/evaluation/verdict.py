"""The first sentence of a report: whether re-ranking causes more, or that nobody can tell."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.wording import decimals_for, percent, range_text, signed_text

if TYPE_CHECKING:
    from causal_ranker.errors import OverlapError

__all__ = ["refusal", "verdict"]


def verdict(evaluation: Evaluation, *, policy: str, outcome: str = "plays") -> str:
    """Say plainly whether a policy beats the baseline, and on what that rests.

    Parameters
    ----------
    evaluation : Evaluation
        The evidence.
    policy : str
        The policy that was frozen before these data were read.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    str
        The verdict in the first sentence, with its interval and the requests behind it; clusters
        and the share left out after it, and how many attempts to show it false succeeded, if any.
        It beats the baseline only if the interval of the paired
        difference excludes 0.

    Raises
    ------
    ConfigError
        If the policy was not compared.
    """
    return f"{_finding(evaluation, policy, outcome)} {_grounds(evaluation)}{_doubts(evaluation)}"


def refusal(error: OverlapError) -> str:
    """Say plainly that there is no figure, and why; what to do about it comes after.

    Parameters
    ----------
    error : OverlapError
        Why these logs do not tell what would have happened otherwise.

    Returns
    -------
    str
        The verdict of a report without figures.
    """
    return (
        "These logs cannot say what re-ranking causes, so no figure is given: "
        f"expected {error.expected}; got {error.came}. {error.do}"
    )


def _finding(evaluation: Evaluation, policy: str, outcome: str) -> str:
    comparison, scope = evaluation.comparison, evaluation.scope
    gain = comparison.result(policy).difference
    name = comparison.baseline
    other = "the base list" if name == "base" else f"the list of {name}"
    start = f"Re-ranking by {policy}"
    rows = f"on {scope.requests:,} requests with {comparison.k} slots each"
    if gain.low == gain.high:
        return f"{start} makes no difference to {other}: both show the same items, {rows}."
    size = f"{signed_text(gain.point, decimals=decimals_for([gain]))} {outcome} per 100 slots"
    ends = range_text(gain, decimals=decimals_for([gain]))
    level = percent(comparison.level)
    if not (isfinite(gain.low) and isfinite(gain.high)):
        return (
            f"{start} cannot be told from {other}: the difference is {size}, {rows}, and too few "
            "users or units stand behind it for an interval."
        )
    if gain.low > 0:
        return f"{start} causes {size} more than {other} ({level} {ends}), {rows}."
    if gain.high < 0:
        return f"{start} causes fewer {outcome} than {other}: {size} ({level} {ends}), {rows}."
    return (
        f"{start} shows no evidence of a difference to {other}: {size} ({level} {ends}, which "
        f"includes 0), {rows}."
    )


def _grounds(evaluation: Evaluation) -> str:
    scope = evaluation.scope
    units = "" if scope.units is None else f" and by {scope.units:,} units of assignment"
    left_out = evaluation.share_left_out
    rest = (
        f" Left out for want of overlap: {percent(left_out)} of the candidates." if left_out else ""
    )
    return f"The interval is clustered by {scope.users:,} users{units}.{rest}"


def _doubts(evaluation: Evaluation) -> str:
    refutation = evaluation.refutation
    failed = 0 if refutation is None else refutation.count("failed")
    if refutation is None or not failed:
        return ""
    tried = len(refutation.checks) - refutation.count("not run")
    return f" {failed} of {tried} attempts to show it false succeeded: see 'Can this be false?'."
