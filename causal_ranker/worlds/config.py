"""Settings of the simulated streaming service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

__all__ = ["WorldConfig"]


class WorldConfig(FrozenConfig):
    """Settings of a `StreamingWorld`; the defaults are a world with overlap and confounding.

    Regimes are settings of these fields, and five have names (`causal_ranker.worlds.regimes`): a
    large `temperature` is close to randomised, a small one with a large `confounding` is
    confounded by the base ranker, a small `organic_rate` and `discovery_rate` make outcomes rare,
    a large `negative_share` mixes the signs of effects, and a large `organic_rate` makes most
    plays organic.

    Parameters
    ----------
    users, items : int
        How many there are.
    start : datetime
        First moment of the log, with a time zone.
    days : int
        Length of the log.
    visit_rate : float
        Mean over users of the chance to come back on a day on which they may, in (0, 1].
    candidates : int
        Candidates per request, at most 400.
    slate_size : int
        k, slots per slate; less than `candidates`, at most 20.
    horizon_hours : float
        h. A user's next request never comes before the horizon of the last one has ended.
    temperature : float
        Of Plackett-Luce over base scores.
    confounding : float
        Weight of the log odds of P(play | shown) in the base score; 0 makes the score noise.
    base_noise : float
        Standard deviation of the noise in the base score, in log odds.
    organic_rate : float
        Mean of P(Y(0) = 1) over candidates that are new to the user.
    discovery_rate : float
        Mean over the same rows of P(an examined impression leads to a play), where effects are
        not negative.
    negative_share : float
        Share of user-item pairs for which an examined impression puts the user off.
    negative_strength : float
        Chance that an examined impression removes the organic plays of such a pair.
    taste_strength : float
        Standard deviation, in log intensity, of how well an item matches a user.
    repeat_rate : float
        Mean number of repeats, within the horizon, of a play that a slate led to.
    background_plays : float
        Mean plays per user and day of anything in the catalogue, outside candidate set and
        horizon.
    cannibalisation : float
        Share of the plays that a slate leads to which take the place of a play of another title:
        the user's total gains nothing by them. Needs twice as many items as candidates.
    change_day : int, optional
        Day of the log, from 0, from which on effects are others; never by default.
    change_factor : float
        Of P(an examined impression leads to a play) from that day on. The base recommender goes
        on as it was, so that slates and features stay what they were: only the effect moves.
    new_share : float
        Share of the items that come while the log runs, evenly over its days: nobody can be shown
        them or play them before. Not together with cannibalisation. The item table then has
        ``available_from``.
    new_days, new_penalty : float
        For so many days, the base recommender scores a new item so much lower than it would.
    late_share : float
        Share of plays whose event arrives (`logged_at`) hours or days after the play.
    duplicate_share : float
        Share of play events that are delivered twice, with one `play_id`. The contract of the
        logs refuses duplicates, so the default is 0; raise it to test the refusal or a
        quarantine.
    seed : int
        Equal seeds give equal worlds and logs.

    Raises
    ------
    ConfigError
        If a setting is out of its bounds or two contradict each other.
    """

    users: int = Field(default=2_000, ge=1)
    items: int = Field(default=400, ge=2)
    start: AwareDatetime = datetime(2025, 1, 6, tzinfo=UTC)
    days: int = Field(default=14, ge=1)
    visit_rate: float = Field(default=0.6, gt=0, le=1)
    candidates: int = Field(default=50, ge=2, le=400)
    slate_size: int = Field(default=10, ge=1, le=20)
    horizon_hours: float = Field(default=24.0, ge=1, le=24 * 28)
    temperature: float = Field(default=1.0, gt=0)
    confounding: float = Field(default=1.0, ge=0)
    base_noise: float = Field(default=0.5, ge=0)
    organic_rate: float = Field(default=0.08, gt=0, lt=1)
    discovery_rate: float = Field(default=0.12, gt=0, lt=1)
    negative_share: float = Field(default=0.15, ge=0, le=1)
    negative_strength: float = Field(default=0.6, ge=0, le=1)
    taste_strength: float = Field(default=1.0, ge=0)
    repeat_rate: float = Field(default=0.3, ge=0)
    background_plays: float = Field(default=0.3, ge=0)
    cannibalisation: float = Field(default=0.0, ge=0, le=1)
    change_day: int | None = Field(default=None, ge=0)
    change_factor: float = Field(default=1.0, ge=0, le=1)
    new_share: float = Field(default=0.0, ge=0, lt=1)
    new_days: float = Field(default=7.0, gt=0)
    new_penalty: float = Field(default=1.0, ge=0)
    late_share: float = Field(default=0.02, ge=0, le=1)
    duplicate_share: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.candidates > self.items:
            raise ConfigError(
                expected="no more candidates per request than items",
                came=f"candidates = {self.candidates}, items = {self.items}",
                do="Lower candidates or raise items.",
            )
        if self.cannibalisation and 2 * self.candidates > self.items:
            raise ConfigError(
                expected="with cannibalisation, at least twice as many items as candidates",
                came=f"candidates = {self.candidates}, items = {self.items}",
                do="Lower candidates or raise items: each candidate takes another title's place.",
            )
        if self.new_share and (
            self.cannibalisation or self.candidates > (1 - self.new_share) * self.items - 1
        ):
            raise ConfigError(
                expected="with new items, no cannibalisation, and more items from the first day "
                "on than candidates per request",
                came=f"candidates = {self.candidates}, items = {self.items}, new_share = "
                f"{self.new_share}, cannibalisation = {self.cannibalisation}",
                do="Lower candidates or new_share, and leave cannibalisation out.",
            )
        if self.slate_size >= self.candidates:
            raise ConfigError(
                expected="a slate shorter than the candidate set, so that both arms have rows",
                came=f"slate_size = {self.slate_size}, candidates = {self.candidates}",
                do="Lower slate_size or raise candidates.",
            )
        if self.horizon_hours > 24 * self.days:
            raise ConfigError(
                expected="a log at least as long as the horizon",
                came=f"horizon_hours = {self.horizon_hours}, days = {self.days}",
                do="Lower horizon_hours or raise days.",
            )
        return self
