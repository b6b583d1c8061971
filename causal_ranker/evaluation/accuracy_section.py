"""The section that sets accuracy beside uplift."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from causal_ranker.evaluation.accuracy import ListAccuracy, PolicyAccuracy
from causal_ranker.evaluation.compare import PolicyComparison
from causal_ranker.evaluation.wording import decimals_for, interval_text, percent, signed_text
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.stats.logged_ranking import LoggedMetric

__all__ = ["accuracy_section"]


def accuracy_section(
    found: ListAccuracy, comparison: PolicyComparison, *, outcome: str = "plays"
) -> Section:
    """Return accuracy and causal metrics of every policy side by side.

    Parameters
    ----------
    found : ListAccuracy
        Accuracy, and uplift by other estimators.
    comparison : PolicyComparison
        The same policies' uplift@k, in the same order.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        A sentence; a table of accuracy; a table of uplift@k by three estimators.
    """
    k, one = comparison.k, outcome.removesuffix("s")
    uplifts = [result.uplift for result in comparison.results]
    digits = decimals_for(uplifts)
    lines = [
        [
            each.policy,
            signed_text(uplift.point, decimals=digits),
            *(
                _percent(value.point)
                for value in (
                    each.ndcg,
                    each.recall,
                    each.precision,
                    each.reciprocal_rank,
                    each.average_precision,
                )
            ),
            _percent(each.coverage),
            f"{each.novelty:.1f}",
        ]
        for each, uplift in zip(found.policies, uplifts, strict=True)
    ]
    return Section(
        "What accuracy says",
        [
            Text(_sentence(found, comparison, outcome=outcome)),
            Table(
                [
                    "policy",
                    f"uplift@{k} ({outcome} per 100 slots)",
                    f"NDCG@{k} (%)",
                    f"recall@{k} (%)",
                    f"precision@{k} (%)",
                    f"MRR@{k} (%)",
                    f"MAP@{k} (%)",
                    "coverage (% of items)",
                    "novelty (bits per slot)",
                ],
                lines,
                f"Accuracy over the {found.requests:,} requests with a {one} of a candidate: "
                f"{outcome} on any surface, whoever caused them. A perfect list has 100 % in NDCG, "
                f"MRR and MAP. Coverage: share of the {found.items:,} candidate items that some "
                f"list shows. Novelty: mean of -log2 of the item's share of earlier {outcome}.",
            ),
            _estimators(found.policies, comparison, outcome=outcome),
        ],
    )


def _sentence(found: ListAccuracy, comparison: PolicyComparison, *, outcome: str) -> str:
    known = [each for each in found.policies if isfinite(each.ndcg.point)]
    said = (
        f"Accuracy asks whether a list holds what is played, uplift whether it causes {outcome}. "
        "The logs favour lists that are like those that were shown, as what is shown is played more"
    )
    if not known:
        return f"{said}. No candidate was played."
    accurate = max(known, key=lambda each: each.ndcg.point).policy
    *others, last = _leaders(comparison)
    if others:
        level = f"in what they cause, {', '.join(others)} and {last} are level"
        return f"{said}. The most accurate list here is that of {accurate}; {level}."
    if accurate == last:
        return f"{said}. The list of {last} leads in both here."
    return f"{said}. The most accurate list here is that of {accurate}; most is caused by {last}."


def _leaders(comparison: PolicyComparison) -> list[str]:
    """Return the policy of the highest uplift, and those that it cannot be told from.

    Told apart are two whose paired differences to the baseline have intervals that do not overlap
    (the baseline's own is 0), and whose uplifts are not written alike.
    """
    results = comparison.results
    digits = decimals_for([result.uplift for result in results])
    best = max(results, key=lambda each: each.uplift.point)
    written = signed_text(best.uplift.point, decimals=digits)
    return [
        each.policy
        for each in results
        if not best.difference.low > each.difference.high
        or signed_text(each.uplift.point, decimals=digits) == written
    ]


def _estimators(
    policies: Sequence[PolicyAccuracy], comparison: PolicyComparison, *, outcome: str
) -> Table:
    k, level = comparison.k, percent(comparison.level)
    robust = decimals_for([result.uplift for result in comparison.results])
    dcg = decimals_for([each.causal_dcg for each in policies])
    ips, snips = (
        decimals_for([metric.interval for metric in found if metric is not None])
        for found in ([each.ips for each in policies], [each.snips for each in policies])
    )
    lines = [
        [
            each.policy,
            interval_text(result.uplift, decimals=robust),
            _metric(each.ips, decimals=ips),
            _metric(each.snips, decimals=snips),
            interval_text(each.causal_dcg, decimals=dcg),
            _sizes(each),
        ]
        for each, result in zip(policies, comparison.results, strict=True)
    ]
    return Table(
        [
            "policy",
            f"uplift@{k}, doubly robust ({level} interval)",
            f"by inverse propensities ({level} interval)",
            f"self-normalised ({level} interval)",
            f"causal DCG@{k} ({level} interval)",
            "effective rows shown / not shown",
        ],
        lines,
        f"uplift@{k} in {outcome} per 100 slots; causal DCG in {outcome} per 100 requests, each "
        "slot divided by log2(1 + rank). The estimators without outcome models are noisier and "
        "should agree within their intervals; no propensity is capped. They are refused below 100 "
        "effective rows.",
    )


def _metric(found: LoggedMetric | None, *, decimals: int) -> str:
    return "refused" if found is None else interval_text(found.interval, decimals=decimals)


def _sizes(each: PolicyAccuracy) -> str:
    if each.ips is None:
        return each.refused
    return f"{each.ips.effective_treated:,.0f} / {each.ips.effective_control:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:.3g}" if isfinite(value) else "n/a"
