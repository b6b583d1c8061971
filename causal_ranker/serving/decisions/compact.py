"""From a log's segments to the tables that the next training run reads.

A compacted folder holds a folder of Parquet files for each table:

================================ ===============================================================
``impressions``                  a row for each item that was shown, with what its views say
``plays``                        a row for each play
``candidates``                   a row for each candidate whose chance of being shown is known and
                                 above 0: what a training run reads
``candidates_without_propensity`` the other candidates, with the reason
``aside``                        events that belong to no decision, and decisions and events whose
                                 ids are of another type than their column, with the reason
``shadow``                       what a shadow would have shown instead of a list
``compaction.sqlite``            which segments and files count, and which decisions are in
================================ ===============================================================

A segment goes in whole or not at all, once, and in one step; views of lists that are already in
rewrite the impressions of their segment. So it does not matter how often this runs, nor where it is
interrupted. Memory is bounded by a segment and the events that wait for a decision of another log.
What went in is never read again, so that old segments may be deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from causal_ranker.errors import ConfigError
from causal_ranker.reporting.progress import Stages
from causal_ranker.serving.decisions.chances import chances
from causal_ranker.serving.decisions.frames import Damage
from causal_ranker.serving.decisions.index import CompactionIndex
from causal_ranker.serving.decisions.intake import Intake, fault_of, take_in
from causal_ranker.serving.decisions.late import add_late_views, match_views
from causal_ranker.serving.decisions.parts import Parts
from causal_ranker.serving.decisions.record import Decision, EventRecord
from causal_ranker.serving.decisions.segments import closed_segments, read_segment
from causal_ranker.serving.decisions.shadows import shadow_table
from causal_ranker.serving.decisions.tables import (
    IMPOSSIBLE,
    REASON,
    Listed,
    aside_table,
    candidate_table,
    impression_table,
    play_table,
)

__all__ = ["Compacted", "compact"]

# Decisions whose rows are made at a time.
_BLOCK: Final = 256
# The file of `aside` with the events that wait for their decisions, and why they do.
_WAITING: Final = "waiting"
_NO_DECISION: Final = "no such decision"
_CANDIDATES: Final = {"candidates": True, "candidates_without_propensity": False}


@dataclass(eq=False)
class Compacted:
    """What one run of the compaction did.

    Attributes
    ----------
    segments : int
        Segments that went in.
    decisions, explained : int
        Decisions that went in, and those of them whose chances are known.
    without : Counter of str
        The others, by reason.
    fallbacks : Counter of str
        Decisions that were in base order, by reason.
    shadows : int
        Lists that a shadow scored as well.
    impressions, candidates, impossible : int
        Rows; the last: candidates that had the chance 0, and went to those without propensity.
    events, plays, views : int
        Events that were read, and plays and views that went in.
    joined : int
        Events that waited, and whose decision came in: they were read before, and count among
        `plays`, `views`, `aside` or `duplicates` now.
    clicks_moved, clicks_dropped : int
        Clicks that a device's slow clock put before their list: up to 5 minutes, they are taken as
        at the list's moment; for longer, only their views went in.
    duplicates : int
        Records that were in already.
    aside : Counter of str
        Events set aside, by reason. Those of which there is no such decision wait: should it come
        in with another log, they go in as well.
    refused : Counter of str
        Decisions set aside, by reason.
    unsound : int
        Decisions that contradict themselves, which were left out.
    damage : dict of str to list of Damage
        What could not be read, by segment.
    """

    segments: int = 0
    decisions: int = 0
    explained: int = 0
    without: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    shadows: int = 0
    impressions: int = 0
    candidates: int = 0
    impossible: int = 0
    events: int = 0
    plays: int = 0
    views: int = 0
    joined: int = 0
    clicks_moved: int = 0
    clicks_dropped: int = 0
    duplicates: int = 0
    aside: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unsound: int = 0
    damage: dict[str, list[Damage]] = field(default_factory=dict)


def compact(
    folder: str | Path,
    *,
    out: str | Path,
    ids: Literal["as_logged", "text"] = "as_logged",
    stages: Stages | None = None,
) -> Compacted:
    """Bring a log's closed segments into a folder of tables.

    Parameters
    ----------
    folder : str or Path
        The log. It may be being written; then its newest segment waits for the next time.
    out : str or Path
        The compacted folder, which is created. Several logs may go into one.
    ids : {"as_logged", "text"}
        Keep integers and strings, and set aside what is of another type than the rest of its
        column; or write every id as text.
    stages : Stages, optional
        Draws progress.

    Returns
    -------
    Compacted
        What was done.

    Raises
    ------
    ConfigError
        If another process works on the folder, it cannot be written, or its ids are of the other
        kind.
    DataError
        If the log or the folder's index cannot be read.
    OSError
        If a segment cannot be read or a file not be written; what went in before is kept.
    """
    done = Compacted()
    with CompactionIndex(Path(out)) as index:
        _settle_ids(index, ids)
        waiting = [file for file in closed_segments(Path(folder)) if not index.has(file.stem)]
        with (stages or Stages()).stage("compact segments", total=len(waiting)) as step:
            for file in waiting:
                index.begin()
                try:
                    _add_segment(file, index, done)
                except BaseException:
                    index.rollback()
                    raise
                step()
        _write_waiting(index)
    return done


def _write_waiting(index: CompactionIndex) -> None:
    """Show in `aside` which events wait, as far as that has changed."""
    events = index.waiting()
    table = aside_table([(_NO_DECISION, event) for event in events])
    index.begin()
    try:
        with Parts(index) as parts:
            found = parts.read("aside", _WAITING)
            same = table.equals(found[1]) if found else not events
            if not same:
                parts.write("aside", _WAITING, table)
        replaced = [found[0]] if found and not same else []
        index.commit(segment=None, files=parts.names, replaced=replaced)
    except BaseException:
        index.rollback()
        raise


def _settle_ids(index: CompactionIndex, ids: str) -> None:
    found = index.setting("ids")
    if found is not None and found != ids:
        raise ConfigError(
            expected=f"ids {found}, as they are in {index.folder}",
            came=f"ids {ids}",
            do="Compact into a new folder; the segments still hold everything.",
        )
    index.set("ids", ids)


def _add_segment(file: Path, index: CompactionIndex, done: Compacted) -> None:
    intake = take_in(file, index)
    own = intake.views.pop(intake.segment, {})
    replaced: list[str] = []
    with Parts(index) as parts:
        for segment, views in sorted(intake.views.items()):
            replaced += add_late_views(segment, views, parts, intake)
        for block in _blocks(file, intake, own):
            _count(block, done)
            table = impression_table(block, intake.layout)
            done.impressions += parts.write("impressions", intake.segment, table)
            for name, known in _CANDIDATES.items():
                rows = candidate_table(block, intake.layout, with_propensity=known)
                done.candidates += parts.write(name, intake.segment, rows)
                if not known:
                    done.impossible += rows.column(REASON).to_pylist().count(IMPOSSIBLE)
        parts.write("plays", intake.segment, play_table(intake.plays, intake.layout))
        parts.write("aside", intake.segment, aside_table([*intake.refused, *intake.aside]))
        done.shadows += parts.write("shadow", intake.segment, shadow_table(intake.shadows))
    index.commit(segment=intake.segment, files=parts.names, replaced=replaced)
    done.segments += 1
    done.events += intake.events - intake.joined
    done.joined += intake.joined
    done.clicks_moved += intake.moved
    done.clicks_dropped += intake.dropped
    done.plays += len(intake.plays)
    gone = intake.repeated + intake.waiting + len(intake.aside)
    done.views += intake.events - gone - len(intake.plays)
    if intake.waiting:
        done.aside[_NO_DECISION] += intake.waiting
    done.duplicates += intake.duplicates
    done.aside.update(reason for reason, _ in intake.aside)
    done.refused.update(reason for reason, _ in intake.refused)
    done.unsound += intake.unsound
    if intake.damage:
        done.damage[file.name] = intake.damage


def _blocks(
    file: Path, intake: Intake, views: Mapping[str, Sequence[EventRecord]]
) -> Iterator[list[Listed]]:
    """Read the segment again, and take its new decisions in blocks."""
    waiting = dict(intake.moments)
    found: list[Decision] = []
    for record in read_segment(file):
        if isinstance(record, Damage) or not isinstance(record[1], Decision):
            continue
        decision = record[1]
        if decision.decision_id in waiting and fault_of(decision) is None:
            del waiting[decision.decision_id]
            found.append(decision)
        if len(found) == _BLOCK:
            yield _listed(found, intake, views)
            found = []
    if found:
        yield _listed(found, intake, views)


def _listed(
    decisions: Sequence[Decision], intake: Intake, views: Mapping[str, Sequence[EventRecord]]
) -> list[Listed]:
    block = []
    for decision, known in zip(decisions, chances(decisions), strict=True):
        items = [decision.items[place] for place in decision.shown]
        moment = intake.moments[decision.decision_id]
        events = views.get(decision.decision_id, ())
        block.append(Listed(decision, moment, known, match_views(events, items, moment, intake)))
    return block


def _count(block: Sequence[Listed], done: Compacted) -> None:
    done.decisions += len(block)
    for each in block:
        if isinstance(each.chances, str):
            done.without[each.chances] += 1
        else:
            done.explained += 1
        if each.decision.fallback is not None:
            done.fallbacks[each.decision.fallback] += 1
