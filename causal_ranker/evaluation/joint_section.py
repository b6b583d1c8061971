"""The section on cold and warm items in one list."""

from __future__ import annotations

from math import isfinite

from causal_ranker.evaluation.joint import AgeGain, JointLists, JointPolicy
from causal_ranker.evaluation.wording import decimals_for, interval_text, percent, range_text
from causal_ranker.reporting.blocks import Block, Section, Table, Text

__all__ = ["joint_section"]


def joint_section(found: JointLists, *, outcome: str = "plays") -> Section:
    """Return exposure, uplift and Mean Discounted Gain of cold and warm items.

    Parameters
    ----------
    found : JointLists
        Cold and warm items in the lists of some policies.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        A sentence, a table of exposure and uplift, and one of gain by age.
    """
    k = found.k
    effects = [effect for each in found.policies for effect in (each.cold, each.warm)]
    changes = [
        effect for each in found.policies for effect in (each.cold_difference, each.warm_difference)
    ]
    digits, smaller = decimals_for(effects), decimals_for(changes)
    per_slots = f"{outcome} per 100 slots"
    blocks: list[Block] = [
        Text(_sentence(found, outcome=outcome)),
        Table(
            [
                "policy",
                "slots of cold items (%, 95 % interval)",
                f"caused by cold slots ({per_slots})",
                f"by warm slots ({per_slots})",
                f"cold, difference to {found.baseline} ({per_slots})",
                f"warm, difference to {found.baseline} ({per_slots})",
            ],
            [
                [
                    each.policy,
                    _share(each),
                    interval_text(each.cold, decimals=digits),
                    interval_text(each.warm, decimals=digits),
                    *(
                        "reference"
                        if each.policy == found.baseline
                        else interval_text(x, decimals=smaller)
                        for x in (each.cold_difference, each.warm_difference)
                    ),
                ]
                for each in found.policies
            ],
            f"Per 100 slots of the whole list of {k}: cold and warm together are uplift@{k}, and "
            f"their differences that to {found.baseline}. {percent(found.candidates)} of the "
            "candidates are cold.",
        ),
    ]
    if found.ages:
        blocks.append(_ages(found, outcome=outcome))
    return Section("Cold and warm items", blocks)


def _sentence(found: JointLists, *, outcome: str) -> str:
    base, *others = found.policies
    said = (
        "New items have no logs, so that a list may leave them out whatever they are worth. "
        f"Of the slots of {base.policy}, {percent(base.cold_share.point)} hold a cold item"
    )
    for each in others:
        total = each.cold_difference.point + each.warm_difference.point
        more = "more" if total >= 0 else "fewer"
        said += (
            f"; of those of {each.policy}, {percent(each.cold_share.point)}, for "
            f"{abs(100 * total):.2g} {outcome} per 100 slots {more} than {base.policy}"
        )
    return f"{said}."


def _share(each: JointPolicy) -> str:
    share = each.cold_share
    return f"{100 * share.point:.3g} ({range_text(share, decimals=decimals_for([share]))})"


def _ages(found: JointLists, *, outcome: str) -> Table:
    causal = [each.policy for each in found.policies[1:]]
    gains = [gain for each in found.ages for gain in each.gain.values()]
    changes = [each.difference[name] for each in found.ages for name in causal]
    digits, smaller = decimals_for(gains), decimals_for(changes)
    return Table(
        [
            "age of the item (days)",
            "items",
            outcome,
            *(f"gain by {each.policy} (%)" for each in found.policies),
            *(f"{name}, difference to {found.baseline} (points)" for name in causal),
        ],
        [
            [
                _age(each),
                each.items,
                each.plays,
                *(f"{100 * each.gain[one.policy].point:.{digits}f}" for one in found.policies),
                *(interval_text(each.difference[name], decimals=smaller) for name in causal),
            ]
            for each in found.ages
        ],
        f"Mean Discounted Gain: over the users who played an item, whoever caused it, the mean of "
        f"1 / log2(1 + rank) where the item is in the list of {found.k}, and 0 elsewhere; then the "
        f"mean over items. 100 % where everybody finds it first. {outcome[:1].upper()}"
        f"{outcome[1:]} of the logs favour lists that are like those that were shown. Intervals "
        "over users hold 95 %.",
    )


def _age(each: AgeGain) -> str:
    if isfinite(each.to_days):
        return f"{each.from_days:g} to {each.to_days:g}"
    return f"{each.from_days:g} and more, or unknown"
