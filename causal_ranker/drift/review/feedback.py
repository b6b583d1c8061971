"""What verdicts on alerts do to thresholds.

The rule: a signal that was called a false alarm must be larger than every one of them by a margin
to be told again; but never so large that an alarm which was called real drift would be missed.
The threshold that was learned or asked for stays the least. Nothing is kept of it: it is worked
out anew from the verdicts that stand, so that a later verdict takes it back.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from causal_ranker.drift.protocol import DetectorConfig
from causal_ranker.drift.review.entries import Alert, Entry, VerdictKind, standing

__all__ = ["MARGIN", "MONITOR", "Raised", "held_to", "raised_effects"]

#: The name of the monitor of columns as a detector.
MONITOR: Final = "monitor"
#: How many times as large as the largest false alarm a signal must be.
MARGIN: Final = 1.1

_Detector = TypeVar("_Detector", bound=DetectorConfig)


@dataclass(frozen=True)
class Raised:
    """A signal that must be larger than it was.

    Parameters
    ----------
    detector, subject : str
        As in `causal_ranker.drift.review.entries.Alert`.
    segment : str or None
        The segment of rows; None for all.
    signal : str
        The signal.
    effect : float
        Smallest effect size that is told.
    false_alarms : int
        How many alarms were called false.
    """

    detector: str
    subject: str
    segment: str | None
    signal: str
    effect: float
    false_alarms: int


def raised_effects(entries: Iterable[Entry]) -> tuple[Raised, ...]:
    """Work out which signals must be larger, from the verdicts that stand.

    Parameters
    ----------
    entries : iterable of Entry
        A queue's alerts; rows have no say here.

    Returns
    -------
    tuple of Raised
        In the order of detector, subject, segment and signal. Infinite effects are left out, as
        no larger one could be asked for.
    """
    wrong: dict[tuple[str, str, str | None, str], list[float]] = defaultdict(list)
    right: dict[tuple[str, str, str | None, str], list[float]] = defaultdict(list)
    for entry in entries:
        verdict, about = standing(entry), entry.about
        if verdict is None or not isinstance(about, Alert):
            continue
        for signal, effect in about.signals.items():
            key = (about.detector, about.subject, about.segment, signal)
            if verdict.kind is VerdictKind.FALSE_ALARM and math.isfinite(effect):
                wrong[key].append(effect)
            elif verdict.kind is VerdictKind.REAL_DRIFT:
                right[key].append(effect)
    return tuple(
        Raised(*key, min([MARGIN * max(effects), *right[key]]), len(effects))
        for key, effects in sorted(wrong.items(), key=lambda pair: tuple(map(str, pair[0])))
    )


def held_to(
    detector: _Detector,
    raised: Iterable[Raised],
    *,
    name: str,
    subject: str = "",
    segment: str | None = None,
) -> _Detector:
    """Have a detector ask for the effect that verdicts call for.

    Parameters
    ----------
    detector : DetectorConfig
        The detector, fitted or not; it stays as it is.
    raised : iterable of Raised
        Of `raised_effects`.
    name, subject, segment : str
        Under which its alerts entered the queue.

    Returns
    -------
    DetectorConfig
        A copy with all that was learned, whose least effect is the larger of its own and the
        raised one.
    """
    effects = [
        each.effect
        for each in raised
        if (each.detector, each.subject, each.segment, each.signal)
        == (name, subject, segment, name)
    ]
    least = max([detector.least_effect, *effects])
    return detector.model_copy(update={"least_effect": least})
