"""What the worst items gain, and what it costs users: fairness over utility."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from causal_ranker.coldstart.choice import NDCG_AT
from causal_ranker.coldstart.metrics import ListMetrics
from causal_ranker.errors import EmptyError
from causal_ranker.reporting.blocks import Figure
from causal_ranker.reporting.figures import trade_offs

__all__ = ["frontier_figure", "undominated"]

Point = tuple[float, float]


def undominated(points: Iterable[Point]) -> list[Point]:
    """Return what no other ranking beats on utility and fairness at once.

    Parameters
    ----------
    points : iterable of two floats
        NDCG@15 and mean gain of the 10 % worst items, of rankings of one set of items.

    Returns
    -------
    list of two floats
        NDCG@15 and mean gain of the 10 % worst items, by falling NDCG@15 and rising gain.
    """
    kept: list[Point] = []
    for utility, fairness in sorted(set(points), reverse=True):
        if not kept or fairness > kept[-1][1]:
            kept.append((utility, fairness))
    return kept


def frontier_figure(methods: Mapping[str, Sequence[ListMetrics]]) -> Figure:
    """Draw the frontier of each method.

    Parameters
    ----------
    methods : mapping of str to sequence of ListMetrics
        Rankings of each method at its strengths, all judged on one set of items; a method may
        have one.

    Returns
    -------
    Figure
        Utility along, fairness up; the more to the upper right, the better.

    Raises
    ------
    EmptyError
        If there is no method, or one without rankings.
    """
    frontiers = {
        name: undominated(
            (each.utility[NDCG_AT].ndcg, each.fairness.lowest[10]) for each in rankings
        )
        for name, rankings in methods.items()
    }
    if not frontiers or not all(frontiers.values()):
        raise EmptyError(
            expected="at least one ranking of each method",
            came=f"{len(frontiers)} methods, of which without rankings: "
            f"{[name for name, points in frontiers.items() if not points]}",
            do="Judge a ranking of each method first.",
        )
    drawing = partial(
        trade_offs,
        {
            name: ([utility for utility, _ in points], [fairness for _, fairness in points])
            for name, points in frontiers.items()
        },
        xlabel=f"NDCG@{NDCG_AT} (mean over users)",
        ylabel="gain of the 10 % worst items",
    )
    ends = "; ".join(
        f"{name}: {points[0][1]:.4f} at {points[0][0]:.4f}"
        + (f" to {points[-1][1]:.4f} at {points[-1][0]:.4f}" if len(points) > 1 else "")
        for name, points in frontiers.items()
    )
    return Figure(
        drawing,
        "Mean Discounted Gain of the items that are found the least, over what lists are "
        "worth to users. Only rankings that no other of the same method beats on both.",
        f"Gain of the 10 % worst items at NDCG@{NDCG_AT}, by method: {ends}.",
    )
