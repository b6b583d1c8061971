"""The streaming world day by day: any policy fills the slates, on draws that all of them share.

Visits, candidates, noise in base scores and everything random about a row hang on the seed and
the day alone. What a policy's slates led to stays with its own `Audience`: what its users have
played changes what they play later, and what the base recommender says of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.covariates import item_table, user_table
from causal_ranker.worlds.outcomes import Draws, effect_if_examined
from causal_ranker.worlds.plays import Plays, background_plays, candidate_plays, join_plays
from causal_ranker.worlds.slates import base_scores, draw_candidates
from causal_ranker.worlds.streaming import StreamingWorld
from causal_ranker.worlds.substitutes import draw_substitutes, effect_on_total, substitute_plays
from causal_ranker.worlds.tastes import FINISHED, STARTED, Rates, pair_rates
from causal_ranker.worlds.visits import HOUR, Visits, draw_visits, examination

__all__ = ["DAY", "Audience", "LoopWorld", "Requests", "Served", "top"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

DAY: Final = 24 * HOUR
_FINISHED_SHARE: Final = 0.4  # of the titles played, as in the world's own log


@dataclass(frozen=True)
class Requests:
    """The requests of one day: what a policy may see, and behind the underscores what it may not.

    Parameters
    ----------
    day : int
        From 0.
    visits : Visits
        Who came, when and on what.
    item, base_score : ndarray, shape (requests, candidates)
        Candidates, rising, and what the base recommender says of them.
    """

    day: int
    visits: Visits
    item: IntArray
    base_score: Array
    _until: IntArray
    _before: NDArray[np.int8]
    _rates: Rates
    _attention: Array
    _scroll: Array

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class Served:
    """What the slates of one day did.

    Parameters
    ----------
    played : ndarray of bool, shape (requests, candidates)
        Played within the horizon, on any surface.
    clicked : ndarray of bool, shape (requests, candidates)
        Played from the slate itself, which nobody does who finds the title anyway.
    viewed_to : ndarray of int, shape (requests,)
        Last slot that came into view.
    plays : Plays
        All plays up to the users' next requests.
    gain, total : ndarray, shape (requests,)
        Titles that the user is expected to play within the horizon, given what was played before
        the request: what the slate adds, and all of them but those that no slate has a part in.
    """

    played: NDArray[np.bool_]
    clicked: NDArray[np.bool_]
    viewed_to: IntArray
    plays: Plays
    gain: Array
    total: Array


class LoopWorld:
    """Who lives in a world, and when they come.

    Parameters
    ----------
    config : WorldConfig
        The settings; a horizon of a day or more, so that nobody comes twice a day.

    Attributes
    ----------
    config : WorldConfig
        The settings.
    start : int
        First moment, in seconds since 1970 (UTC).
    users, items : pandas.DataFrame
        Covariates.
    """

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        self._world = StreamingWorld(config)
        self._seed = config.seed
        self.start = int(config.start.timestamp())
        habits, rng = self._world.habits, self.rng("covariates")
        self.users: pd.DataFrame = user_table(self._world.population, habits, rng=rng)
        self.items: pd.DataFrame = item_table(self._world.population, rng)
        self._visits, self._until = self._all_visits()

    def rng(self, stage: str) -> np.random.Generator:
        """Return the generator of one stage.

        Parameters
        ----------
        stage : str
            Its name.

        Returns
        -------
        numpy.random.Generator
            The same one whoever asks.
        """
        return stage_rng(self._seed, f"loop/{stage}")

    def _all_visits(self) -> tuple[Visits, IntArray]:
        config, rng = self.config, self.rng("visits")
        end = self.start + config.days * DAY
        free_from = np.full(config.users, self.start)
        came = draw_visits(
            self._world.habits, np.arange(config.users), free_from=free_from, end=end, rng=rng
        )
        blocks: list[Visits] = []
        ends: list[IntArray] = []
        while came.user.size:
            free_from = came.t0 + round(config.horizon_hours * HOUR)
            later = draw_visits(
                self._world.habits, came.user, free_from=free_from, end=end, rng=rng
            )
            until = np.full(config.users, end)
            until[later.user] = later.t0
            blocks.append(came)
            ends.append(until[came.user])
            came = later
        whole = {
            name: np.concatenate([getattr(each, name) for each in blocks])
            for name in ("user", "t0", "device", "session_so_far")
        }
        order = np.argsort(whole["t0"], kind="stable")
        visits = Visits(**{name: values[order] for name, values in whole.items()})
        return visits, np.concatenate(ends)[order]

    def requests(self, day: int, state: NDArray[np.int8]) -> Requests:
        """Return the requests of one day.

        Parameters
        ----------
        day : int
            From 0.
        state : ndarray of int, shape (users, items)
            What users have done with items by then.

        Returns
        -------
        Requests
            In order of time.
        """
        config, population = self.config, self._world.population
        first, last = np.searchsorted(self._visits.t0, self.start + DAY * np.array([day, day + 1]))
        mine = slice(first, last)
        visits = Visits(
            user=self._visits.user[mine],
            t0=self._visits.t0[mine],
            device=self._visits.device[mine],
            session_so_far=self._visits.session_so_far[mine],
        )
        retrieval = population.retrieval[visits.user]
        item = draw_candidates(retrieval, config.candidates, rng=self.rng(f"candidates/{day}"))
        before = state[visits.user[:, None], item]
        rates = pair_rates(
            population, config, user=visits.user, item=item, state=before, hour=visits.hour
        )
        attention, scroll = examination(visits)
        average = attention * (scroll[:, None] ** np.arange(config.slate_size)).mean(axis=1)
        shown = -np.expm1(-rates.organic) + average[:, None] * effect_if_examined(rates, config)
        return Requests(
            day=day,
            visits=visits,
            item=item,
            base_score=base_scores(shown, config, rng=self.rng(f"base/{day}")),
            _until=self._until[mine],
            _before=before,
            _rates=rates,
            _attention=attention,
            _scroll=scroll,
        )

    def serve(self, requests: Requests, slate: IntArray) -> Served:
        """Show slates, and let their horizons pass.

        Parameters
        ----------
        requests : Requests
            The requests of one day.
        slate : ndarray of int, shape (requests, slots)
            Places of the candidates shown, first slot first.

        Returns
        -------
        Served
            What they did.
        """
        config, day, rates = self.config, requests.day, requests._rates
        draws = self._draws(requests)
        position = np.zeros(requests.item.shape, dtype=np.int64)
        np.put_along_axis(position, slate, np.arange(1, slate.shape[1] + 1)[None, :], axis=1)
        examined = (position > 0) & (position <= draws.examined_to)
        by_itself = draws.organic_plays > 0
        answered = examined & draws.responds
        horizon = round(config.horizon_hours * HOUR)
        plays = [
            candidate_plays(
                requests.visits,
                requests.item,
                state=requests._before,
                rates=rates,
                draws=draws,
                examined=examined,
                horizon=horizon,
                repeat_rate=config.repeat_rate,
                rng=self.rng(f"plays/{day}"),
            )
        ]
        fixed, rng = requests.item, self.rng(f"substitutes/{day}")
        if config.cannibalisation:
            substitutes = draw_substitutes(requests.item, rates, draws, config=config, rng=rng)
            plays.append(
                substitute_plays(
                    requests.visits, substitutes, examined=examined, horizon=horizon, rng=rng
                )
            )
            fixed = np.concatenate([requests.item, substitutes.taken()], axis=1)
        plays.append(
            background_plays(
                requests.visits,
                fixed,
                population=self._world.population,
                until=requests._until,
                horizon=horizon,
                rate=config.background_plays,
                rng=self.rng(f"background/{day}"),
            )
        )
        gain, without = self._expected(requests, slate)
        return Served(
            played=np.where(rates.negative, by_itself & ~answered, by_itself | answered),
            clicked=answered & ~rates.negative,
            viewed_to=draws.depth,
            plays=join_plays(plays),
            gain=gain,
            total=without + gain,
        )

    def best(self, requests: Requests) -> IntArray:
        """Return the slates that nothing beats on the day.

        Parameters
        ----------
        requests : Requests
            The requests of one day.

        Returns
        -------
        ndarray of int, shape (requests, slots)
            Places of the candidates whose impression adds most, first slot first.
        """
        effect = effect_if_examined(requests._rates, self.config)
        return top(effect_on_total(effect, self.config), self.config.slate_size)

    def _draws(self, requests: Requests) -> Draws:
        """Draw by inversion: a row that no slate has touched does the same under every policy."""
        from scipy.stats import poisson

        rates, rng = requests._rates, self.rng(f"potentials/{requests.day}")
        depth = rng.geometric(1 - requests._scroll)
        noticed, organic, response = rng.random((3, *requests.item.shape))
        chance = np.where(rates.negative, self.config.negative_strength, rates.discovery)
        return Draws(
            organic_plays=poisson.ppf(organic, rates.organic).astype(np.int64),
            responds=response < chance,
            depth=depth,
            examined_to=np.where(noticed < requests._attention[:, None], depth[:, None], 0),
        )

    def _expected(self, requests: Requests, slate: IntArray) -> tuple[Array, Array]:
        """Return the titles that the slate adds, and those played without it."""
        effect = effect_if_examined(requests._rates, self.config)
        attention = requests._attention[:, None]
        added = np.take_along_axis(effect_on_total(effect, self.config), slate, axis=1)
        reached = attention * requests._scroll[:, None] ** np.arange(slate.shape[1])
        instead = self.config.cannibalisation * attention * np.maximum(effect, 0)
        without = -np.expm1(-requests._rates.organic) + instead
        return (reached * added).sum(axis=1), without.sum(axis=1)


def top(score: Array, slots: int) -> IntArray:
    """Return the places of the largest scores of each request.

    Parameters
    ----------
    score : ndarray, shape (requests, candidates)
        Scores.
    slots : int
        How many.

    Returns
    -------
    ndarray of int, shape (requests, slots)
        Largest first, equal ones in the order of the candidates.
    """
    places: IntArray = np.argsort(-score, axis=1, kind="stable")[:, :slots]
    return places


class Audience:
    """One policy's users: what they have played so far.

    Parameters
    ----------
    world : LoopWorld
        The world.
    state : ndarray of int, shape (users, items), optional
        What they did before; nothing by default. It is copied.
    """

    def __init__(self, world: LoopWorld, state: NDArray[np.int8] | None = None) -> None:
        self.world = world
        shape = (world.config.users, world.config.items)
        self.state = np.zeros(shape, dtype=np.int8) if state is None else state.copy()

    def requests(self, day: int) -> Requests:
        """Return the requests of one day.

        Parameters
        ----------
        day : int
            From 0; the days before it have been served.

        Returns
        -------
        Requests
            In order of time.
        """
        return self.world.requests(day, self.state)

    def serve(self, requests: Requests, slate: IntArray) -> Served:
        """Show slates, and let their horizons pass.

        Parameters
        ----------
        requests : Requests
            The requests of one day.
        slate : ndarray of int, shape (requests, slots)
            Places of the candidates shown, first slot first.

        Returns
        -------
        Served
            What they did.
        """
        served = self.world.serve(requests, slate)
        lots = self.world.rng(f"finished/{requests.day}").random(self.state.shape)
        user, item = served.plays.user, served.plays.item
        done = (lots[user, item] < _FINISHED_SHARE) | (self.state[user, item] == FINISHED)
        self.state[user, item] = np.where(done, FINISHED, STARTED)
        return served
