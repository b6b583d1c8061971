"""The first sentence of a report: whether the re-ranked list causes more than the base list."""

from __future__ import annotations

from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.wording import decimals_for, percent, range_text, signed_text

__all__ = ["verdict"]


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
        The verdict in the first sentence; requests, clusters and the share left out after it.
        It beats the baseline only if the interval of the paired difference excludes 0.

    Raises
    ------
    ConfigError
        If the policy was not compared.
    """
    return f"{_finding(evaluation, policy, outcome)} {_grounds(evaluation)}"


def _finding(evaluation: Evaluation, policy: str, outcome: str) -> str:
    comparison = evaluation.comparison
    gain = comparison.result(policy).difference
    name = comparison.baseline
    other = "the base list" if name == "base" else f"the list of {name}"
    if gain.low == gain.high:
        return f"Re-ranking by {policy} does not beat {other}: both show the same items."
    decimals = decimals_for([gain])
    interval = f"({percent(comparison.level)} {range_text(gain, decimals=decimals)})"
    size = f"{signed_text(gain.point, decimals=decimals)} {outcome} per 100 slots"
    if gain.low > 0:
        return f"Re-ranking by {policy} causes {size} more than {other} {interval}."
    start = f"Re-ranking by {policy} does not beat {other}:"
    if gain.high < 0:
        return f"{start} it causes fewer {outcome}, a difference of {size} {interval}."
    return f"{start} the difference is {size} {interval}, and the interval includes 0."


def _grounds(evaluation: Evaluation) -> str:
    scope = evaluation.scope
    units = "" if scope.units is None else f" and by {scope.units:,} units of assignment"
    left_out = evaluation.share_left_out
    rest = (
        f" Left out for want of overlap: {percent(left_out)} of the candidates." if left_out else ""
    )
    return (
        f"Estimated on {scope.requests:,} requests with {evaluation.comparison.k} slots each; "
        f"the interval is clustered by {scope.users:,} users{units}.{rest}"
    )
