"""Propensities where it is not known what was shown: PropCare, from plays alone.

A play takes an exposure and a liking: ``P(Y_ui = 1) = p_ui r_ui``. Plays alone cannot tell p from
r, and three things take the part of exposures (Liu, Fang and Wu, "Estimating propensity for
causality-based recommendation without exposure data", NeurIPS 2023):

- the log-loss of plays under ``p r``;
- of two items that a user plays about as likely, the one that more people play is shown more, and
  liked less: ``-kappa [log s(p_ui - p_uj) + log s(r_uj - r_ui)]`` for i more popular than j, with s
  the logistic function and ``kappa = exp(-eta (p_ui r_ui - p_uj r_uj)^2)``;
- propensities are spread as a Beta distribution is: most are small. Here by the squared distance
  from sorted propensities to the quantiles of Beta.

p and r are logistic in intercepts and factors, whose slopes are written out. What comes of it
rests on those assumptions; where exposures are logged, use them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.reporting.progress import Stages
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.pair_propensity import FactorPropensity

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["PropCare", "PropCareConfig", "fit_propcare"]

Floats = NDArray[np.float32]
Reals = NDArray[np.floating[Any]]

_USERS: Final = 64  # a step sees this many of them, with all items
_SPREAD: Final = 0.1  # of the factors to start from
_FADING: Final = (0.9, 0.999)  # of the means that Adam keeps
_TINY: Final = 1e-8
_CELLS: Final = 2**20  # looked at in one go
_BINS: Final = np.linspace(0, 1, 2**16 + 1)
#: Log odds beyond which a chance means nothing, and the product of two would soon be 0.
_EDGE: Final = 40.0


class PropCareConfig(FrozenConfig):
    """What is assumed of propensities, and how they are learned.

    Parameters
    ----------
    factors : int
        Factors of each user and item, for p and for r.
    popularity : float
        Weight of the pairwise assumption beside the log-loss of plays.
    closeness : float
        eta: the larger, the closer two items must be in how likely they are played.
    prior : float
        Weight of the assumed spread of propensities.
    alpha, beta : float
        Of the Beta distribution; its mean ``alpha / (alpha + beta)`` is nearly that of the
        propensities, as nothing else says how much is shown.
    learning_rate : float
        Length of a step of Adam.
    l2 : float
        Penalty on the squares of factors.
    epochs : int
        Times that every user is seen.
    """

    factors: int = Field(default=8, ge=1, le=512)
    popularity: float = Field(default=1.0, ge=0)
    closeness: float = Field(default=10.0, ge=0)
    prior: float = Field(default=5.0, ge=0)
    alpha: float = Field(default=0.2, gt=0)
    beta: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(default=0.03, gt=0)
    l2: float = Field(default=1e-4, ge=0)
    epochs: int = Field(default=40, ge=1)


@dataclass(frozen=True)
class PropCare:
    """What was probably shown, as plays tell.

    Parameters
    ----------
    propensity : FactorPropensity
        p.
    liking : FactorPropensity
        r, the chance that what is shown is played.
    losses : ndarray of float64, shape (epochs,)
        What was minimised, a pair, by epoch.
    """

    propensity: FactorPropensity
    liking: FactorPropensity
    losses: NDArray[np.float64]

    def infer(self, interactions: Interactions) -> Interactions:
        """List plays, and the pairs that were most likely shown: as many as p adds up to.

        Parameters
        ----------
        interactions : Interactions
            Plays of the users and items that it was fitted on; exposures and propensities are not
            read.

        Returns
        -------
        Interactions
            Played pairs and those inferred to be shown, by user and item, with propensities.

        Raises
        ------
        ConfigError
            If they are of other users and items.
        """
        ours = len(self.propensity.user), len(self.propensity.item)
        theirs = interactions.n_users, interactions.n_items
        if ours != theirs:
            raise ConfigError(
                expected=f"plays of the {ours[0]} users and {ours[1]} items of the fit",
                came=f"{theirs[0]} users and {theirs[1]} items",
                do="Code users and items of both in one go.",
            )
        cut = self._cut()
        listed = []
        for users, chance in self._blocks():
            rows = (interactions.user >= users[0]) & (interactions.user <= users[-1])
            rows &= interactions.played
            played = np.zeros(chance.shape, dtype=np.bool_)
            played[interactions.user[rows] - users[0], interactions.item[rows]] = True
            exposed = chance >= cut
            user, item = np.nonzero(exposed | played)
            listed.append(
                (
                    users[user],
                    item,
                    exposed[user, item],
                    played[user, item],
                    chance[user, item],
                )
            )
        user, item, exposed, played, chance = (
            np.concatenate(each) for each in zip(*listed, strict=True)
        )
        return Interactions(
            user.astype(np.int32),
            item.astype(np.int32),
            exposed,
            played,
            chance,
            interactions.n_users,
            interactions.n_items,
        )

    def _cut(self) -> float:
        """Find the propensity above which there are as many pairs as all propensities sum to."""
        counts, total = np.zeros(_BINS.size - 1, dtype=np.int64), 0.0
        for _, chance in self._blocks():
            counts += np.histogram(chance, bins=_BINS)[0]
            total += float(chance.sum())
        above = np.cumsum(counts[::-1])[::-1]
        return float(_BINS[np.argmin(np.abs(above - total))])

    def _blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        n_users, n_items = len(self.propensity.user), len(self.propensity.item)
        block = max(1, _CELLS // n_items)
        for start in range(0, n_users, block):
            users = np.arange(start, min(start + block, n_users))
            yield users, self.propensity.of_users(users)


def fit_propcare(
    interactions: Interactions,
    *,
    config: PropCareConfig | None = None,
    seed: int = 0,
    progress: bool = False,
) -> PropCare:
    """Tell propensities from likings by plays alone.

    Parameters
    ----------
    interactions : Interactions
        Plays; exposures and propensities are not read.
    config : PropCareConfig, optional
        Its defaults otherwise.
    seed : int
        Decides the start, and who is compared when.
    progress : bool
        Draw a bar on standard error.

    Returns
    -------
    PropCare
        Propensities and likings of every pair.

    Raises
    ------
    ConfigError
        If learning diverges.
    EmptyError
        If nothing was played.
    """
    config, rng = config or PropCareConfig(), stage_rng(seed, "propcare")
    plays = _plays(interactions)
    n_users, n_items = plays.shape
    popularity = plays.sum(axis=0)
    average = config.alpha / (config.alpha + config.beta)
    odds = average, min(plays.nnz / (n_users * n_items) / average, 0.5)
    shown, liked = (
        _Head(n_users, n_items, level=float(np.log(x / (1 - x))), config=config, rng=rng)
        for x in odds
    )
    losses = np.zeros(config.epochs)
    stages = Stages(Console(stderr=True) if progress else None)
    with stages.stage("PropCare", total=config.epochs) as advance:
        for epoch in range(config.epochs):
            order = rng.permutation(n_users)
            for start in range(0, n_users, _USERS):
                users = order[start : start + _USERS]
                other = rng.permutation(n_items)
                both = shown.log_odds(users), liked.log_odds(users)
                _require_bounded(*both, epoch=epoch, learning_rate=config.learning_rate)
                found = _slopes(
                    *both,
                    plays[users].toarray(),
                    other=other,
                    sign=np.sign(popularity - popularity[other]).astype(np.float32),
                    quantiles=_quantiles(config.alpha, config.beta, users.size * n_items),
                    config=config,
                )
                shown.step(users, found.shown, epoch=epoch)
                liked.step(users, found.liked, epoch=epoch)
                losses[epoch] += found.loss * users.size / n_users
            advance()
    return PropCare(shown.propensity(), liked.propensity(), losses)


class _Head:
    """Intercepts and factors of one of the two chances, and the steps of Adam that they take."""

    def __init__(
        self,
        n_users: int,
        n_items: int,
        *,
        level: float,
        config: PropCareConfig,
        rng: np.random.Generator,
    ) -> None:
        self._level, self._config = level, config
        self._user, self._item = (
            _Adam(rng.standard_normal((n, 1 + config.factors), dtype=np.float32), config)
            for n in (n_users, n_items)
        )
        self._steps = 0

    def log_odds(self, users: NDArray[np.int64]) -> Floats:
        own, item = self._user.values[users], self._item.values
        odds: Floats = own[:, 1:] @ item[:, 1:].T + own[:, :1] + item[:, 0]
        odds += np.float32(self._level)
        return odds

    def step(self, users: NDArray[np.int64], slope: Reals, *, epoch: int) -> None:
        own, item = self._user.values[users], self._item.values
        of_users = np.hstack([slope.sum(axis=1)[:, None], slope @ item[:, 1:]])
        of_items = np.hstack([slope.sum(axis=0)[:, None], slope.T @ own[:, 1:]])
        self._user.step(users, of_users, taken=epoch)
        self._item.step(slice(None), of_items, taken=self._steps)
        self._steps += 1

    def propensity(self) -> FactorPropensity:
        return FactorPropensity(self._level, self._user.values, self._item.values)


class _Adam:
    """Rows of numbers that are stepped down a slope (Kingma and Ba, ICLR 2015)."""

    def __init__(self, draws: Floats, config: PropCareConfig) -> None:
        self.values = draws * np.float32(_SPREAD)
        self.values[:, 0] = 0
        self._config = config
        self._first, self._second = np.zeros_like(draws), np.zeros_like(draws)

    def step(self, rows: NDArray[np.int64] | slice, slope: Reals, *, taken: int) -> None:
        penalty = np.float32(self._config.l2) * self.values[rows]
        penalty[:, 0] = 0
        slope = slope + penalty
        keep, keep_squares = _FADING
        self._first[rows] = keep * self._first[rows] + (1 - keep) * slope
        self._second[rows] = keep_squares * self._second[rows] + (1 - keep_squares) * slope**2
        first = self._first[rows] / np.float32(1 - keep ** (taken + 1))
        second = self._second[rows] / np.float32(1 - keep_squares ** (taken + 1))
        self.values[rows] -= (
            np.float32(self._config.learning_rate) * first / (np.sqrt(second) + np.float32(_TINY))
        )


@lru_cache(maxsize=4)
def _quantiles(alpha: float, beta: float, size: int) -> Floats:
    from scipy.special import betaincinv

    return np.asarray(betaincinv(alpha, beta, (np.arange(size) + 0.5) / size), dtype=np.float32)


def _plays(interactions: Interactions) -> csr_array:
    from scipy.sparse import csr_array

    played = interactions.played
    if not played.any():
        raise EmptyError(
            expected="plays to tell propensities from",
            came=f"none in {len(interactions)} pairs",
            do="Give logs in which something was played.",
        )
    places = interactions.user[played], interactions.item[played]
    return csr_array(
        (np.ones(int(played.sum()), dtype=np.float32), places),
        shape=(interactions.n_users, interactions.n_items),
    )


def _require_bounded(*odds: Reals, epoch: int, learning_rate: float) -> None:
    # NaN is the least and the largest of an array that has one, and inside no bounds.
    if not all(each.min() > -_EDGE and each.max() < _EDGE for each in odds):
        raise ConfigError(
            expected=f"log odds that stay within {_EDGE:g} of 0",
            came=f"others in epoch {epoch + 1}: learning diverged at a learning rate of "
            f"{learning_rate:g}",
            do="Lower the learning rate.",
        )


class _Slopes(NamedTuple):
    loss: float
    shown: Reals
    liked: Reals


def _slopes(
    shown: Reals,
    liked: Reals,
    played: Reals,
    *,
    other: NDArray[np.int64],
    sign: Reals,
    quantiles: Reals,
    config: PropCareConfig,
) -> _Slopes:
    """Return the loss, a pair, of log odds of p and r, and its slopes by them.

    kappa is a weight: it is not differentiated.
    """
    p, r = 1 / (1 + np.exp(-shown)), 1 / (1 + np.exp(-liked))
    y = p * r
    miss = 1 / (1 + np.exp(shown)) + p / (1 + np.exp(liked))  # 1 - y, not rounded to 0
    # d/dp and d/dr of the pairwise and the prior's parts, then through the logistic function
    ahead_p, ahead_r = sign * (p - p[:, other]), -sign * (r - r[:, other])
    kappa = config.popularity * np.exp(-np.float32(config.closeness) * (y - y[:, other]) ** 2)
    loss_of_pairs = kappa * (np.logaddexp(0, -ahead_p) + np.logaddexp(0, -ahead_r))
    push_p = -kappa * sign / (1 + np.exp(ahead_p))
    push_r = kappa * sign / (1 + np.exp(ahead_r))
    slope_p, slope_r = push_p.copy(), push_r.copy()
    slope_p[:, other] -= push_p
    slope_r[:, other] -= push_r
    place = np.empty(p.size, dtype=np.int64)
    place[np.argsort(p, axis=None)] = np.arange(p.size)
    off = (p.ravel() - quantiles[place]).reshape(p.shape)
    slope_p += 2 * np.float32(config.prior) * off
    pull = (1 - played) * y / miss - played
    loss = -np.where(played > 0, np.log(y), np.log(miss)) + loss_of_pairs + config.prior * off**2
    size = np.float32(p.size)
    return _Slopes(
        float(loss.mean(dtype=np.float64)),
        ((1 - p) * (pull + p * slope_p)) / size,
        ((1 - r) * (pull + r * slope_r)) / size,
    )
