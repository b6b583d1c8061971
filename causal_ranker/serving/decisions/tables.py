"""Decisions and events as tables of the contract of the logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.serving.decisions.chances import Chances
from causal_ranker.serving.decisions.record import Decision, EventRecord, id_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "IMPOSSIBLE",
    "REASON",
    "Layout",
    "Listed",
    "Seen",
    "aside_table",
    "candidate_table",
    "impression_table",
    "instants",
    "play_table",
    "told_columns",
]

#: Why a row has no propensity, or an event no decision.
REASON: Final = "reason"
#: The reason of a row that could never be shown, though its list was drawn.
IMPOSSIBLE: Final = "chance of 0"
_HOUR_US: Final = 3_600_000_000

Id = int | str
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """What columns look like.

    Parameters
    ----------
    kinds : mapping of str to str
        Of "user", "item" and "session" ids: "int" or "str".
    told : frozenset of str
        Optional columns for which some decision has a value.
    """

    kinds: Mapping[str, str]
    told: frozenset[str]

    def ids(self, name: str, values: Iterable[Id | None]) -> pa.Array:
        """Write ids as a column.

        Parameters
        ----------
        name : {"user", "item", "session"}
            Which kind of ids.
        values : iterable of int, str or None
            The ids.

        Returns
        -------
        pyarrow.Array
            int64, or text.
        """
        import pyarrow as pa

        if self.kinds[name] == "int":
            return pa.array(values, pa.int64())
        return pa.array([value if value is None else str(value) for value in values], pa.string())


@dataclass
class Seen:
    """What views say of one impression: the longest, and the first click.

    So that views may come in any order, and twice.

    Parameters
    ----------
    viewable_ms : int or None
        Longest time in view.
    clicked_at : int or None
        First click, in microseconds since 1970.
    """

    viewable_ms: int | None = None
    clicked_at: int | None = None

    def add(self, viewable_ms: int | None, clicked_at: int | None) -> None:
        """Add a view, in any order.

        Parameters
        ----------
        viewable_ms, clicked_at : int or None
            What it says.
        """
        if viewable_ms is not None:
            self.viewable_ms = max(viewable_ms, self.viewable_ms or 0)
        if clicked_at is not None:
            self.clicked_at = min(clicked_at, self.clicked_at or clicked_at)


@dataclass(frozen=True, eq=False)
class Listed:
    """A decision on its way into the tables.

    Parameters
    ----------
    decision : Decision
        The record.
    t0 : int
        Its moment, in microseconds since 1970.
    chances : Chances or str
        Its chances, or why there are none.
    seen : mapping of id to Seen
        Its views by item; empty if no view of it came.
    """

    decision: Decision
    t0: int
    chances: Chances | str
    seen: Mapping[Id, Seen]


def impression_table(block: Sequence[Listed], layout: Layout) -> pa.Table:
    """Write every item that was shown.

    Parameters
    ----------
    block : sequence of Listed
        Decisions.
    layout : Layout
        What columns look like.

    Returns
    -------
    pyarrow.Table
        Impressions. ``propensity`` is the chance of the item given those above it, 1 where nothing
        was drawn: known for every list. ``inclusion_propensity`` and ``slot_propensity`` are null
        where nobody can say. ``viewable`` is null in a list of which no view came, for it may be
        that nobody reports views.
    """
    import pyarrow as pa

    shown = [len(each.decision.shown) for each in block]
    items = [[each.decision.items[place] for place in each.decision.shown] for each in block]
    seen = [each.seen.get(item) for each, row in zip(block, items, strict=True) for item in row]
    any_view = np.repeat([bool(each.seen) for each in block], shown).tolist()
    columns = {
        C.IMPRESSION: pa.array(
            f"{each.decision.decision_id}-{slot}"
            for each, length in zip(block, shown, strict=True)
            for slot in range(1, length + 1)
        ),
        **_request(block, shown, layout),
        C.ITEM: layout.ids("item", [item for row in items for item in row]),
        C.POSITION: pa.array(
            np.concatenate([np.arange(1, length + 1) for length in shown]), pa.int64()
        ),
        C.VIEWABLE: pa.array(
            [one is not None if some else None for one, some in zip(seen, any_view, strict=True)],
            pa.bool_(),
        ),
        C.VIEWABLE_MS: pa.array(
            [None if one is None else one.viewable_ms for one in seen], pa.int64()
        ),
        C.CLICKED_AT: instants([None if one is None else one.clicked_at for one in seen]),
        C.BASE_SCORE: _numbers(
            [np.asarray(e.decision.base_score)[e.decision.shown] for e in block]
        ),
        C.PROPENSITY: _numbers([_given_above(each.decision) for each in block]),
        C.INCLUSION_PROPENSITY: _numbers(
            [
                _unknown(each)
                if isinstance(each.chances, str)
                else each.chances.inclusion[each.decision.shown]
                for each in block
            ]
        ),
        C.SLOT_PROPENSITY: _numbers(
            [
                _unknown(each) if isinstance(each.chances, str) else each.chances.slot
                for each in block
            ]
        ),
    }
    if C.IS_COLD in layout.told:
        flags = [_is_cold(each.decision) for each in block]
        columns[C.IS_COLD] = _flags(
            [flag[each.decision.shown] for flag, each in zip(flags, block, strict=True)]
        )
    if C.SESSION in layout.told:
        sessions = layout.ids("session", [each.decision.session_id for each in block])
        columns[C.SESSION] = sessions.take(pa.array(np.repeat(np.arange(len(shown)), shown)))
    return pa.table(columns)


def candidate_table(block: Sequence[Listed], layout: Layout, *, with_propensity: bool) -> pa.Table:
    """Write every candidate, shown or not.

    Parameters
    ----------
    block : sequence of Listed
        Decisions.
    layout : Layout
        What columns look like.
    with_propensity : bool
        Those rows whose chance of being shown is known and above 0; else the others, with the
        reason in its place.

    Returns
    -------
    pyarrow.Table
        Candidates; ``propensity`` is the chance of being anywhere in the list, and the decision is
        the unit in which it was assigned. ``is_cold``, as in the impressions, is null where the
        decision does not say it, as in a holdout list.
    """
    import pyarrow as pa

    sizes = [len(each.decision.items) for each in block]
    chance = np.concatenate(
        [
            np.full(size, np.nan) if isinstance(each.chances, str) else each.chances.inclusion
            for each, size in zip(block, sizes, strict=True)
        ]
    )
    wanted = (chance > 0) == with_propensity
    columns = {
        **_request(block, sizes, layout),
        C.ITEM: layout.ids("item", [item for each in block for item in each.decision.items]),
        C.SHOWN: pa.array(np.concatenate([_is_shown(each.decision) for each in block])),
        C.BASE_SCORE: _numbers([np.asarray(each.decision.base_score) for each in block]),
        C.BASE_RANK: pa.array(np.concatenate([_base_rank(each.decision) for each in block])),
    }
    if C.IS_COLD in layout.told:
        columns[C.IS_COLD] = _flags([_is_cold(each.decision) for each in block])
    if with_propensity:
        columns[C.PROPENSITY] = pa.array(chance)
    else:
        why = [e.chances if isinstance(e.chances, str) else IMPOSSIBLE for e in block]
        columns[REASON] = pa.array(np.repeat(why, sizes))
    return pa.table(columns).filter(pa.array(wanted))


def play_table(plays: Sequence[tuple[str, Id, EventRecord]], layout: Layout) -> pa.Table:
    """Write plays.

    Parameters
    ----------
    plays : sequence of (play id, user, EventRecord)
        Each once.
    layout : Layout
        What columns look like.

    Returns
    -------
    pyarrow.Table
        Plays.
    """
    import pyarrow as pa

    events = [event for _, _, event in plays]
    return pa.table(
        {
            C.PLAY: pa.array([name for name, _, _ in plays], pa.string()),
            C.USER: layout.ids("user", [user for _, user, _ in plays]),
            C.ITEM: layout.ids("item", [event.item_id for event in events]),
            C.PLAYED_AT: instants([event.at_ms * 1000 for event in events]),
            C.SECONDS: pa.array([event.seconds for event in events], pa.float64()),
            C.FRACTION: pa.array([event.fraction for event in events], pa.float64()),
        }
    )


def aside_table(records: Sequence[tuple[str, Decision | EventRecord]]) -> pa.Table:
    """Write events that belong to no decision, or cannot be, and decisions that cannot go in.

    Parameters
    ----------
    records : sequence of (reason, Decision or EventRecord)
        Each with its reason.

    Returns
    -------
    pyarrow.Table
        Ids as JSON, in which 5 and "5" differ. Decisions have neither event nor item.
    """
    import pyarrow as pa

    found = [record for _, record in records]
    events = [None if isinstance(record, Decision) else record for record in found]

    return pa.table(
        {
            "event_id": pa.array([None if e is None else e.event_id for e in events], pa.string()),
            REASON: pa.array([reason for reason, _ in records], pa.string()),
            "kind": pa.array(["decision" if e is None else e.kind for e in events], pa.string()),
            "decision_id": pa.array([each.decision_id for each in found], pa.string()),
            C.USER: pa.array([id_text(each.user_id) for each in found], pa.string()),
            C.ITEM: pa.array(
                [None if e is None else id_text(e.item_id) for e in events], pa.string()
            ),
            "at": instants([each.at_ms * 1000 for each in found]),
        }
    )


def _request(block: Sequence[Listed], sizes: Sequence[int], layout: Layout) -> dict[str, pa.Array]:
    """Return the columns that all rows of a request share."""
    import pyarrow as pa

    made = [each.decision for each in block]
    columns = {
        C.USER: layout.ids("user", [each.user_id for each in made]),
        C.T0: instants([each.t0 for each in block]),
        C.ASSIGNMENT_UNIT: pa.array([each.decision_id for each in made], pa.string()),
    }
    if C.SURFACE in layout.told:
        columns[C.SURFACE] = pa.array([each.surface for each in made], pa.string())
    # As the service takes it, where nobody says which hour it is for the user.
    told = [_told_number(each, C.HOUR) for each in made]
    clock = [each.t0 // _HOUR_US % 24 for each in block]
    hours = [hour if one is None else one for one, hour in zip(told, clock, strict=True)]
    columns[C.HOUR] = pa.array(hours, pa.float64())
    if C.SESSION_SO_FAR in layout.told:
        so_far = [_told_number(each, C.SESSION_SO_FAR) for each in made]
        columns[C.SESSION_SO_FAR] = pa.array(so_far, pa.float64())
    if C.DEVICE in layout.told:
        columns[C.DEVICE] = pa.array([_told_text(each) for each in made], pa.string())
    places = pa.array(np.repeat(np.arange(len(sizes)), sizes))
    return {name: column.take(places) for name, column in columns.items()}


def told_columns(decision: Decision) -> set[str]:
    """Return which of the optional columns a decision has a value for.

    Parameters
    ----------
    decision : Decision
        The record.

    Returns
    -------
    set of str
        Names. Where nobody ever told a value there is no column, for columns of the moment become
        features.
    """
    told = {
        C.SESSION: decision.session_id,
        C.SURFACE: decision.surface,
        C.SESSION_SO_FAR: _told_number(decision, C.SESSION_SO_FAR),
        C.DEVICE: _told_text(decision),
        C.IS_COLD: decision.cold,
    }
    return {name for name, value in told.items() if value is not None}


def _told_number(decision: Decision, name: str) -> float | None:
    """Return a number of the moment; None where it was not told, or text was."""
    value = decision.moment.get(name)
    return None if value is None or isinstance(value, str) else float(value)


def _told_text(decision: Decision) -> str | None:
    value = decision.moment.get(C.DEVICE)
    return None if value is None else str(value)


def instants(values: Sequence[int | None]) -> pa.Array:
    """Write moments as a column.

    Parameters
    ----------
    values : sequence of int or None
        Microseconds since 1970.

    Returns
    -------
    pyarrow.Array
        Timestamps in UTC.
    """
    import pyarrow as pa

    return pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _numbers(parts: Sequence[Any]) -> pa.Array:
    """Join numbers; NaN is null."""
    import pyarrow as pa

    return pa.array(
        np.concatenate([np.asarray(part, dtype=np.float64) for part in parts]), from_pandas=True
    )


def _flags(parts: Sequence[Array]) -> pa.Array:
    """Join flags, NaN where nobody can say; such a one is null."""
    import pyarrow as pa

    flags = np.concatenate(parts)
    return pa.array(flags > 0, pa.bool_(), mask=np.isnan(flags))


def _is_cold(decision: Decision) -> Array:
    """Return 1 for cold items and 0 for the others, in their order; NaN where nobody can say."""
    cold = np.full(len(decision.items), np.nan if decision.cold is None else 0.0)
    cold[decision.cold or []] = 1.0
    return cold


def _unknown(each: Listed) -> Array:
    return np.full(len(each.decision.shown), np.nan)


def _given_above(decision: Decision) -> Array:
    """Return each shown item's chance given those above: 1 behind what was drawn."""
    drawn = decision.propensity[: min(decision.slots, len(decision.shown))]
    return np.array([*drawn, *[1.0] * (len(decision.shown) - len(drawn))])


def _is_shown(decision: Decision) -> NDArray[np.bool_]:
    shown = np.zeros(len(decision.items), dtype=np.bool_)
    shown[decision.shown] = True
    return shown


def _base_rank(decision: Decision) -> NDArray[np.int64]:
    """Rank by falling base score, from 1; equal and missing ones keep the caller's order."""
    rank = np.empty(len(decision.items), dtype=np.int64)
    order = np.argsort(-np.asarray(decision.base_score, dtype=np.float64), kind="stable")
    rank[order] = np.arange(1, order.size + 1)
    return rank
