"""A simulated streaming service with known potential outcomes.

Users come again and again; a base recommender ranks a candidate set by P(play | shown) and a
Plackett-Luce draw over its scores fills the slate; users scroll, notice, play, find titles by
themselves, and play again. What a user played changes what happens at later requests, as in
life, but one user's horizons never overlap, so the truth of each row is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.arrivals import draw_arrivals, held_back, plays_of_what_is_there
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs, write_logs
from causal_ranker.worlds.outcomes import draw_potentials, effect_if_examined, outcomes
from causal_ranker.worlds.plays import Plays, background_plays, candidate_plays, join_plays
from causal_ranker.worlds.rows import RequestRows
from causal_ranker.worlds.slates import base_scores, draw_candidates, draw_slates
from causal_ranker.worlds.substitutes import draw_substitutes, substitute_plays
from causal_ranker.worlds.tastes import (
    FINISHED,
    STARTED,
    Population,
    Rates,
    draw_population,
    pair_rates,
)
from causal_ranker.worlds.visits import HOUR, Habits, Visits, draw_habits, draw_visits, examination

__all__ = ["StreamingWorld"]

_FINISHED_SHARE = 0.4  # of the titles played in a period


@dataclass(frozen=True)
class _Streams:
    """One generator per stage, so that a change in one stage moves no other's draws."""

    visits: np.random.Generator
    base: np.random.Generator
    potentials: np.random.Generator
    slots: np.random.Generator
    plays: np.random.Generator
    substitutes: np.random.Generator

    @classmethod
    def of(cls, seed: int) -> _Streams:
        names = ("visits", "base", "potentials", "slots", "plays", "substitutes")
        return cls(**{name: stage_rng(seed, f"streaming/{name}") for name in names})


class StreamingWorld:
    """A streaming service whose effects are known.

    Parameters
    ----------
    config : WorldConfig
        The settings; equal settings give equal logs, byte for byte.

    Attributes
    ----------
    config : WorldConfig
        The settings.
    population : Population
        Latent traits of users and items.
    habits : Habits
        What stays the same about users' visits.
    arrival : ndarray of int, shape (items,)
        When each item came, in seconds since 1970 (UTC).

    Examples
    --------
    >>> world = StreamingWorld(WorldConfig(users=20, items=30, candidates=12, slate_size=4, days=3))
    >>> logs = world.simulate()
    >>> bool((logs.truth["tau"] <= 1).all())
    True
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self.population: Population = draw_population(
            config, stage_rng(config.seed, "streaming/population")
        )
        self.habits: Habits = draw_habits(config, stage_rng(config.seed, "streaming/habits"))
        self.arrival: NDArray[np.int64] = draw_arrivals(
            config, stage_rng(config.seed, "streaming/arrivals")
        )

    def simulate(self) -> WorldLogs:
        """Run the service for the configured days.

        Returns
        -------
        WorldLogs
            Logs in the contract's form, and the truth about every candidate row.

        Raises
        ------
        EmptyError
            If no user came: the world is too small.
        """
        config = self.config
        streams = _Streams.of(config.seed)
        start = int(config.start.timestamp())
        end = start + config.days * 24 * HOUR
        state = np.zeros((config.users, config.items), dtype=np.int8)
        users = np.arange(config.users)
        visits = draw_visits(
            self.habits, users, free_from=np.full_like(users, start), end=end, rng=streams.visits
        )
        blocks: list[RequestRows] = []
        plays: list[Plays] = []
        while visits.user.size:
            later = draw_visits(
                self.habits,
                visits.user,
                free_from=visits.t0 + self._horizon,
                end=end,
                rng=streams.visits,
            )
            until = np.full(config.users, end)
            until[later.user] = later.t0
            block, played = self._serve(
                visits, until=until[visits.user], state=state, streams=streams
            )
            _remember(state, played, streams.plays)
            blocks.append(block)
            plays.append(played)
            visits = later
        if not blocks:
            raise EmptyError(
                expected="at least one request within the log",
                came=f"none from {config.users} users in {config.days} days",
                do="Raise users, days or visit_rate, or change the seed.",
            )
        return write_logs(
            config,
            self.population,
            habits=self.habits,
            arrival=self.arrival,
            blocks=blocks,
            plays=join_plays(plays),
            rng=stage_rng(config.seed, "streaming/events"),
        )

    @property
    def _horizon(self) -> int:
        return round(self.config.horizon_hours * HOUR)

    def _serve(
        self,
        visits: Visits,
        *,
        until: NDArray[np.int64],
        state: NDArray[np.int8],
        streams: _Streams,
    ) -> tuple[RequestRows, Plays]:
        """Answer one request of each user given, and let their horizons pass."""
        config = self.config
        there = self.arrival <= visits.t0[:, None]
        retrieval = np.where(there, self.population.retrieval[visits.user], -np.inf)
        item = draw_candidates(retrieval, config.candidates, rng=streams.base)
        before = state[visits.user[:, None], item]
        rates = pair_rates(
            self.population,
            config,
            user=visits.user,
            item=item,
            state=before,
            hour=visits.hour,
        )
        attention, scroll = examination(visits)
        effect = effect_if_examined(rates, config)
        average = attention * (scroll[:, None] ** np.arange(config.slate_size)).mean(axis=1)
        score = base_scores(
            -np.expm1(-rates.organic) + average[:, None] * effect, config, rng=streams.base
        )
        score = held_back(score, item, t0=visits.t0, arrival=self.arrival, config=config)
        slates = draw_slates(score, config, rng=streams.base)
        rates = self._changed(rates, visits)  # which the base recommender knows nothing of
        effect = effect_if_examined(rates, config)
        draws = draw_potentials(
            rates, config, attention=attention, scroll=scroll, rng=streams.potentials
        )
        result = outcomes(
            rates,
            draws,
            slates=slates,
            effect=effect,
            attention=attention,
            scroll=scroll,
            rng=streams.slots,
        )
        within = candidate_plays(
            visits,
            item,
            state=before,
            rates=rates,
            draws=draws,
            examined=result.examined,
            horizon=self._horizon,
            repeat_rate=config.repeat_rate,
            rng=streams.plays,
        )
        fixed = item
        if config.cannibalisation:
            substitutes = draw_substitutes(
                item, rates, draws, config=config, rng=streams.substitutes
            )
            instead = substitute_plays(
                visits,
                substitutes,
                examined=result.examined,
                horizon=self._horizon,
                rng=streams.substitutes,
            )
            within = join_plays([within, instead])
            fixed = np.concatenate([item, substitutes.taken()], axis=1)
        around = background_plays(
            visits,
            fixed,
            population=self.population,
            until=until,
            horizon=self._horizon,
            rate=config.background_plays,
            rng=streams.plays,
        )
        block = RequestRows.of(
            visits,
            item=item,
            score=score,
            slates=slates,
            draws=draws,
            outcomes=result,
            effect=effect,
            attention=attention,
            scroll=scroll,
        )
        return block, join_plays([within, plays_of_what_is_there(around, self.arrival)])

    def _changed(self, rates: Rates, visits: Visits) -> Rates:
        """Return the rates with the effects as they are since they changed."""
        config = self.config
        if config.change_day is None:
            return rates
        since = int(config.start.timestamp()) + config.change_day * 24 * HOUR
        factor = np.where(visits.t0 >= since, config.change_factor, 1.0)
        return replace(rates, discovery=rates.discovery * factor[:, None])


def _remember(state: NDArray[np.int8], plays: Plays, rng: np.random.Generator) -> None:
    """Write to `state` what was played: each title is then started, or finished for good."""
    played = np.unique(plays.user * state.shape[1] + plays.item)
    finished = rng.random(played.size) < _FINISHED_SHARE
    now = state.ravel()[played]
    state.ravel()[played] = np.where(finished | (now == FINISHED), FINISHED, STARTED)
