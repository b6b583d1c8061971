"""As-of state of users, items and user-item pairs, as Ibis expressions.

Each function takes events and the moments at which someone asks, and returns one row per key and
moment. Every join has the condition *event strictly before the moment*; that is the whole guard
against leakage, and the property test holds it.
"""

from __future__ import annotations

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.features.config import FeatureConfig

__all__ = [
    "GROUP",
    "exposure_history",
    "group_history",
    "item_history",
    "pair_history",
    "user_history",
]

#: The column of an item's group; a name no column of the logs has, as features join the logs.
GROUP = "asof_group"

_SECONDS_A_DAY = 86_400


def pair_history(requests: ibis.Table, plays: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    """Count each user's earlier plays of each item.

    Parameters
    ----------
    requests : ibis.Table
        Distinct ``(user_id, t0)``.
    plays : ibis.Table
        ``(user_id, item_id, played_at, credit)``: one row per play; credit is the share that
        attribution gave to impressions, in [0, 1].
    config : FeatureConfig
        Windows.

    Returns
    -------
    ibis.Table
        ``(user_id, item_id, t0)`` and ``config.pair_names``; pairs without a play have no row.
    """
    asked = requests.select(asked_user=requests[C.USER], asked_at=requests[C.T0])
    seen = asked.join(
        plays,
        [
            asked.asked_user == plays[C.USER],
            plays[C.PLAYED_AT] < asked.asked_at,
            plays[C.PLAYED_AT] >= asked.asked_at - ibis.interval(days=config.longest),
        ],
    )
    *shorter, longest = config.windows_days
    return (
        seen.group_by([C.USER, C.ITEM, seen.asked_at.name(C.T0)])
        .aggregate(
            **{
                f"pair_plays_{days}d": (
                    seen[C.PLAYED_AT] >= seen.asked_at - ibis.interval(days=days)
                )
                .cast("int32")
                .sum()
                for days in shorter
            },
            **{f"pair_plays_{longest}d": seen.count()},
            pair_credited_plays=seen[C.CREDIT].sum(),
            last_play=seen[C.PLAYED_AT].max(),
            first_play=seen[C.PLAYED_AT].min(),
        )
        .mutate(
            pair_days_since_play=_days(ibis._[C.T0]) - _days(ibis._.last_play),
            pair_days_since_first_play=_days(ibis._[C.T0]) - _days(ibis._.first_play),
        )
        .drop("last_play", "first_play")
    )


def exposure_history(
    requests: ibis.Table, exposures: ibis.Table, *, config: FeatureConfig
) -> ibis.Table:
    """Count how often each item was shown to each user before.

    Parameters
    ----------
    requests : ibis.Table
        Distinct ``(user_id, t0)``.
    exposures : ibis.Table
        Distinct ``(user_id, item_id, t0)`` that were shown.
    config : FeatureConfig
        Windows.

    Returns
    -------
    ibis.Table
        ``(user_id, item_id, t0)`` and ``config.exposure_names``; pairs never shown have no row.
    """
    asked = requests.select(asked_user=requests[C.USER], asked_at=requests[C.T0])
    shown = exposures.select(C.USER, C.ITEM, shown_at=exposures[C.T0])
    seen = asked.join(
        shown,
        [
            asked.asked_user == shown[C.USER],
            shown.shown_at < asked.asked_at,
            shown.shown_at >= asked.asked_at - ibis.interval(days=config.longest),
        ],
    )
    *counts, recency = config.exposure_names
    windows = dict(zip(counts, config.windows_days, strict=True))
    return (
        seen.group_by([C.USER, C.ITEM, seen.asked_at.name(C.T0)])
        .aggregate(
            **{
                name: (seen.shown_at >= seen.asked_at - ibis.interval(days=days))
                .cast("int32")
                .sum()
                for name, days in windows.items()
            },
            last_shown=seen.shown_at.max(),
        )
        .mutate(**{recency: _days(ibis._[C.T0]) - _days(ibis._.last_shown)})
        .drop("last_shown")
    )


def group_history(pairs: ibis.Table, items: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    """Sum pair counts over the items of one group.

    Parameters
    ----------
    pairs : ibis.Table
        What `pair_history` returned.
    items : ibis.Table
        Item table with the column ``config.item_group``.
    config : FeatureConfig
        Windows and the group's column.

    Returns
    -------
    ibis.Table
        ``(user_id, t0, asof_group)`` and ``config.group_names``.
    """
    groups = items.select(C.ITEM, **{GROUP: items[str(config.item_group)]})
    joined = pairs.inner_join(groups, C.ITEM)
    return joined.group_by([C.USER, C.T0, GROUP]).aggregate(
        **{
            f"group_plays_{days}d": joined[f"pair_plays_{days}d"].sum()
            for days in config.windows_days
        }
    )


def user_history(pairs: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    """Sum pair counts over all items of one user.

    Parameters
    ----------
    pairs : ibis.Table
        What `pair_history` returned.
    config : FeatureConfig
        Windows.

    Returns
    -------
    ibis.Table
        ``(user_id, t0)`` and ``config.user_names``.
    """
    longest = f"pair_plays_{config.longest}d"
    return pairs.group_by([C.USER, C.T0]).aggregate(
        **{
            f"user_plays_{days}d": pairs[f"pair_plays_{days}d"].sum()
            for days in config.windows_days
        },
        # One credited play of four stands for a user of whom nothing is known yet.
        user_days_since_play=pairs.pair_days_since_play.min(),
        user_days_since_first_play=pairs.pair_days_since_first_play.max(),
        user_credited_share=(pairs.pair_credited_plays.sum() + 1) / (pairs[longest].sum() + 4),
    )


def item_history(
    clocks: ibis.Table, plays: ibis.Table, *, daily: ibis.Table, config: FeatureConfig
) -> ibis.Table:
    """Count each item's earlier plays, showings, and play rates of matured rows.

    Parameters
    ----------
    clocks : ibis.Table
        Distinct moments in the column ``t0``.
    plays : ibis.Table
        One row per play.
    daily : ibis.Table
        Rows and outcomes per item, t0 and horizon end: ``rows, shown_rows, plays,
        shown_plays`` (counts of candidate rows; a play here is a row with Y = 1).
    config : FeatureConfig
        Windows and shrinkage.

    Returns
    -------
    ibis.Table
        ``(item_id, t0)`` and ``config.item_names``. A rate uses only rows whose horizon had
        ended by then, and mixes in ``prior_rows`` rows of the overall rate; it is null while the
        item has no such row.
    """
    counts = _item_plays(clocks, plays, config=config)
    rates = _item_rates(clocks, daily, config=config)
    # An item has rows without plays, and plays before its first row.
    joined = rates.outer_join(counts, [C.ITEM, C.T0])
    keys = {name: ibis.coalesce(joined[name], joined[f"{name}_right"]) for name in (C.ITEM, C.T0)}
    return joined.select(**keys, **{name: joined[name] for name in config.item_names})


def _item_plays(clocks: ibis.Table, plays: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    events = plays.select(C.ITEM, moment=plays[C.PLAYED_AT], plays=ibis.literal(1, "int64"))
    counts = _sums_before(clocks, events, values=["plays"], days=config.windows_days)
    return counts.select(
        C.ITEM,
        C.T0,
        **{f"item_plays_{days}d": counts[f"plays_{days}d"] for days in config.windows_days},
    )


def _item_rates(clocks: ibis.Table, daily: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    window = config.windows_days[0]
    shown = daily.select(C.ITEM, moment=daily[C.T0], rows=daily["rows"], shown=daily.shown_rows)
    recent = _sums_before(clocks, shown, values=["rows", "shown"], days=(window,))
    matured = daily.select(
        C.ITEM,
        moment=daily[C.HORIZON_END],
        shown_rows=daily.shown_rows,
        shown_plays=daily.shown_plays,
        other_rows=daily["rows"] - daily.shown_rows,
        other_plays=daily.plays - daily.shown_plays,
    )
    sums = ["shown_rows", "shown_plays", "other_rows", "other_plays"]
    totals = _sums_before(clocks, matured, values=sums, days=(), at_the_moment=True)
    at_once = ibis.window(group_by=C.T0)
    prior = config.prior_rows
    # An item is listed here from its first row on, whenever that is: until a row has ended its
    # rates are unknown, as those of an item that is in no log.
    known = totals.shown_rows + totals.other_rows > 0

    def shrunk(hits: ibis.Column, rows: ibis.Column) -> ibis.Column:
        overall = hits.sum().over(at_once) / rows.sum().over(at_once).nullif(0)
        return ibis.ifelse(known, (hits + prior * overall) / (rows + prior), None)

    rates = totals.select(
        C.ITEM,
        C.T0,
        item_rate_shown=shrunk(totals.shown_plays, totals.shown_rows),
        item_rate_not_shown=shrunk(totals.other_plays, totals.other_rows),
    ).mutate(item_rate_difference=ibis._.item_rate_shown - ibis._.item_rate_not_shown)
    shares = recent.select(
        C.ITEM,
        C.T0,
        item_shown_share=recent[f"shown_{window}d"] / recent[f"rows_{window}d"].nullif(0),
    )
    return rates.left_join(shares, [C.ITEM, C.T0]).drop(f"{C.ITEM}_right", f"{C.T0}_right")


def _sums_before(
    clocks: ibis.Table,
    events: ibis.Table,
    *,
    values: list[str],
    days: tuple[int, ...],
    at_the_moment: bool = False,
) -> ibis.Table:
    """Sum an item's events before each clock: all of them, and within trailing windows.

    A sum before a moment is a running sum at that moment, and a sum within a window is the
    difference of two. So one sort of events and questions answers everything, where a join on an
    inequality would multiply them.

    Parameters
    ----------
    clocks : ibis.Table
        Distinct moments in the column ``t0``.
    events : ibis.Table
        ``(item_id, moment)`` and the values.
    values : list of str
        Columns to sum.
    days : tuple of int
        Lengths of the windows.
    at_the_moment : bool
        Whether an event exactly at the clock counts.

    Returns
    -------
    ibis.Table
        ``(item_id, t0)``, each value's sum under its own name, and ``{value}_{days}d``.
    """
    utc = events.moment.type()
    asked = events.select(C.ITEM).distinct().cross_join(clocks.select(asked_at=clocks[C.T0]))
    question, event = (1, 0) if at_the_moment else (0, 1)
    questions = ibis.union(
        *(
            asked.select(
                C.ITEM,
                asked_at=asked.asked_at.cast(utc),
                moment=(asked.asked_at - ibis.interval(days=length)).cast(utc),
                days=ibis.literal(length, "int64"),
                kind=ibis.literal(question, "int64"),
                **{name: ibis.literal(0, "int64") for name in values},
            )
            for length in (0, *days)
        )
    )
    answers = events.select(
        C.ITEM,
        asked_at=events.moment,
        moment=events.moment,
        days=ibis.literal(-1, "int64"),
        kind=ibis.literal(event, "int64"),
        **{name: events[name].cast("int64") for name in values},
    )
    both = questions.union(answers)
    # Between a question and an event of one moment, the kind decides which comes first.
    before = ibis.cumulative_window(group_by=C.ITEM, order_by=["moment", "kind"])
    running = both.mutate(**{name: both[name].sum().over(before) for name in values})
    sums = running.filter(running.days >= 0)

    def at(name: str, length: int) -> ibis.Column:
        return ibis.ifelse(sums.days == length, sums[name], 0).sum()

    return sums.group_by([C.ITEM, sums.asked_at.name(C.T0)]).aggregate(
        **{name: at(name, 0) for name in values},
        **{
            f"{name}_{length}d": at(name, 0) - at(name, length)
            for name in values
            for length in days
        },
    )


def _days(moment: ibis.Column) -> ibis.Column:
    return moment.epoch_seconds() / _SECONDS_A_DAY
