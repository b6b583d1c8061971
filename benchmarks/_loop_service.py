"""The re-ranker in the loop: it serves with exploration, logs, and learns from its own log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks._loop_log import Logbook, decision_ids
from benchmarks._loop_world import DAY, LoopWorld, Requests, Served
from causal_ranker.boosting import BoostConfig
from causal_ranker.chain.config import ChainConfig
from causal_ranker.columns import Columns as C
from causal_ranker.features.config import FeatureConfig
from causal_ranker.ranker import CausalRanker
from causal_ranker.reranking.chained import ListPolicy, score_lists
from causal_ranker.reranking.draws import PlackettLuce
from causal_ranker.reranking.explore import Exploration, Explored, explore
from causal_ranker.reranking.lists import CandidateLists
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.uplift.final import LearnerConfig
from causal_ranker.uplift.nuisance import NuisanceConfig

__all__ = ["CausalService"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Learner, trees and temperature were chosen on worlds of other seeds than those reported.
_LEARNER: Final = "r"
#: The first log: the base recommender, its scores being log odds.
_FIRST: Final = (BasePolicy(), 1.0)
#: Later ones: by uplift, in standard deviations of the request.
_LATER: Final = (BlendPolicy(weight=1.0), 0.25)


#: What fits a small world in seconds. The last two days of a log judge and do not train, as of
#: the last one no horizon has ended.
_TRAINING: Final = ChainConfig(
    features=FeatureConfig(
        windows_days=(7, 28),
        item_numbers=("buzz",),
        item_categories=("genre",),
        user_numbers=("tenure_days", "taste_breadth", "skip_rate"),
        user_categories=("favourite_genre", "main_device"),
    ),
    dr=LearnerConfig(
        final=BoostConfig(rounds=120, learning_rate=0.06, leaves=4, min_rows_leaf=500),
        nuisance=NuisanceConfig(
            outcome=BoostConfig(rounds=60, learning_rate=0.1, leaves=15, min_rows_leaf=100)
        ),
        lowest_propensity=0.01,
    ),
    choose_days=2,
    engine_threads=1,
)


class CausalService:
    """Our arm: one bundle a round, explored lists, and the log that the next bundle is made of.

    Parameters
    ----------
    world : LoopWorld
        The world.
    folder : Path
        Where decisions, tables and bundles lie.

    Attributes
    ----------
    log : Logbook
        What was decided and what happened.
    bundle : Bundle or None
        The model in force; None in round 0.
    """

    def __init__(self, world: LoopWorld, *, folder: Path) -> None:
        self._world, self._folder = world, folder
        self.log = Logbook(folder)
        self.bundle: Bundle | None = None
        self._drawn: tuple[Explored, Array] | None = None

    def choose(self, requests: Requests) -> IntArray:
        """Draw the slates of one day: by base score until there is a bundle.

        Parameters
        ----------
        requests : Requests
            The requests.

        Returns
        -------
        ndarray of int, shape (requests, slots)
            Places of the candidates shown, first slot first.
        """
        lists, policy, exploration = self.asked(requests)
        drawn = explore(
            policy,
            lists,
            exploration,
            decisions=decision_ids(requests),
            users=requests.visits.user,
            seed=self._world.config.seed,
        )
        score = score_lists(policy, lists).reshape(requests.item.shape)
        self._drawn = drawn, score
        slate: IntArray = drawn.chosen % requests.item.shape[1]
        return slate

    @property
    def propensity(self) -> Array:
        """Conditional propensities of what was drawn last, shape (requests, slots)."""
        assert self._drawn is not None
        return self._drawn[0].propensity

    def asked(self, requests: Requests) -> tuple[CandidateLists, ListPolicy, Exploration]:
        """Return the lists of one day as they are, and how they are drawn.

        Parameters
        ----------
        requests : Requests
            The requests.

        Returns
        -------
        tuple of CandidateLists, Policy and Exploration
            What `explore` takes.
        """
        policy, _ = _FIRST if self.bundle is None else _LATER
        return candidate_lists(self.bundle, requests), policy, self._exploration

    @property
    def _exploration(self) -> Exploration:
        _, temperature = _FIRST if self.bundle is None else _LATER
        draw = PlackettLuce(temperature=temperature)
        return Exploration(draw=draw, slots=self._world.config.slate_size)

    def told(self, requests: Requests, slate: IntArray, *, served: Served) -> None:
        """Write down what `choose` drew last, and what it led to.

        Parameters
        ----------
        requests : Requests
            The requests.
        slate : ndarray of int, shape (requests, slots)
            What `choose` returned.
        served : Served
            What it did.
        """
        assert self._drawn is not None
        drawn, score = self._drawn
        self.log.write(
            requests,
            drawn,
            score=score,
            exploration=self._exploration,
            version="base" if self.bundle is None else self.bundle.version,
            seed=self._world.config.seed,
            served=served,
        )

    def retrain(self, *, day: int) -> None:
        """Fit on everything logged before a day, publish, and serve what was published.

        Parameters
        ----------
        day : int
            From 0; the first day of the next round.
        """
        world = self._world
        now = world.start + day * DAY
        end = datetime.fromtimestamp(now, UTC)
        ranker = CausalRanker(
            learner=_LEARNER,
            policy=_LATER[0],
            k=world.config.slate_size,
            horizon_hours=world.config.horizon_hours,
            config=_TRAINING,
            seed=world.config.seed,
        )
        logs = self.log.compacted(until=now)
        ranker.fit(
            logs["impressions"],
            logs["plays"],
            candidates=logs["candidates"],
            users=world.users,
            items=world.items,
            log_end=end,
        )
        models = self._folder / "models"
        ranker.save(models, candidates=everything(world, end), at=end)
        self.bundle = load_bundle(models)


def everything(world: LoopWorld, at: datetime) -> pd.DataFrame:
    """List every user with every item: of those the snapshot knows the history.

    Parameters
    ----------
    world : LoopWorld
        The world.
    at : datetime
        The moment.

    Returns
    -------
    pandas.DataFrame
        A candidate log of one request a user.
    """
    users, items = world.config.users, world.config.items
    return pd.DataFrame(
        {
            C.USER: np.repeat(np.arange(users), items),
            C.ITEM: np.tile(np.arange(items), users),
            C.T0: at,
            C.SHOWN: False,
        }
    )


def candidate_lists(bundle: Bundle | None, requests: Requests) -> CandidateLists:
    """Score the candidates of one day, all requests at once.

    Parameters
    ----------
    bundle : Bundle or None
        The model in force; without one, uplift is 0 throughout.
    requests : Requests
        The requests.

    Returns
    -------
    CandidateLists
        Request by request.
    """
    count, width = requests.item.shape
    rank = _base_rank(requests)
    uplift = np.zeros(count * width)
    if bundle is not None and count:
        rows = [
            bundle.uplift.plan.matrix(bundle.read(user, items), base_score=score, base_rank=place)
            for user, items, score, place in zip(
                requests.visits.user.tolist(),
                requests.item.tolist(),
                requests.base_score,
                rank,
                strict=True,
            )
        ]
        uplift = bundle.uplift.model.predict(np.concatenate(rows))
    return CandidateLists(
        request=np.repeat(np.arange(count), width),
        base_score=requests.base_score.ravel(),
        base_rank=rank.ravel().astype(np.float64),
        uplift=uplift,
    )


def _base_rank(requests: Requests) -> IntArray:
    order = np.argsort(-requests.base_score, axis=1, kind="stable")
    ranks = np.empty(order.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.arange(1, order.shape[1] + 1)[None, :], axis=1)
    return ranks
