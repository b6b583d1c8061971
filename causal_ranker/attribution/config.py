"""Settings of attribution."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from causal_ranker.attribution.shares import SurfaceShares
from causal_ranker.config import FrozenConfig
from causal_ranker.logs.clock import LONGEST_HOURS

__all__ = ["AttributionConfig"]

_Hours = Annotated[float, Field(gt=0, le=LONGEST_HOURS)]
_AtLeastZero = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]


class AttributionConfig(FrozenConfig):
    """How plays find their impressions; hours are at most two hundred years.

    Parameters
    ----------
    window_hours : float, default 24
        View-through window: the play may start up to this many hours after t0 (excluded).
    surface_window_hours : dict of str to float
        View-through windows of single surfaces, in place of `window_hours`.
    click_window_hours : float, optional
        Click-through window: a play may also start up to this many hours after the impression
        was clicked (excluded). None: clicks open no window of their own.
    minimum_delay_seconds : float, default 0
        The play starts at least this many seconds after t0 (included), clicked or not.
    minimum_seconds : float, default 0
        A play shorter than this does not count. A play of unknown length does.
    minimum_fraction : float, default 0
        A play of a smaller share of the item does not count. A play of unknown share does.
    viewable_only : bool, default False
        Leave out impressions known not to have been viewable.
    minimum_viewable_ms : float, default 0
        Leave out impressions in view for less than this.
    unknown_viewability : {"viewable", "hidden"}, default "viewable"
        What an impression counts as if the column that is asked holds no value.
    leave_out_bots : bool, default False
        Leave out impressions and plays that the column ``is_bot`` marks. Unknown is no bot.
    most_impressions_a_day : int, optional
        Leave out the impressions of a user on UTC days on which the user was shown more than this:
        people do not see so many. Plays stay, and are organic then. As the evening decides about
        the morning, features look back on credits without this rule.
    duplicates : {"keep", "first"}, default "keep"
        Of impressions of one item to one user at one t0, keep all, or the first by id: in the order
        of `causal_ranker.logs.ids.id_order`, as all ties in t0.
    exposures : {"each", "first"}, default "each"
        Each impression may be credited, or only the first of an item to a user in the log.
    same_session : bool, default False
        The play and the impression must share their ``session_id``.
    touch : str, default "last"
        The touch model: which of the eligible impressions gets the credit. ``last``, ``first``,
        ``linear``, ``time_decay``, ``position`` or ``shapley``.
    half_life_hours : float, default 12
        Of ``time_decay``: an impression this much earlier than another gets half its credit.
    first_share, last_share : float, default 0.4
        Of ``position``: credit of the first and of the last; those between share the rest.
    surface_shares : SurfaceShares, optional
        Of ``shapley``: what surfaces share, by
        `causal_ranker.attribution.shapley.learn_surface_shares`.

    Raises
    ------
    ConfigError
        If a value is out of its bounds.
    """

    window_hours: _Hours = 24.0
    surface_window_hours: dict[str, _Hours] = Field(default_factory=dict)
    click_window_hours: _Hours | None = None
    minimum_delay_seconds: _AtLeastZero = 0.0
    minimum_seconds: _AtLeastZero = 0.0
    minimum_fraction: _Share = 0.0
    viewable_only: bool = False
    minimum_viewable_ms: _AtLeastZero = 0.0
    unknown_viewability: Literal["viewable", "hidden"] = "viewable"
    leave_out_bots: bool = False
    most_impressions_a_day: Annotated[int, Field(ge=1)] | None = None
    duplicates: Literal["keep", "first"] = "keep"
    exposures: Literal["each", "first"] = "each"
    same_session: bool = False
    touch: Literal["last", "first", "linear", "time_decay", "position", "shapley"] = "last"
    half_life_hours: _Hours = 12.0
    first_share: _Share = 0.4
    last_share: _Share = 0.4
    surface_shares: SurfaceShares | None = None

    @model_validator(mode="after")
    def _leave_time(self) -> Self:
        shortest = min([self.window_hours, *self.surface_window_hours.values()])
        if self.minimum_delay_seconds >= shortest * 3600:
            raise ValueError("minimum_delay_seconds must be shorter than every window")
        return self

    @model_validator(mode="after")
    def _know_the_shares(self) -> Self:
        if (self.touch == "shapley") != (self.surface_shares is not None):
            raise ValueError(
                'touch="shapley" needs surface_shares (learn_surface_shares gives them), and no '
                "other touch model reads them"
            )
        return self

    @model_validator(mode="after")
    def _leave_credit(self) -> Self:
        if not 0 < self.first_share + self.last_share <= 1:
            raise ValueError("first_share and last_share must sum to more than 0 and at most 1")
        return self
