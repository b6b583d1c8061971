"""What a service answered, as rows that tell of its model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import numpy as np

from causal_ranker.drift.health.lists import share_changed
from causal_ranker.drift.health.roles import Rows, Sides
from causal_ranker.errors import EmptyError
from causal_ranker.serving.decisions.intake import fault_of
from causal_ranker.serving.decisions.record import Decision, id_text
from causal_ranker.serving.decisions.segments import read_segment, segments
from causal_ranker.stats._arrays import Array

__all__ = ["Days", "served_sides"]

#: First and last day, in UTC.
Days = tuple[date, date]
#: About so many lists of a log are looked at, of whole users; at least half as many.
_MOST_LISTS: Final = 50_000


def served_sides(
    before: Path, now: Path, *, days_before: Days | None = None, days_now: Days | None = None
) -> list[Sides]:
    """Read two stretches of decision logs.

    Parameters
    ----------
    before, now : Path
        Folders of logs, which may be being written; one folder may be both.
    days_before, days_now : tuple of date, optional
        First and last day; all by default.

    Returns
    -------
    list of Sides
        Of the lists, by user: ``fallback``, and ``changed`` (of lists that neither fell back nor
        were for a user who always gets the base list). Of the items shown: ``base_score``,
        ``score`` and ``propensity`` (of a drawn slot: chance of the item given those above).

    Raises
    ------
    DataError
        If there is no such folder.
    EmptyError
        If no list was answered in a stretch.
    """
    sides = [_rows(folder, days) for folder, days in ((before, days_before), (now, days_now))]
    return [
        Sides(first, second, source)
        for first, second, source in zip(*sides, ("log of lists", "log of items"), strict=True)
    ]


def _rows(folder: Path, days: Days | None) -> tuple[Rows, Rows]:
    kept: list[tuple[int, Decision]] = []
    share, total = 1.0, 0
    for decision in _decisions(folder, days):
        total += 1
        user = _hash(decision)
        if user / 2**63 >= share:
            continue
        kept.append((user, decision))
        if len(kept) > _MOST_LISTS:
            share /= 2
            kept = [(user, each) for user, each in kept if user / 2**63 < share]
    if not kept:
        when = "" if days is None else f" from {days[0]} to {days[1]}"
        raise EmptyError(
            expected=f"lists in the decision log at {folder}{when}",
            came="none",
            do="Check the folder and the days; these are days in UTC.",
        )
    changed = _changed([decision for _, decision in kept])
    lists: list[tuple[Any, ...]] = []
    items: list[tuple[Any, ...]] = []
    for (user, decision), share_of_list in zip(kept, changed.tolist(), strict=True):
        day = np.datetime64(decision.at_ms, "ms").astype("datetime64[D]")
        lists.append((user, day, float(decision.fallback is not None), share_of_list))
        drawn = min(decision.slots, len(decision.shown)) if decision.explored else 0
        for place, at in enumerate(decision.shown):
            score = np.nan if decision.score is None else decision.score[at]
            chance = decision.propensity[place] if place < drawn else np.nan
            items.append((user, day, decision.base_score[at], score, chance))
    return (
        _table(lists, ("fallback", "changed"), of=total),
        _table(items, ("base_score", "score", "propensity"), of=len(items) * total // len(kept)),
    )


def _decisions(folder: Path, days: Days | None) -> Iterator[Decision]:
    for segment in segments(folder):
        for found in read_segment(segment):
            if not isinstance(found, tuple) or not isinstance(found[1], Decision):
                continue
            decision = found[1]
            day = np.datetime64(decision.at_ms, "ms").astype("datetime64[D]").item()
            if fault_of(decision) is None and (days is None or days[0] <= day <= days[1]):
                yield decision


def _changed(decisions: Sequence[Decision]) -> Array:
    """Share of each list that the base order would not have shown; NaN where no policy made it."""
    found = np.full(len(decisions), np.nan)
    made = [
        at
        for at, each in enumerate(decisions)
        if each.fallback is None and not each.holdout and each.shown
    ]
    if not made:
        return found
    longest = max(len(decisions[at].shown) for at in made)
    base_rank, rank = [], []
    for at in made:
        scores = np.asarray(decisions[at].base_score)
        places = np.empty(scores.size)
        places[np.argsort(-scores, kind="stable")] = np.arange(1, scores.size + 1)
        base_rank.append(places)
        rank.append(np.full(scores.size, longest + 1))  # but for those that were shown
        rank[-1][decisions[at].shown] = np.arange(1, len(decisions[at].shown) + 1)
    request = np.repeat(made, [each.size for each in rank])
    found[made] = share_changed(
        np.concatenate(base_rank), np.concatenate(rank), request=request, slate=longest
    )
    return found


def _hash(decision: Decision) -> int:
    text = (id_text(decision.user_id) or "").encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 1


def _table(rows: list[tuple[Any, ...]], names: tuple[str, ...], *, of: int) -> Rows:
    return Rows(
        values={
            name: np.array([row[2 + at] for row in rows], dtype=np.float64)
            for at, name in enumerate(names)
        },
        user=np.array([row[0] for row in rows], dtype=np.int64),
        request=None,
        day=np.array([row[1] for row in rows], dtype="datetime64[D]"),
        of=of,
    )
