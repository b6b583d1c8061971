"""A segment on its way into a compacted folder: what is new in it, and what cannot go in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from causal_ranker.serving.decisions.frames import Damage
from causal_ranker.serving.decisions.index import CompactionIndex
from causal_ranker.serving.decisions.record import (
    Decision,
    EventRecord,
    ShadowRecord,
    event_id,
    id_text,
)
from causal_ranker.serving.decisions.segments import read_segment
from causal_ranker.serving.decisions.tables import Layout, told_columns

__all__ = ["CLOCK_TOLERANCE_MS", "Intake", "fault_of", "take_in"]

#: How far a device's clock may be behind the service's for its clicks to be believed.
CLOCK_TOLERANCE_MS: Final = 5 * 60 * 1000

Id = int | str

_INT64: Final = range(-(2**63), 2**63)
_KINDS: Final = ("user", "item", "session")


@dataclass(eq=False)
class Intake:
    """What a segment brings, but for the decisions themselves, which may be many.

    Parameters
    ----------
    segment : str
        Its name.
    kinds : dict of str to str
        Types of user, item and session ids, as far as they are known.
    text : bool
        Ids are text, whatever they were.

    Attributes
    ----------
    moments : dict of str to int
        Decisions that are new, with their moments in microseconds since 1970.
    views : dict of str to dict
        Views that are new, by segment of the decision and by decision.
    plays : list of (play id, user, EventRecord)
        Plays that are new.
    aside : list of (reason, EventRecord)
        Events that cannot be.
    shadows : list of ShadowRecord
        What shadows would have shown.
    events : int
        Views and plays read, and those that waited.
    waiting, joined : int
        Events whose decision is not in, and those whose decision came in at last.
    moved, dropped : int
        Clicks before their list by a device's clock: within `CLOCK_TOLERANCE_MS` they are taken as
        at the list's moment, beyond it only the view counts.
    duplicates, repeated : int
        Decisions and events that were in already, and those of them that are events.
    refused : list of (reason, Decision)
        Decisions with ids of another type than their columns.
    unsound : int
        Decisions that contradict themselves.
    damage : list of Damage
        What could not be read.
    told : set of str
        Optional columns with a value.
    """

    segment: str
    kinds: dict[str, str]
    text: bool
    moments: dict[str, int] = field(default_factory=dict)
    views: dict[str, dict[str, list[EventRecord]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    plays: list[tuple[str, Id, EventRecord]] = field(default_factory=list)
    aside: list[tuple[str, EventRecord]] = field(default_factory=list)
    shadows: list[ShadowRecord] = field(default_factory=list)
    events: int = 0
    waiting: int = 0
    joined: int = 0
    moved: int = 0
    dropped: int = 0
    duplicates: int = 0
    repeated: int = 0
    refused: list[tuple[str, Decision]] = field(default_factory=list)
    unsound: int = 0
    damage: list[Damage] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    @property
    def layout(self) -> Layout:
        """What the columns of this segment's rows look like."""
        return Layout({name: self.kinds.get(name, "str") for name in _KINDS}, frozenset(self.told))

    def fits(self, name: str, values: Sequence[Id]) -> bool:
        """Say whether ids are of the type of their column.

        Parameters
        ----------
        name : {"user", "item", "session"}
            Which ids.
        values : sequence of int or str
            The ids, at least one.

        Returns
        -------
        bool
            Whether all of them are.
        """
        return self.text or _kind(values) == self.kinds.get(name, "neither")

    def alike(self, one: Id, other: Id) -> bool:
        """Say whether two ids are the same.

        Parameters
        ----------
        one, other : int or str
            Ids.

        Returns
        -------
        bool
            Whether they are; 5 and "5" only where ids are text.
        """
        return str(one) == str(other) if self.text else one == other


def take_in(file: Path, index: CompactionIndex) -> Intake:
    """Read a segment for the first time, and add what is new in it to the index.

    Parameters
    ----------
    file : Path
        The segment.
    index : CompactionIndex
        The index, in a transaction.

    Returns
    -------
    Intake
        What there is.

    Notes
    -----
    A column's type is that of what the folder holds; in the beginning, that of most decisions of
    the first segment that has any, so that one odd id does not decide it.
    """
    kinds = {name: kind for name in _KINDS if (kind := index.setting(name)) is not None}
    intake = Intake(file.stem, kinds, text=index.setting("ids") == "text")
    if not intake.text and len(kinds) < len(_KINDS):
        intake.kinds = {**_usual_kinds(file), **kinds}
    for found in read_segment(file):
        if isinstance(found, Damage):
            intake.damage.append(found)
        elif isinstance(found[1], Decision):
            _add_decision(found[1], intake, index)
        elif isinstance(found[1], ShadowRecord):
            intake.shadows.append(found[1])
        else:
            _add_event(found[1], intake, index)
    for event in index.take_waiting(intake.moments.keys()):
        intake.joined += 1
        _add_event(event, intake, index)
    for name, kind in intake.kinds.items():
        index.set(name, kind)
    return intake


def fault_of(decision: Decision) -> str | None:
    """Say how a decision contradicts itself.

    Parameters
    ----------
    decision : Decision
        The record.

    Returns
    -------
    str or None
        What is wrong; None for a sound one.
    """
    n, shown = len(decision.items), decision.shown
    drawn = min(decision.slots, len(shown)) if decision.explored else 0
    if not n or len(decision.base_score) != n or len(set(decision.items)) != n:
        return "candidates that are none, repeated, or without base scores"
    if len(set(shown)) != len(shown) or any(not 0 <= place < n for place in shown):
        return "a list of other items, or of one twice"
    if len(decision.propensity) < drawn or not all(0 < p <= 1 for p in decision.propensity):
        return "chances that are missing or none"
    return None


def _add_decision(decision: Decision, intake: Intake, index: CompactionIndex) -> None:
    if fault_of(decision) is not None:
        intake.unsound += 1
        return
    odd = [name for name, ids in _ids_of(decision).items() if not intake.fits(name, ids)]
    if odd:
        if index.refuse(decision.decision_id, decision.user_id):
            intake.refused.append((f"{odd[0]} id of another type", decision))
        else:
            intake.duplicates += 1
        return
    moment = index.add_decision(
        decision.decision_id,
        str(decision.user_id) if intake.text else decision.user_id,
        decision.at_ms * 1000,
        segment=intake.segment,
    )
    if moment is None:
        intake.duplicates += 1
        return
    intake.moments[decision.decision_id] = moment
    intake.told |= told_columns(decision)


def _add_event(event: EventRecord, intake: Intake, index: CompactionIndex) -> None:
    intake.events += 1
    known = None if event.decision_id is None else index.find(event.decision_id)
    user = event.user_id if known is None else known.user
    if known is None and (event.kind == "view" or user is None):
        # Its decision may lie in the log of another server, which is compacted later.
        if index.add_waiting(event):
            intake.waiting += 1
        else:
            intake.duplicates += 1
            intake.repeated += 1
        return
    reason, name = _judge(event, user, intake)
    if reason is None and not intake.fits("item", [event.item_id]):
        reason = "item id of another type"
    if reason is None and user is not None and not intake.fits("user", [user]):
        reason = "user id of another type"
    if not index.add_event(name, user):
        intake.duplicates += 1
        intake.repeated += 1
    elif reason is not None:
        intake.aside.append((reason, event))
    elif event.kind == "view":
        assert known is not None
        assert event.decision_id is not None
        view = _believed(event, known.t0, intake)
        intake.views[known.segment][event.decision_id].append(view)
    else:
        assert user is not None
        intake.plays.append((name, user, event))


def _judge(event: EventRecord, user: Id | None, intake: Intake) -> tuple[str | None, str]:
    """Say why an event cannot go in, and by which name it counts once."""
    if event.kind == "view":
        return None, event.event_id
    assert user is not None
    if event.user_id is not None and not intake.alike(event.user_id, user):
        # Whoever sent it does not use up the name of the user's own play.
        said = f"{event.decision_id}/{id_text(event.user_id)}/{event.event_id}"
        return "another user's decision", f"aside-{said}"
    if event.play_id is not None:
        # Each caller's device may count its plays from 1.
        return None, f"{id_text(str(user) if intake.text else user)}/{event.event_id}"
    # Sent once with the decision and once with the user, it is one play all the same.
    if intake.text:
        return None, event_id("play", str(event.item_id), at_ms=event.at_ms, user_id=str(user))
    return None, event_id("play", event.item_id, at_ms=event.at_ms, user_id=user)


def _believed(view: EventRecord, t0: int, intake: Intake) -> EventRecord:
    """Return a view without a click that its device's clock puts too long before the list."""
    clicked = view.clicked_at_ms
    if clicked is None or clicked >= t0 // 1000:
        return view
    if clicked >= t0 // 1000 - CLOCK_TOLERANCE_MS:
        intake.moved += 1
        return view
    intake.dropped += 1
    return msgspec.structs.replace(view, clicked_at_ms=None)


def _kind(values: Sequence[Id]) -> str | None:
    """Return the type that all ids have; None for a mixture, and integers above 64 bits."""
    kinds = {type(value).__name__ for value in values}
    if kinds == {"int"}:
        return "int" if min(values) in _INT64 and max(values) in _INT64 else None
    return "str" if kinds == {"str"} else None


def _ids_of(record: Decision | EventRecord) -> dict[str, list[Id]]:
    items = record.items if isinstance(record, Decision) else [record.item_id]
    told = {"item": items}
    if record.user_id is not None:
        told["user"] = [record.user_id]
    if isinstance(record, Decision) and record.session_id is not None:
        told["session"] = [record.session_id]
    return told


def _usual_kinds(file: Path) -> dict[str, str]:
    """Return the type that most records have, by column; events count where no decision does."""
    votes: dict[bool, dict[str, Counter[str]]] = {
        made: {name: Counter() for name in _KINDS} for made in (True, False)
    }
    for found in read_segment(file):
        if isinstance(found, Damage) or isinstance(found[1], ShadowRecord):
            continue
        record = found[1]
        made = isinstance(record, Decision)
        if isinstance(record, Decision) and fault_of(record) is not None:
            continue
        for name, ids in _ids_of(record).items():
            kind = _kind(ids)
            if kind is not None:
                votes[made][name][kind] += 1
    usual = {name: votes[True][name] or votes[False][name] for name in _KINDS}
    return {name: each.most_common(1)[0][0] for name, each in usual.items() if each}
