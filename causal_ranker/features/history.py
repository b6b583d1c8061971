"""As-of state of users, items and user-item pairs, as Ibis expressions.

Each function takes events and the moments at which someone asks, and returns one row per key and
moment. Every join has the condition *event strictly before the moment*; that is the whole guard
against leakage, and the property test holds it.
"""

from __future__ import annotations

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.features.config import FeatureConfig

__all__ = ["GROUP", "group_history", "item_history", "pair_history", "user_history"]

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
        ended by then, and mixes in ``prior_rows`` rows of the overall rate.
    """
    counts = _item_plays(clocks, plays, config=config)
    rates = _item_rates(clocks, daily, config=config)
    # An item has rows without plays, and plays before its first row.
    joined = rates.outer_join(counts, [C.ITEM, C.T0])
    keys = {name: ibis.coalesce(joined[name], joined[f"{name}_right"]) for name in (C.ITEM, C.T0)}
    return joined.select(**keys, **{name: joined[name] for name in config.item_names})


def _item_plays(clocks: ibis.Table, plays: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    # Plays before a moment = a running count at that moment; plays in a window = the difference
    # of two. One sort of plays and questions, where a join on an inequality would multiply them.
    utc = plays[C.PLAYED_AT].type()
    items = plays.select(C.ITEM).distinct()
    asked = items.cross_join(clocks.select(asked_at=clocks[C.T0]))
    questions = ibis.union(
        *(
            asked.select(
                C.ITEM,
                asked_at=asked.asked_at.cast(utc),
                moment=(asked.asked_at - ibis.interval(days=days)).cast(utc),
                days=ibis.literal(days, "int64"),
                play=ibis.literal(0, "int64"),
            )
            for days in (0, *config.windows_days)
        )
    )
    answers = plays.select(
        C.ITEM,
        asked_at=plays[C.PLAYED_AT],
        moment=plays[C.PLAYED_AT],
        days=ibis.literal(-1, "int64"),
        play=ibis.literal(1, "int64"),
    )
    both = questions.union(answers)
    # A question sorts before a play of the same moment, so the count is strictly before.
    running = both.mutate(
        before=both.play.sum().over(
            ibis.cumulative_window(group_by=C.ITEM, order_by=["moment", "play"])
        )
    )
    counts = running.filter(running.play == 0)

    def before(days: int) -> ibis.Column:
        return ibis.ifelse(counts.days == days, counts.before, 0).sum()

    return counts.group_by([C.ITEM, counts.asked_at.name(C.T0)]).aggregate(
        **{f"item_plays_{days}d": before(0) - before(days) for days in config.windows_days}
    )


def _item_rates(clocks: ibis.Table, daily: ibis.Table, *, config: FeatureConfig) -> ibis.Table:
    asked = clocks.select(asked_at=clocks[C.T0])
    seen = asked.join(daily, [daily[C.T0] < asked.asked_at])
    matured = seen[C.HORIZON_END] <= seen.asked_at
    recent = seen[C.T0] >= seen.asked_at - ibis.interval(days=config.windows_days[0])
    totals = seen.group_by([C.ITEM, "asked_at"]).aggregate(
        recent_rows=_sum(seen["rows"], recent),
        recent_shown=_sum(seen.shown_rows, recent),
        shown_rows=_sum(seen.shown_rows, matured),
        shown_plays=_sum(seen.shown_plays, matured),
        other_rows=_sum(seen["rows"] - seen.shown_rows, matured),
        other_plays=_sum(seen.plays - seen.shown_plays, matured),
    )
    at_once = ibis.window(group_by="asked_at")
    prior = config.prior_rows

    def shrunk(hits: ibis.Column, rows: ibis.Column) -> ibis.Column:
        overall = hits.sum().over(at_once) / rows.sum().over(at_once).nullif(0)
        return (hits + prior * overall) / (rows + prior)

    return totals.select(
        C.ITEM,
        totals.asked_at.name(C.T0),
        item_shown_share=totals.recent_shown / totals.recent_rows.nullif(0),
        item_rate_shown=shrunk(totals.shown_plays, totals.shown_rows),
        item_rate_not_shown=shrunk(totals.other_plays, totals.other_rows),
    ).mutate(item_rate_difference=ibis._.item_rate_shown - ibis._.item_rate_not_shown)


def _sum(values: ibis.Column, where: ibis.Column) -> ibis.Column:
    return ibis.ifelse(where, values, 0).sum()


def _days(moment: ibis.Column) -> ibis.Column:
    return moment.epoch_seconds() / _SECONDS_A_DAY
