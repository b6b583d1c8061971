"""Pair models and rows for tests of what stands around pair models."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.collaborative.early import EarlyStop
from causal_ranker.uplift.collaborative.interactions import Interactions


@dataclass
class ItemEffects:
    """Each item by its mean IPS effect over users: a pair model that can be checked by hand."""

    unseen_: int = 0
    given: list[Interactions] = field(default_factory=list)
    effect_: NDArray[np.float32] | None = None

    def fit(
        self, interactions: Interactions, *, early: EarlyStop | None = None, progress: bool = False
    ) -> Self:
        self.given.append(interactions)
        p, t = interactions.propensity, interactions.exposed
        each = interactions.played * np.where(t, 1 / p, -1 / (1 - p))
        total = np.bincount(interactions.item, weights=each, minlength=interactions.n_items)
        self.effect_ = (total / interactions.n_users).astype(np.float32)
        return self

    def score(self, user: NDArray[Any], item: NDArray[Any]) -> NDArray[np.float32]:
        assert self.effect_ is not None
        assert user.shape == item.shape
        return self.effect_[item]

    def score_users(self, user: NDArray[Any]) -> NDArray[np.float32]:
        assert self.effect_ is not None
        return np.tile(self.effect_, (len(user), 1))


def make_rows(
    user: NDArray[Any],
    item: NDArray[Any],
    *,
    treatment: NDArray[Any],
    outcome: NDArray[Any],
    propensity: NDArray[np.float64],
) -> Rows:
    """Rows whose only features are their codes, shuffled apart from their names."""
    return Rows(
        features=np.column_stack([item, user]).astype(np.float32),
        treatment=treatment.astype(np.int8),
        outcome=outcome.astype(np.int8),
        weight=np.ones(len(user)),
        user=user,
        unit=user,
        propensity=propensity,
        names=("item_code", "user_code"),
    )


@dataclass(frozen=True)
class PairTruth:
    """Rows with their true effects."""

    rows: Rows
    tau: NDArray[np.float64]


def draw_rows(
    seed: int,
    *,
    n_users: int = 300,
    n_items: int = 40,
    times: int = 1,
    spread: float = 0.2,
) -> PairTruth:
    """Every user with every item, `times` over; items differ in effect, users in propensity."""
    rng = np.random.default_rng(seed)
    user, item = (each.ravel() for each in np.mgrid[:n_users, :n_items])
    user, item = np.tile(user, times), np.tile(item, times)
    by_item = 0.1 + spread * np.linspace(-1, 1, n_items)[rng.permutation(n_items)]
    tau = by_item[item]
    e = np.clip(0.35 + 0.25 * np.sin(user + item + np.arange(len(user))), 0.05, 0.95)
    treatment = rng.random(len(user)) < e
    outcome = rng.random(len(user)) < 0.3 + tau * treatment
    rows = make_rows(user, item, treatment=treatment, outcome=outcome, propensity=e)
    return PairTruth(rows, tau)


def with_codes(rows: Rows) -> Rows:
    """Add codes to rows of `tests.uplift.worlds`: users by x0, items by x1, the effect's own."""
    place = rows.names.index
    found = []
    for name, count in (("x0", 150), ("x1", 50)):
        value = rows.features[:, place(name)]
        code = np.floor(count * np.clip((value + 3) / 6, 0, 0.999))
        found.append(code)
    features = np.column_stack([rows.features, *found]).astype(np.float32)
    return replace(rows, features=features, names=(*rows.names, "user_code", "item_code"))
