"""Propensities of pairs, fitted to who was shown what: a low-rank logistic model, calibrated.

What is shown to whom has few causes (an item's campaign, a user's visits, the taste that an older
recommender saw), which intercepts and a few factors tell. A part of all pairs is left out at
first: by it the log-loss is reported, beside that of popularity alone, and the log odds are bent
to what was observed. Then everything is fitted, and the level moved so that as much is predicted
as was shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from rich.console import Console

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError, OverlapError
from causal_ranker.reporting.progress import Stages
from causal_ranker.seeds import stage_rng
from causal_ranker.stats.logistic import fit_logistic, log_loss, probability
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.logistic_factors import (
    Cells,
    LogisticFactors,
    start_factors,
)
from causal_ranker.uplift.collaborative.pair_propensity import Bend, FactorPropensity

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "FittedPropensity",
    "PropensityConfig",
    "fit_pair_propensity",
    "popularity_propensity",
]

Array = NDArray[np.float64]

_CELLS: Final = 2**20  # looked at in one go
_MOST_LEFT_OUT: Final = 500_000  # cells; more would not calibrate better
_MOST_STEPS: Final = 20
_NEAR: Final = 1e-9  # of the observed share, for the predicted one


class PropensityConfig(FrozenConfig):
    """How propensities of pairs are fitted.

    Parameters
    ----------
    factors : int
        Factors at most: those that the pairs do not need fade out. Time grows as their square.
    sweeps : int
        Through users and items, at most.
    left_out : float
        Share of all pairs by which the fit is judged and calibrated, 500,000 at most.
    knots : int
        Where the calibration may turn.
    """

    factors: int = Field(default=16, ge=1, le=128)
    sweeps: int = Field(default=30, ge=1, le=1000)
    left_out: float = Field(default=0.1, gt=0, lt=1)
    knots: int = Field(default=3, ge=0, le=20)


@dataclass(frozen=True)
class FittedPropensity(FactorPropensity):
    """Fitted propensities, and how good they are.

    Parameters
    ----------
    level, user, item, bend
        As in `FactorPropensity`.
    left_out : int
        Pairs that were left out to judge by, shown or not.
    held_out_log_loss : float
        Of those, by a fit that did not see them, before calibration; in nats a pair.
    held_out_popularity : float
        The same of `popularity_propensity`.
    observed : float
        Share of all pairs that was shown; the mean propensity is the same.
    """

    left_out: int = 0
    held_out_log_loss: float = np.nan
    held_out_popularity: float = np.nan
    observed: float = np.nan


def popularity_propensity(interactions: Interactions) -> FactorPropensity:
    """Estimate propensities by how many users an item was shown to, and how much a user was shown.

    Log odds of the two shares are added, each with one average pair added to it, so that no share
    is 0 or 1. An item or user more with all others the same changes nothing else.

    Parameters
    ----------
    interactions : Interactions
        Who was shown what.

    Returns
    -------
    FactorPropensity
        Without factors.

    Raises
    ------
    EmptyError
        If nothing was shown.
    OverlapError
        If everything was.
    """
    return _popularity(_exposures(interactions))


def fit_pair_propensity(
    interactions: Interactions,
    *,
    config: PropensityConfig | None = None,
    seed: int = 0,
    progress: bool = False,
) -> FittedPropensity:
    """Fit propensities to who was shown what, among all pairs of users and items.

    Parameters
    ----------
    interactions : Interactions
        Who was shown what; plays and propensities are not read.
    config : PropensityConfig, optional
        Its defaults otherwise.
    seed : int
        Decides where the fit starts and what is left out first.
    progress : bool
        Draw bars on standard error.

    Returns
    -------
    FittedPropensity
        Of every pair, with log-losses of pairs that were left out.

    Raises
    ------
    EmptyError
        If nothing was shown.
    OverlapError
        If everything was.
    """
    config, rng = config or PropensityConfig(), stage_rng(seed, "pair propensity")
    ones = _exposures(interactions)
    observed = ones.nnz / (ones.shape[0] * ones.shape[1])
    user, item = _left_out(ones, config.left_out, rng=rng)
    left_out = _matrix(user, item, ones.shape)
    model = start_factors(
        *ones.shape, level=float(_log_odds(observed)), factors=config.factors, rng=rng
    )
    stages = Stages(Console(stderr=True) if progress else None)
    with stages.stage("propensities, a part left out", total=config.sweeps) as advance:
        model.fit(Cells(ones, left_out), sweeps=config.sweeps, advance=advance)
    shown = np.asarray(ones[user, item], dtype=np.float64)
    odds = _straight(model).odds(user, item)
    bend, loss = _bend(odds, shown, knots=config.knots), _mean_loss(odds, shown)
    popular = _mean_loss(_popularity(ones, left_out).odds(user, item), shown)
    with stages.stage("propensities", total=config.sweeps) as advance:
        model.fit(Cells(ones), sweeps=config.sweeps, advance=advance)
    straight = _straight(model)
    return FittedPropensity(
        level=straight.level,
        user=straight.user,
        item=straight.item,
        bend=_at_level(straight, bend, observed=observed),
        left_out=user.size,
        held_out_log_loss=loss,
        held_out_popularity=popular,
        observed=observed,
    )


def _exposures(interactions: Interactions) -> csr_array:
    shown = interactions.exposed
    pairs = interactions.n_users * interactions.n_items
    if not shown.any():
        raise EmptyError(
            expected="pairs that were shown, to learn from whom what is shown to",
            came=f"none in {len(interactions)} pairs",
            do="Where it is not known what was shown, use PropCare, which reads plays.",
        )
    if int(shown.sum()) == pairs:
        raise OverlapError(
            expected="pairs that were not shown",
            came=f"exposures of all {pairs} pairs",
            do="Give logs in which not everything is shown to everyone.",
        )
    return interactions.matrix(shown)


def _matrix(
    user: NDArray[np.integer[Any]], item: NDArray[np.integer[Any]], shape: tuple[int, int]
) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(user.size, dtype=np.float32), (user, item)), shape=shape)


def _left_out(
    ones: csr_array, share: float, *, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw pairs evenly; those drawn twice are one, so that a few less than asked for come."""
    pairs = ones.shape[0] * ones.shape[1]
    count = max(1, int(min(share * pairs, _MOST_LEFT_OUT)))
    user, item = np.divmod(np.unique(rng.integers(pairs, size=count)), ones.shape[1])
    return user, item


def _popularity(ones: csr_array, left_out: csr_array | None = None) -> FactorPropensity:
    counted = ones if left_out is None else ones - ones * left_out
    pairs = ones.shape[0] * ones.shape[1] - (0 if left_out is None else left_out.nnz)
    # Where all that counts was shown, or nothing, half a pair less or more keeps log odds finite.
    average = min(max(float(counted.sum()), 0.5), pairs - 0.5) / pairs
    level = _log_odds(average)

    def above(axis: int) -> NDArray[np.float32]:
        left = 0 if left_out is None else left_out.sum(axis=axis)
        shares = (counted.sum(axis=axis) + average) / (ones.shape[axis] - left + 1)
        return (_log_odds(shares) - level).astype(np.float32)[:, None]

    return FactorPropensity(float(level), above(1), above(0))


def _straight(model: LogisticFactors) -> FactorPropensity:
    return FactorPropensity(model.level, model.users.mean, model.items.mean)


def _bend(odds: Array, shown: Array, *, knots: int) -> Bend:
    """Learn how far log odds are off; with fewer turns where the order of pairs would change."""
    for count in (knots, 0) if shown.any() else ():
        places = np.quantile(odds[shown == 1], np.linspace(0, 1, count + 2)[1:-1])
        turns = [np.maximum(odds - place, 0) for place in places]
        change = fit_logistic(
            np.column_stack([np.ones_like(odds), odds, *turns]),
            shown,
            weight=np.ones_like(odds),
            l2=np.full(2 + count, 1 / odds.size),
            offset=odds,
        )
        if (1 + np.cumsum(change[1:]) > 0).all():
            return Bend(places, change)
    return Bend(np.empty(0), np.zeros(2))


def _at_level(propensity: FactorPropensity, bend: Bend, *, observed: float) -> Bend:
    """Move the calibrated log odds until the mean propensity is what was observed."""
    n_users, n_items = len(propensity.user), len(propensity.item)
    block = max(1, _CELLS // n_items)
    for _ in range(_MOST_STEPS):
        moved = replace(propensity, bend=bend)
        total = curve = 0.0
        for start in range(0, n_users, block):
            chance = moved.of_users(np.arange(start, min(start + block, n_users)))
            total += float(chance.sum())
            curve += float((chance * (1 - chance)).sum())
        missing = observed * n_users * n_items - total
        if abs(missing) < _NEAR * total:
            break
        change = bend.change.copy()
        change[0] += missing / curve
        bend = replace(bend, change=change)
    return bend


def _mean_loss(odds: Array, shown: Array) -> float:
    return log_loss(probability(odds), shown, weight=np.ones_like(odds))


def _log_odds(share: Array | float) -> Array:
    return np.asarray(np.log(share) - np.log1p(-np.asarray(share)))
