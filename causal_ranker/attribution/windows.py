"""Which impressions may have led to a play, and which plays count."""

from __future__ import annotations

import ibis

from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.columns import Columns as C
from causal_ranker.logs.clock import span
from causal_ranker.logs.hours import hours_begun
from causal_ranker.logs.ids import id_order
from causal_ranker.logs.rules import require_columns

__all__ = ["eligible_impressions", "eligible_pairs", "qualified_plays"]


def qualified_plays(
    plays: ibis.Table,
    *,
    minimum_seconds: float = 0.0,
    minimum_fraction: float = 0.0,
    leave_out_bots: bool = False,
) -> ibis.Table:
    """Keep the plays that count.

    Parameters
    ----------
    plays : ibis.Table
        Play log.
    minimum_seconds : float
        The least length in seconds; a play of unknown length counts.
    minimum_fraction : float
        The least share of the item; a play of unknown share counts.
    leave_out_bots : bool
        Leave out plays that the column ``is_bot`` marks.

    Returns
    -------
    ibis.Table
        The plays that count, all columns.

    Raises
    ------
    SchemaError
        If the log has no column for what is asked.
    """
    for column, least in ((C.SECONDS, minimum_seconds), (C.FRACTION, minimum_fraction)):
        if least > 0:
            require_columns(plays, [column], name="plays")
            plays = plays.filter(plays[column].isnull() | (plays[column] >= least))
    return _people(plays, name="plays") if leave_out_bots else plays


def eligible_impressions(impressions: ibis.Table, *, config: AttributionConfig) -> ibis.Table:
    """Keep the impressions that may be credited at all.

    In this order: bots go, then days of a user with too many, then what was not viewable, then
    duplicates, then all but the first exposure, where the config asks for it.

    Parameters
    ----------
    impressions : ibis.Table
        Impression log.
    config : AttributionConfig
        Rules.

    Returns
    -------
    ibis.Table
        The impressions that are left, all columns.

    Raises
    ------
    SchemaError
        If the log has no column for what the config asks.
    """
    if config.leave_out_bots:
        impressions = _people(impressions, name="impressions")
    if config.most_impressions_a_day is not None:
        impressions = _slow_days(impressions, most=config.most_impressions_a_day)
    unknown = config.unknown_viewability == "viewable"
    if config.viewable_only:
        require_columns(impressions, [C.VIEWABLE], name="impressions")
        impressions = impressions.filter(impressions[C.VIEWABLE].fill_null(unknown))
    if config.minimum_viewable_ms > 0:
        require_columns(impressions, [C.VIEWABLE_MS], name="impressions")
        long_enough = impressions[C.VIEWABLE_MS] >= config.minimum_viewable_ms
        impressions = impressions.filter(long_enough.fill_null(unknown))
    if config.duplicates == "first":
        impressions = _first_of(impressions, [C.USER, C.ITEM, C.T0])
    if config.exposures == "first":
        impressions = _first_of(impressions, [C.USER, C.ITEM])
    return impressions


def eligible_pairs(
    impressions: ibis.Table, plays: ibis.Table, *, config: AttributionConfig
) -> ibis.Table:
    """Pair each play with the impressions of the same user and item inside a window.

    A pair is eligible when ``t0 + minimum_delay <= played_at`` and the play starts before the
    end of the view-through window, or of the click-through window of a clicked impression.

    Parameters
    ----------
    impressions : ibis.Table
        Impression log.
    plays : ibis.Table
        Qualified plays.
    config : AttributionConfig
        Windows, delay and rules for impressions.

    Returns
    -------
    ibis.Table
        One row per eligible pair: ``play_id``, ``impression_id``, ``t0``, and the impression's
        ``surface`` where the touch model asks for it.

    Raises
    ------
    SchemaError
        If a log has no column for what the config asks.
    """
    shown = eligible_impressions(impressions, config=config)
    pairs = _viewed(shown, plays, config=config)
    if config.click_window_hours is None:
        return pairs
    return ibis.union(
        pairs, _clicked(shown, plays, hours=config.click_window_hours, config=config), distinct=True
    )


def _viewed(shown: ibis.Table, plays: ibis.Table, *, config: AttributionConfig) -> ibis.Table:
    longest = max([config.window_hours, *config.surface_window_hours.values()])
    pairs = _pairs(shown, plays, clock=C.T0, hours=longest, config=config)
    if config.surface_window_hours:
        require_columns(shown, [C.SURFACE], name="impressions")
        # One filter for each window that is shorter than the longest.
        for surfaces, hours in _windows(config):
            if hours < longest:
                late = pairs[C.T0] <= pairs[C.PLAYED_AT] - span(hours * 3600)
                named = pairs[C.SURFACE].isin(sorted(config.surface_window_hours))
                of_these = pairs[C.SURFACE].isin(surfaces) if surfaces else ~named
                pairs = pairs.filter(~(of_these.fill_null(not surfaces) & late))
    return _pair_columns(pairs, config=config)


def _windows(config: AttributionConfig) -> list[tuple[list[str], float]]:
    """Surfaces by their window; no surface stands for all that are not named."""
    lengths = sorted(set(config.surface_window_hours.values()))
    named = [
        (sorted(s for s, own in config.surface_window_hours.items() if own == hours), hours)
        for hours in lengths
    ]
    return [*named, ([], config.window_hours)]


def _clicked(
    shown: ibis.Table, plays: ibis.Table, *, hours: float, config: AttributionConfig
) -> ibis.Table:
    require_columns(shown, [C.CLICKED_AT], name="impressions")
    clicked = shown.filter(shown[C.CLICKED_AT].notnull())
    pairs = _pairs(clicked, plays, clock=C.CLICKED_AT, hours=hours, config=config)
    delayed = pairs[C.T0] <= pairs[C.PLAYED_AT] - span(config.minimum_delay_seconds)
    return _pair_columns(pairs.filter(delayed), config=config)


def _pair_columns(pairs: ibis.Table, *, config: AttributionConfig) -> ibis.Table:
    surface = [C.SURFACE] if config.touch == "shapley" else []
    return pairs.select(C.PLAY, C.IMPRESSION, C.T0, *surface)


def _pairs(
    shown: ibis.Table, plays: ibis.Table, *, clock: str, hours: float, config: AttributionConfig
) -> ibis.Table:
    """Pair plays with impressions whose clock started inside the window before them."""
    delay = config.minimum_delay_seconds if clock == C.T0 else 0.0
    by_surface = config.surface_window_hours and C.SURFACE in shown.columns
    extra = [C.SURFACE] if by_surface or config.touch == "shapley" else []
    require_columns(shown, extra, name="impressions")
    session = [C.SESSION] if config.same_session else []
    require_columns(shown, session, name="impressions")
    require_columns(plays, session, name="plays")
    seen = shown.select(
        *dict.fromkeys([C.IMPRESSION, C.USER, C.ITEM, C.T0, clock, *extra, *session])
    )
    # The window's ends are reckoned on the plays, of which there are far fewer.
    played = plays.select(
        C.PLAY,
        C.USER,
        C.ITEM,
        C.PLAYED_AT,
        *session,
        opens=plays[C.PLAYED_AT] - span(hours * 3600),
        closes=plays[C.PLAYED_AT] - span(delay),
    )
    pairs = seen.inner_join(
        played,
        [
            *(seen[key] == played[key] for key in (C.USER, C.ITEM, *session)),
            seen[clock] > played.opens,
            seen[clock] <= played.closes,
        ],
    )
    return pairs.select(C.PLAY, C.IMPRESSION, C.T0, C.PLAYED_AT, *extra)


def _people(table: ibis.Table, *, name: str) -> ibis.Table:
    require_columns(table, [C.IS_BOT], name=name)
    return table.filter(~table[C.IS_BOT].fill_null(False))


def _slow_days(impressions: ibis.Table, *, most: int) -> ibis.Table:
    day = (hours_begun(impressions[C.T0]) // 24).cast("int64")
    dated = impressions.mutate(utc_day=day)
    of_day = ibis.window(group_by=[dated[C.USER], dated["utc_day"]])
    counted = dated.mutate(that_day=dated.count().over(of_day))
    return counted.filter(counted["that_day"] <= most).drop("utc_day", "that_day")


def _first_of(impressions: ibis.Table, key: list[str]) -> ibis.Table:
    order = [impressions[C.T0], *id_order(impressions[C.IMPRESSION])]
    window = ibis.window(group_by=[impressions[name] for name in key], order_by=order)
    placed = impressions.mutate(place=ibis.row_number().over(window))
    return placed.filter(placed.place == 0).drop("place")
