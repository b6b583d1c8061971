"""Linear bandits over the same candidates: LinUCB and Thompson sampling.

Both regress plays of shown items on features that they share over all items, once the horizon
has ended; they know what an accuracy ranker may know (its own score included), day by day.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks._loop_world import DAY, LoopWorld, Requests, Served, top

__all__ = ["Bandit", "Features", "LinThompson", "LinUCB"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Days until every horizon of a day's requests has ended.
_LAG: Final = 2
_ALONE, _CONTEXT = 6, 3
#: Prior precision of each coefficient.
_RIDGE: Final = 1.0


class Features:
    """What a bandit knows of a user and an item at a request; nothing in it came later.

    Parameters
    ----------
    world : LoopWorld
        For the covariates.

    Attributes
    ----------
    width : int
        How many features there are.
    """

    def __init__(self, world: LoopWorld) -> None:
        users, items = world.users, world.items
        skip = users["skip_rate"].to_numpy()
        self._user = _standard(
            np.log(users["tenure_days"].to_numpy()),
            users["taste_breadth"].to_numpy(),
            np.log(skip / (1 - skip)),
        )
        self._item = _standard(*(items[name].to_numpy(float) for name in ("buzz", "minutes")))
        genres = sorted(items["genre"].unique())
        self._genre = np.stack([items["genre"].to_numpy() == each for each in genres[1:]], axis=1)
        self._likes = users["favourite_genre"].to_numpy()[:, None] == items["genre"].to_numpy()
        self._start = world.start
        shape = (world.config.users, world.config.items)
        self._plays, self._shown = np.zeros((2, *shape))
        self._later: list[tuple[IntArray, IntArray, IntArray]] = []
        of_user, of_item = self._user.shape[1], self._item.shape[1]
        crossed = 4 * of_user
        self.width = _ALONE + of_user + of_item + self._genre.shape[1] + crossed + _CONTEXT

    def note(self, requests: Requests, slate: IntArray, *, served: Served) -> None:
        """Remember what was shown and played.

        Parameters
        ----------
        requests : Requests
            The requests of one day.
        slate : ndarray of int, shape (requests, slots)
            What was shown.
        served : Served
            What it did.
        """
        item = np.take_along_axis(requests.item, slate, axis=1)
        np.add.at(self._shown, (requests.visits.user[:, None], item), 1)
        plays = served.plays
        self._later.append((plays.played_at, plays.user, plays.item))

    def of(self, requests: Requests) -> Array:
        """Return the features of each candidate.

        Parameters
        ----------
        requests : Requests
            The requests of one day; plays count if they began before the day did.

        Returns
        -------
        ndarray of float64, shape (requests, candidates, features)
            Numbers of the order of 1.
        """
        self._count(before=self._start + requests.day * DAY)
        user, item, score = requests.visits.user, requests.item, requests.base_score
        of_user = np.broadcast_to(self._user[user][:, None], (*item.shape, self._user.shape[1]))
        of_item, likes = self._item[item], self._likes[user[:, None], item].astype(float)
        chance = 1 / (1 + np.exp(-score))
        played = np.log1p(self._plays[user[:, None], item])
        shown = np.log1p(self._shown[user[:, None], item])
        evening = np.abs((requests.visits.hour - 20 + 12) % 24 - 12) <= 3
        context = np.stack(
            [evening, *(requests.visits.device == code for code in (1, 2))], axis=1
        ).astype(float)
        alone = np.stack([np.ones(item.shape), score / 2, chance, likes, played, shown], axis=2)
        crossed = np.concatenate(
            [each[:, :, None] * of_user for each in (of_item[:, :, 0], chance, likes, played)],
            axis=2,
        )
        return np.concatenate(
            [
                alone,
                of_user,
                of_item,
                self._genre[item],
                crossed,
                np.broadcast_to(context[:, None], (*item.shape, _CONTEXT)),
            ],
            axis=2,
        )

    def _count(self, *, before: int) -> None:
        waiting = []
        for played_at, user, item in self._later:
            known = played_at < before
            np.add.at(self._plays, (user[known], item[known]), 1)
            if not known.all():
                waiting.append((played_at[~known], user[~known], item[~known]))
        self._later = waiting


class Bandit:
    """Ridge regression of plays on features of the items shown, kept up to date.

    Parameters
    ----------
    world : LoopWorld
        The world.
    reward : {"played", "clicked"}
        What counts: plays of the item shown, on any surface, or plays from the slate itself.

    Attributes
    ----------
    features : Features
        What it knows.
    gram, moment : ndarray of float64, shape (features, features) and (features,)
        Sums of the rows whose horizons have ended, prior included.
    """

    def __init__(self, world: LoopWorld, *, reward: Literal["played", "clicked"]) -> None:
        self.features = Features(world)
        self.gram = _RIDGE * np.eye(self.features.width)
        self.moment = np.zeros(self.features.width)
        self._world = world
        self._reward = reward
        self._rows, self._squares = 0, 0.0
        self._waiting: deque[tuple[int, Array, Array]] = deque()

    def choose(self, requests: Requests) -> IntArray:
        """Choose the slates of one day.

        Parameters
        ----------
        requests : Requests
            The requests.

        Returns
        -------
        ndarray of int, shape (requests, slots)
            Places of the candidates shown, first slot first.
        """
        return top(self.score(requests), self._world.config.slate_size)

    def score(self, requests: Requests) -> Array:
        """Learn what is there to be learned on the day, and score its candidates.

        Parameters
        ----------
        requests : Requests
            The requests.

        Returns
        -------
        ndarray, shape (requests, candidates)
            What to rank by.
        """
        while self._waiting and self._waiting[0][0] <= requests.day - _LAG:
            _, X, reward = self._waiting.popleft()
            self.gram = self.gram + X.T @ X
            self.moment = self.moment + X.T @ reward
            self._rows += reward.size
            self._squares += float(reward @ reward)
        return self._score(self.features.of(requests), day=requests.day)

    def told(self, requests: Requests, slate: IntArray, *, served: Served) -> None:
        """Take in what slates did, whoever chose them.

        Parameters
        ----------
        requests : Requests
            The requests of one day.
        slate : ndarray of int, shape (requests, slots)
            What was shown.
        served : Served
            What it did.
        """
        X = np.take_along_axis(self.features.of(requests), slate[:, :, None], axis=1)
        reward = np.take_along_axis(getattr(served, self._reward), slate, axis=1).astype(float)
        self._waiting.append((requests.day, X.reshape(-1, X.shape[2]), reward.ravel()))
        self.features.note(requests, slate, served=served)

    @abstractmethod
    def _score(self, X: Array, *, day: int) -> Array:
        """Return what to rank by, shape (requests, candidates)."""

    @property
    def mean(self) -> Array:
        """Coefficients, shape (features,)."""
        coefficients: Array = np.asarray(np.linalg.solve(self.gram, self.moment), dtype=np.float64)
        return coefficients

    @property
    def noise(self) -> float:
        """Variance of a reward around its prediction; a coin's before there is any."""
        if not self._rows:
            return 0.25
        # y'y - b'm is the ridge objective at its minimum: squared residuals and the prior's part
        return (self._squares - float(self.moment @ self.mean)) / self._rows


class LinUCB(Bandit):
    """Optimism: what is shown has the largest upper end of a confidence interval.

    Li et al., 2010, "A contextual-bandit approach to personalized news article recommendation",
    algorithm 1, with features that all items share in the place of a model for each.
    """

    #: Half width in standard errors: 1 + sqrt(log(2 / delta) / 2) at delta = 0.1, as there.
    _ALPHA: Final = 1 + np.sqrt(np.log(2 / 0.1) / 2)

    def _score(self, X: Array, *, day: int) -> Array:
        spread = np.einsum("rcp,pq,rcq->rc", X, np.linalg.inv(self.gram), X, optimize=True)
        score: Array = X @ self.mean + self._ALPHA * np.sqrt(self.noise * spread)
        return score


class LinThompson(Bandit):
    """Posterior sampling: coefficients are drawn anew for each request.

    Agrawal and Goyal, 2013, "Thompson sampling for contextual bandits with linear payoffs",
    algorithm 1, with the standard deviation of the rewards in the place of its bound.
    """

    def _score(self, X: Array, *, day: int) -> Array:
        normal = self._world.rng(f"thompson/{day}").standard_normal((len(X), X.shape[2]))
        # gram = L L', so inv(L') z has covariance inv(gram)
        drawn = np.linalg.solve(np.linalg.cholesky(self.gram).T, normal.T).T
        score: Array = np.einsum("rcp,rp->rc", X, self.mean + np.sqrt(self.noise) * drawn)
        return score


def _standard(*columns: Array) -> Array:
    table = np.stack(columns, axis=1)
    standard: Array = (table - table.mean(axis=0)) / table.std(axis=0)
    return standard
