"""What stands in a review queue: alerts and rows, and what people said of them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from causal_ranker.drift.protocol import Decision
from causal_ranker.errors import ConfigError

__all__ = ["VERDICTS", "Alert", "Entry", "Id", "Row", "Verdict", "VerdictKind", "standing"]

Id = int | str


class VerdictKind(StrEnum):
    """What a person can say."""

    REAL_DRIFT = "real_drift"
    """Of an alert: something moved, and it matters."""
    FALSE_ALARM = "false_alarm"
    """Of an alert: nothing that matters moved; such an alarm must be larger to come again."""
    KNOWN_CHANGE = "known_change"
    """Of an alert: it moved as planned; the detector was right, and stays as it is."""
    LABEL_CONFIRMED = "label_confirmed"
    """Of a row: its outcome is right."""
    LABEL_CORRECTED = "label_corrected"
    """Of a row: its outcome is the other one."""
    UNSURE = "unsure"
    """Of either: looked at, and not decided; it takes back what was said before."""


#: What can be said of which kind of entry.
VERDICTS: Final[Mapping[str, tuple[VerdictKind, ...]]] = {
    "alert": (
        VerdictKind.REAL_DRIFT,
        VerdictKind.FALSE_ALARM,
        VerdictKind.KNOWN_CHANGE,
        VerdictKind.UNSURE,
    ),
    "row": (VerdictKind.LABEL_CONFIRMED, VerdictKind.LABEL_CORRECTED, VerdictKind.UNSURE),
}


@dataclass(frozen=True)
class Alert:
    """A detector's alarm.

    Parameters
    ----------
    detector : str
        Which detector; "monitor" for those of columns.
    subject : str
        What it looked at, as a rule a column; "" for several together.
    segment : str or None
        The segment of rows; None for all.
    window : str
        Which window: the same alarm for the same window is one entry.
    statistic, threshold, effect_size : float
        As in `causal_ranker.drift.protocol.Decision`.
    p_value : float or None
        None where the detector has none.
    signals : dict of str to float
        Effect size by signal, of those that alarmed: what a verdict has thresholds learn from.
        Empty where there is no threshold, as of a column that is gone.
    """

    detector: str
    subject: str
    segment: str | None
    window: str
    statistic: float
    threshold: float
    p_value: float | None
    effect_size: float
    signals: dict[str, float]

    def __post_init__(self) -> None:
        for name in ("statistic", "threshold", "effect_size"):
            if math.isnan(getattr(self, name)):
                raise ConfigError(
                    expected=f"a {name} that is a number",
                    came=f"NaN from {self.detector}",
                    do="A detector that could not decide raises no alert.",
                )

    @classmethod
    def of(
        cls,
        decision: Decision,
        *,
        detector: str,
        window: str,
        subject: str = "",
        segment: str | None = None,
        signals: Mapping[str, float] | None = None,
    ) -> Alert:
        """Make an alert of a decision.

        Parameters
        ----------
        decision : Decision
            What the detector said.
        detector, window, subject, segment : str
            See `Alert`.
        signals : mapping of str to float, optional
            See `Alert`; by default the detector is its only signal.

        Returns
        -------
        Alert
            The alert.

        Raises
        ------
        ConfigError
            If its statistic, threshold or effect is NaN.
        """
        return cls(
            detector=detector,
            subject=subject,
            segment=segment,
            window=window,
            statistic=decision.statistic,
            threshold=decision.threshold,
            p_value=None if math.isnan(decision.p_value) else decision.p_value,
            effect_size=decision.effect_size,
            signals={detector: decision.effect_size} if signals is None else dict(signals),
        )


@dataclass(frozen=True)
class Row:
    """A row of the labels (see `causal_ranker.labels.dataset.UpliftDataset`).

    Parameters
    ----------
    user_id, item_id : int or str
        Whose row, of which item.
    t0, horizon_end : datetime
        With a time zone.
    treatment, outcome : int
        0 or 1, as they were when the row entered.
    label_kind : str
        Its kind.
    sampling_weight, censoring_weight, analysis_weight : float
        Its weights.
    """

    user_id: Id
    item_id: Id
    t0: datetime
    horizon_end: datetime
    treatment: int
    outcome: int
    label_kind: str
    sampling_weight: float = 1.0
    censoring_weight: float = 1.0
    analysis_weight: float = 1.0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} = {value!r}"
            for name in ("treatment", "outcome")
            if (value := getattr(self, name)) not in (0, 1)
        ]
        wrong += [
            f"{name} = {value!r}"
            for name in ("user_id", "item_id")
            if isinstance(value := getattr(self, name), bool) or not isinstance(value, Id)
        ]
        wrong += [
            f"{name} without a time zone"
            for name in ("t0", "horizon_end")
            if getattr(self, name).tzinfo is None
        ]
        wrong += [
            f"{name} = {value!r}"
            for name in ("sampling_weight", "censoring_weight", "analysis_weight")
            if not math.isfinite(value := getattr(self, name))
        ]
        if wrong:
            raise ConfigError(
                expected="a row of the labels: ids as integers or text, arm and outcome 0 or 1, "
                "moments with a time zone, weights that are finite",
                came=", ".join(wrong),
                do="Pass rows that came from the labels.",
            )


@dataclass(frozen=True)
class Verdict:
    """What a person said of an entry.

    Parameters
    ----------
    id : str
        Unlike every other's, wherever it was said.
    kind : VerdictKind
        What they said.
    who : str
        Their name.
    at : datetime
        When, with a time zone.
    why : str
        Their reason.
    """

    id: str
    kind: VerdictKind
    who: str
    at: datetime
    why: str


@dataclass(frozen=True)
class Entry:
    """One thing to look at.

    Parameters
    ----------
    about : Alert or Row
        The thing.
    score : float
        How much is learned by looking; the largest are listed first.
    reason : str
        Why it is here.
    entered_at : datetime
        When it entered, with a time zone.
    verdicts : tuple of Verdict
        All that was said, the oldest first; the last one stands.
    """

    about: Alert | Row
    score: float
    reason: str
    entered_at: datetime
    verdicts: tuple[Verdict, ...] = field(default=())

    @property
    def kind(self) -> str:
        """Whether it is an "alert" or a "row"."""
        return "alert" if isinstance(self.about, Alert) else "row"

    @property
    def id(self) -> str:
        """What it is about, hashed: the same thing has one id wherever it was found."""
        about = self.about
        named: list[Any]
        if isinstance(about, Alert):
            named = ["alert", about.detector, about.subject, about.segment, about.window]
        else:
            named = ["row", about.user_id, about.item_id, about.t0.timestamp()]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]


def standing(entry: Entry) -> Verdict | None:
    """Return what stands of an entry.

    Parameters
    ----------
    entry : Entry
        The entry.

    Returns
    -------
    Verdict or None
        The last thing that was said; None if nothing was, or the last one is "unsure".
    """
    last = entry.verdicts[-1] if entry.verdicts else None
    return None if last is None or last.kind is VerdictKind.UNSURE else last
