"""Which impressions may have led to a play, and which plays count."""

from __future__ import annotations

from typing import Literal, Self

import ibis
from pydantic import Field, model_validator

from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.logs.rules import require_columns

__all__ = ["AttributionConfig", "eligible_pairs", "qualified_plays"]


class AttributionConfig(FrozenConfig):
    """How plays find their impressions.

    Parameters
    ----------
    window_hours : float, default 24
        View-through window: the play may start up to this many hours after t0 (excluded).
    minimum_delay_seconds : float, default 0
        The play starts at least this many seconds after t0 (included).
    minimum_seconds : float, default 0
        A play shorter than this does not count. A play of unknown length does.
    viewable_only : bool, default False
        Leave out impressions known not to have been viewable. Unknown counts as viewable.
    touch : {"last", "first", "linear"}, default "last"
        The touch model: which of the eligible impressions gets the credit.

    Raises
    ------
    ConfigError
        If a value is out of its bounds.
    """

    window_hours: float = Field(default=24.0, gt=0, allow_inf_nan=False)
    minimum_delay_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    minimum_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    viewable_only: bool = False
    touch: Literal["last", "first", "linear"] = "last"

    @model_validator(mode="after")
    def _leave_time(self) -> Self:
        if self.minimum_delay_seconds >= self.window_hours * 3600:
            raise ValueError("minimum_delay_seconds must be shorter than the window")
        return self


def qualified_plays(plays: ibis.Table, *, minimum_seconds: float) -> ibis.Table:
    """Keep the plays that are long enough to count.

    Parameters
    ----------
    plays : ibis.Table
        Play log.
    minimum_seconds : float
        The least length in seconds; a play of unknown length counts.

    Returns
    -------
    ibis.Table
        The plays that count, all columns.

    Raises
    ------
    SchemaError
        If a length is asked for and the log has no column ``seconds``.
    """
    if minimum_seconds <= 0:
        return plays
    require_columns(plays, [C.SECONDS], name="plays")
    seconds = plays[C.SECONDS]
    return plays.filter(seconds.isnull() | (seconds >= minimum_seconds))


def eligible_pairs(
    impressions: ibis.Table, plays: ibis.Table, *, config: AttributionConfig
) -> ibis.Table:
    """Pair each play with the impressions of the same user and item inside the window.

    A pair is eligible when ``t0 + minimum_delay <= played_at < t0 + window``.

    Parameters
    ----------
    impressions : ibis.Table
        Impression log.
    plays : ibis.Table
        Qualified plays.
    config : AttributionConfig
        Window, delay and viewability.

    Returns
    -------
    ibis.Table
        One row per eligible pair: ``play_id``, ``impression_id``, ``t0``.

    Raises
    ------
    SchemaError
        If viewability is asked for and the log has no column ``viewable``.
    """
    if config.viewable_only:
        require_columns(impressions, [C.VIEWABLE], name="impressions")
        impressions = impressions.filter(impressions[C.VIEWABLE].fill_null(True))
    shown = impressions.select(C.IMPRESSION, C.USER, C.ITEM, C.T0)
    # The window's ends are reckoned on the plays, of which there are far fewer.
    played = plays.select(
        C.PLAY,
        C.USER,
        C.ITEM,
        opens=plays[C.PLAYED_AT] - _interval(config.window_hours * 3600),
        closes=plays[C.PLAYED_AT] - _interval(config.minimum_delay_seconds),
    )
    pairs = shown.inner_join(
        played,
        [
            shown[C.USER] == played[C.USER],
            shown[C.ITEM] == played[C.ITEM],
            shown[C.T0] > played.opens,
            shown[C.T0] <= played.closes,
        ],
    )
    return pairs.select(C.PLAY, C.IMPRESSION, C.T0)


def _interval(seconds: float) -> ibis.Value:
    # Whole microseconds: the finest step that all engines' timestamps share.
    return ibis.interval(microseconds=round(seconds * 1_000_000))
