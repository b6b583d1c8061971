"""What a demonstration hands over to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker

__all__ = ["Demonstration"]


@dataclass(frozen=True)
class Demonstration:
    """A finished run of the chain.

    Attributes
    ----------
    ranker : CausalRanker
        The fitted ranker.
    report : Report
        What it found.
    model : Path
        The published bundle.
    truth : mapping of str to float, or None
        True uplift@k by policy, where the world's truth is known.
    offers : mapping of id to list of (item, base score), or None
        Base lists by user, where the bundle holds no base model of its own.
    names : mapping of id to str
        What to call an item on the console; its id where it has no name.
    """

    ranker: CausalRanker
    report: Report
    model: Path
    truth: Mapping[str, float] | None
    offers: Mapping[int | str, list[tuple[int | str, float]]] | None
    names: Mapping[int | str, str]
