"""The card of a published model: what it is, what it was found to do, and what it is not for.

It is made of the bundle alone: whoever holds a model can make its card, and nobody can forget to
bring one up to date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from causal_ranker.reporting.blocks import Document, Section, Table, Text
from causal_ranker.reranking.description import policy_to_dict
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.schema import FeatureSchema

__all__ = ["model_card"]

#: What the manifest says of a model that `CausalRanker` evaluated before it was saved.
_COMPARED: Final = frozenset({"policy", "difference_to_base", "low", "high", "requests"})
_SOURCES: Final = {
    "user": "the user's row of the snapshot, or of the store",
    "item": "the item's row of the snapshot, or of the store",
    "pair": "the history of user and item together, from the same place",
    "moment": "the request, or else its clock and the snapshot's defaults",
    "base": "the base recommender",
}
_FOR: Final = (
    "Ranks a request's candidates by the plays that happen because an item was shown: the effect "
    "of placing it in the slate, all else at its natural course."
)
_NOT_FOR: Final = (
    "Uplifts are no chances of a play, and no effects of viewing. They hold where users, items and "
    "the ranker that logged are like those of the training window.",
    "Every candidate is ranked, also those for which the logs held no comparison: of candidates "
    "outside the overlap band the evaluation says nothing.",
    "Where propensities were not logged, effects are observational: they hold if whatever drives "
    "both being shown and playing is among the features that it reads.",
    "How the items of a new list take plays from each other is not in the model.",
)


def model_card(bundle: Bundle) -> Document:
    """Say what a published model is.

    Parameters
    ----------
    bundle : Bundle
        As `causal_ranker.serving.bundle.load_bundle` reads it, every hash checked.

    Returns
    -------
    Document
        For `causal_ranker.reporting`: what it is for, what was found, what it reads, its parts, and
        what it is not for.
    """
    return Document(
        title=f"Model {bundle.version}",
        verdict=_verdict(bundle.manifest.evaluation),
        sections=[
            Section("What it is for", [Text(_FOR)]),
            Section("What was found before it was published", _found(bundle.manifest.evaluation)),
            Section("What it reads", [_features(bundle.uplift.plan.schema)]),
            Section("What it is made of", [Table(("part", "is"), _parts(bundle))]),
            Section("What it is not for", [Text(words) for words in _NOT_FOR]),
        ],
        meta={
            "version": bundle.version,
            "published": bundle.manifest.created_at,
            "trained on": " to ".join(bundle.manifest.training_window),
            "package": bundle.manifest.package_version,
            "format": bundle.manifest.format_version,
            "files, each with its hash": len(bundle.manifest.files),
        },
    )


def _verdict(told: Mapping[str, Any]) -> str:
    if not told:
        return "Nothing says what this model brings: it was published without an evaluation."
    if not told.keys() >= _COMPARED:
        return "Evaluated before it was published; the figures are those of whoever published it."
    point, low, high = (100 * told[name] for name in ("difference_to_base", "low", "high"))
    if low > 0:
        words = "brings more than the base list"
    elif high < 0:
        words = "brings less than the base list"
    else:
        words = "may bring more or less than the base list"
    return (
        f"The policy {told['policy']} {words}: {point:+.2f} plays per 100 slots (95 % {low:+.2f} "
        f"to {high:+.2f}), on {told['requests']:,} requests after its training window."
    )


def _found(told: Mapping[str, Any]) -> list[Text | Table]:
    if not told:
        return [Text("Nothing. Evaluate it on later logs before it answers.")]
    rows = [
        (name, value if isinstance(value, int | float | str) else json.dumps(value))
        for name, value in told.items()
    ]
    return [Table(("figure", "value"), rows, "As the manifest holds them; plays per slot.")]


def _features(schema: FeatureSchema) -> Table:
    groups: dict[str, list[str]] = {}
    for feature in schema.features:
        levels = "" if feature.levels is None else f" ({len(feature.levels)} levels)"
        groups.setdefault(feature.group, []).append(f"{feature.name}{levels}")
    rows = [
        (_SOURCES[group], len(groups[group]), ", ".join(groups[group]))
        for group in _SOURCES
        if group in groups
    ]
    return Table(("from", "features", "names"), rows)


def _parts(bundle: Bundle) -> Sequence[tuple[str, str]]:
    snapshot, width = bundle.snapshot, bundle.width
    return [
        ("policy", json.dumps(policy_to_dict(bundle.policy))),
        ("users and items known", f"{snapshot.users.ids.size:,} and {snapshot.items.ids.size:,}"),
        (
            "candidates of its own",
            "every item" if bundle.candidates is None else "a list for each user known",
        ),
        (
            "base model",
            "none: requests bring base scores" if bundle.base is None else "scores candidates",
        ),
        (
            "intervals of uplift",
            "none" if width is None else f"{100 * width.level:g} %, from a model of half-widths",
        ),
    ]
