"""What rankings of new items give users and items: tables, a page, and plain figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from causal_ranker.coldstart.choice import NDCG_AT, Choice
from causal_ranker.coldstart.metrics import ListMetrics
from causal_ranker.coldstart.uncertainty import gain_interval, ndcg_interval
from causal_ranker.config import FrozenConfig
from causal_ranker.reporting.blocks import Document, Section, Table
from causal_ranker.stats.intervals import Interval

__all__ = [
    "Rankings",
    "choice_section",
    "fairness_document",
    "judged_sections",
    "metric_figures",
]

#: By the name of their method: one ranking, or those of several strengths.
Rankings = Mapping[str, Sequence[ListMetrics]]


def judged_sections(rankings: Rankings) -> list[Section]:
    """Set rankings of the same items beside each other.

    Parameters
    ----------
    rankings : Rankings
        Judged on one set of items, at the same lengths of list.

    Returns
    -------
    list of Section
        Utility, then fairness.
    """
    every = [(name, each) for name, judged in rankings.items() for each in judged]
    lengths = list(every[0][1].utility)
    utility = [
        (
            name,
            _told(ndcg_interval(each, k=lengths[0])),
            *(each.utility[k].ndcg for k in lengths[1:]),
            *(each.utility[k].recall for k in lengths),
            *(each.utility[k].precision for k in lengths),
        )
        for name, each in every
    ]
    fairness = [
        (
            name,
            each.fairness.mean,
            _told(gain_interval(each, lowest=10)),
            *(each.fairness.lowest[share] for share in (20, 30, 50)),
            each.fairness.highest,
            each.fairness.zeros,
            each.fairness.audience_correlation,
        )
        for name, each in every
    ]
    first = every[0][1]
    return [
        Section(
            "Utility for users",
            [
                Table(
                    (
                        "ranking",
                        *(f"NDCG@{k}" for k in lengths),
                        *(f"recall@{k}" for k in lengths),
                        *(f"precision@{k}" for k in lengths),
                    ),
                    utility,
                    f"Means over {first.users:,} users; {first.users_left_out:,} without a "
                    "positive are left out. In brackets: 95 % intervals over users.",
                )
            ],
        ),
        Section(
            "Fairness to items",
            [
                Table(
                    (
                        "ranking",
                        "gain",
                        "10 % worst",
                        "20 % worst",
                        "30 % worst",
                        "50 % worst",
                        "10 % best",
                        "share never found",
                        "correlation with audience",
                    ),
                    fairness,
                    "Gain is Mean Discounted Gain: how high an item's own audience finds it, in "
                    f"the first hundred of {len(first.gains):,} items. In brackets: 95 % intervals "
                    "over users, which items are the worst held fixed.",
                )
            ],
        ),
    ]


def choice_section(choice: Choice[Any]) -> Section:
    """Show which strengths were tried on items held out, and which was chosen.

    Parameters
    ----------
    choice : Choice
        Of strengths whose settings are a config.

    Returns
    -------
    Section
        One table.
    """
    rows = [
        (
            "*" if config == choice.config else "",
            words,
            judged.utility[NDCG_AT].ndcg,
            judged.fairness.mean,
            judged.fairness.lowest[10],
        )
        for config, words, judged in [
            (None, "unchanged", choice.base),
            *((config, _settings(config), judged) for config, judged in choice.tried.items()),
        ]
    ]
    return Section(
        "Strengths tried on items held out",
        [
            Table(
                ("", "settings", f"NDCG@{NDCG_AT}", "gain", "gain, 10 % worst"),
                rows,
                f"* chosen: of what loses little NDCG@{NDCG_AT}, the best for the 10 % worst "
                "items. Gain is Mean Discounted Gain.",
            )
        ],
    )


def fairness_document(rankings: Rankings, *, meta: Mapping[str, object]) -> Document:
    """Make a page of rankings of the same items, with the frontier of each method.

    Parameters
    ----------
    rankings : Rankings
        Judged on one set of items at the same lengths of list, `NDCG_AT` among them. The first is
        what the others are set beside.
    meta : mapping of str to values
        How it came about.

    Returns
    -------
    Document
        The page.
    """
    from causal_ranker.coldstart.frontier import frontier_figure

    frontier = Section("Fairness over utility", [frontier_figure(rankings)])
    return Document(
        "New items",
        _verdict(rankings),
        [frontier, *judged_sections(rankings)],
        meta,
    )


def metric_figures(metrics: ListMetrics) -> dict[str, Any]:
    """Write what was judged as plain figures.

    Parameters
    ----------
    metrics : ListMetrics
        One ranking.

    Returns
    -------
    dict
        ``ndcg15``, ``recall15``, ``precision15`` and so on by length; ``mdg_mean``, ``mdg_min10``
        to ``mdg_min50``, ``mdg_max10``, ``mdg_zeros``, ``mdg_audience_correlation``; ends of 95 %
        intervals over users, ``mdg_min10_interval`` and that of the first length's NDCG; ``users``
        and ``items``.
    """
    found: dict[str, Any] = {}
    for k, utility in metrics.utility.items():
        found |= {
            f"ndcg{k}": utility.ndcg,
            f"recall{k}": utility.recall,
            f"precision{k}": utility.precision,
        }
    fairness = metrics.fairness
    found |= {
        "mdg_mean": fairness.mean,
        **{f"mdg_min{share}": gain for share, gain in fairness.lowest.items()},
        "mdg_max10": fairness.highest,
        "mdg_zeros": fairness.zeros,
        "mdg_audience_correlation": fairness.audience_correlation,
    }
    k = next(iter(metrics.utility))
    for name, interval in (
        (f"ndcg{k}", ndcg_interval(metrics, k=k)),
        ("mdg_min10", gain_interval(metrics, lowest=10)),
    ):
        found[f"{name}_interval"] = (interval.low, interval.high)
    return found | {"users": metrics.users, "items": len(metrics.gains)}


def _settings(config: FrozenConfig) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in config.model_dump().items())


def _told(interval: Interval) -> str:
    return f"{interval.point:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _verdict(rankings: Rankings) -> str:
    (base, (old, *_)), *others = rankings.items()
    points = [(name, each) for name, judged in others for each in judged]
    items = f"the 10 % worst of {len(old.gains):,} items"
    if not points:
        return f"{base} gives {items} {_worst(old)} and users {_ndcg(old)}."
    name, best = max(points, key=lambda point: point[1].fairness.lowest[10])
    return (
        f"{name} gives {items} {_worst(best)} instead of {_worst(old)}. Users have {_ndcg(best)} "
        f"instead of {_ndcg(old)} ({base})."
    )


def _worst(judged: ListMetrics) -> str:
    return f"a gain of {judged.fairness.lowest[10]:.4f}"


def _ndcg(judged: ListMetrics) -> str:
    return f"NDCG@{NDCG_AT} {judged.utility[NDCG_AT].ndcg:.4f}"
