"""What is said of one thing that was judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from causal_ranker.drift.columns import AlertLevel, Track
from causal_ranker.drift.protocol import Decision
from causal_ranker.drift.verdict import Finding

__all__ = ["Check"]


@dataclass(frozen=True)
class Check:
    """One thing that was judged: all columns together, or what tells of a model.

    Parameters
    ----------
    name : str
        What was judged, after where it is from if not from the monitored tables.
    level : {"quiet", "watch", "alarm"}
        How far it moved.
    rows : tuple of int
        Rows of the reference and of the window that were looked at.
    before, now : float or None
        Means; of effects in plays per impression.
    decision : Decision or None
        None where nothing can be told.
    cannot_tell : str or None
        Why not.
    more : dict of str to value
        What stands beside the decision: an estimate and whether it can be believed, effects by
        group, a proxy's weight, the columns that tell a window from its reference.
    finding : Finding or None
        What it calls for.
    track : Track or None
        Its means by day; None without days.
    """

    name: str
    level: AlertLevel
    rows: tuple[int, int]
    before: float | None
    now: float | None
    decision: Decision | None
    cannot_tell: str | None
    more: dict[str, Any]
    finding: Finding | None
    track: Track | None = field(repr=False)
