"""A tiny shop: 40 users, 12 items, two LightGBM models, and everything a bundle needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.serving.bundle import BundleContents
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.model import ModelPart
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable
from causal_ranker.serving.width import WidthPart

Floats = NDArray[np.float64]

USERS, ITEMS = 40, 12
USER_IDS = np.arange(100, 100 + USERS)
ITEM_IDS = np.array([f"item-{i:02d}" for i in range(ITEMS)])
GENRES = ("drama", "comedy", "news")
WINDOW = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))

# Scrambled on purpose: the groups do not stand together.
UPLIFT_SCHEMA = FeatureSchema(
    (
        Feature("bought_before", "pair"),
        Feature("age", "user"),
        Feature("base_rank", "base"),
        Feature("genre", "item", GENRES),
        Feature("week", "moment"),
        Feature("days_since", "pair"),
        Feature("price", "item"),
        Feature("base_score", "base"),
        Feature("device", "moment", ("tv", "phone")),
    )
)
BASE_SCHEMA = FeatureSchema(
    (
        Feature("price", "item"),
        Feature("bought_before", "pair"),
        Feature("age", "user"),
        Feature("week", "moment"),
    )
)


@dataclass(frozen=True)
class Shop:
    """The tables behind a bundle, dense, so that tests can recompute what serving does."""

    contents: BundleContents
    age: Floats  # (users,)
    price: Floats  # (items,)
    genre: Floats  # (items,) codes
    bought: Floats  # (users, items), 0 without history
    days: Floats  # (users, items), NaN without history
    base: lightgbm.Booster
    uplift: lightgbm.Booster

    def base_features(self, user: int, items: NDArray[Any]) -> Floats:
        n = items.size
        return np.column_stack(
            [
                self.price[items],
                self.bought[user, items],
                np.full(n, self.age[user]),
                np.full(n, 31.0),
            ]
        )

    def uplift_features(
        self, user: int, items: NDArray[Any], base_score: Floats, base_rank: NDArray[Any]
    ) -> Floats:
        n = items.size
        return np.column_stack(
            [
                self.bought[user, items],
                np.full(n, self.age[user]),
                base_rank,
                self.genre[items],
                np.full(n, 31.0),
                self.days[user, items],
                self.price[items],
                base_score,
                np.ones(n),
            ]
        )


def train(X: Floats, y: Floats, names: tuple[str, ...], **settings: Any) -> lightgbm.Booster:
    return lightgbm.train(
        {
            "objective": "regression",
            "num_leaves": 7,
            "min_data_in_leaf": 5,
            "num_threads": 1,
            "deterministic": True,
            "verbosity": -1,
            **settings,
        },
        lightgbm.Dataset(X, y, feature_name=list(names)),
        num_boost_round=12,
    )


def build_shop() -> Shop:
    rng = np.random.default_rng(7)
    age = rng.normal(40, 10, USERS)
    price = rng.gamma(2, 3, ITEMS)
    genre = rng.integers(0, len(GENRES), ITEMS).astype(float)
    has = rng.random((USERS, ITEMS)) < 0.3
    has[3] = False  # a user without any history
    bought = np.where(has, rng.integers(1, 9, has.shape), 0).astype(float)
    days = np.where(has, rng.uniform(1, 60, has.shape), np.nan)

    u, i = (grid.ravel() for grid in np.meshgrid(np.arange(USERS), np.arange(ITEMS), indexing="ij"))
    week = rng.integers(2, 31, u.size).astype(float)
    X_base = np.column_stack([price[i], bought[u, i], age[u], week])
    play = (rng.random(u.size) < 1 / (1 + np.exp(2 - 0.5 * bought[u, i]))).astype(float)
    base = train(X_base, play, BASE_SCHEMA.names, objective="binary")
    base_score = np.asarray(base.predict(X_base, num_threads=1))
    base_rank = (-base_score.reshape(USERS, ITEMS)).argsort(axis=1).argsort(axis=1).ravel() + 1.0
    device = rng.integers(0, 2, u.size).astype(float)
    X_uplift = np.column_stack(
        [bought[u, i], age[u], base_rank, genre[i], week, days[u, i], price[i], base_score, device]
    )
    gamma = 0.02 * genre[i] + 0.01 * (age[u] > 40) - 0.3 * base_score + rng.normal(0, 0.02, u.size)
    uplift = train(X_uplift, gamma, UPLIFT_SCHEMA.names)

    rows, columns = np.nonzero(has)
    mixed = rng.permutation(rows.size)
    rows, columns = rows[mixed], columns[mixed]
    snapshot = FeatureSnapshot(
        users=FeatureTable(USER_IDS, ("age",), age[:, None]),
        # one column nobody reads, and another order than the schema's
        items=FeatureTable(
            ITEM_IDS, ("genre", "unused", "price"), np.column_stack([genre, price * 0, price])
        ),
        pairs=PairTable.from_rows(
            rows,
            columns,
            names=("days_since", "bought_before"),
            values=np.column_stack([days[rows, columns], bought[rows, columns]]),
            default=[np.nan, 0.0],
            n_users=USERS,
        ),
        moment={"week": 31.0, "device": "phone"},
    )
    return Shop(
        contents=BundleContents(
            uplift=part(uplift, UPLIFT_SCHEMA, X_uplift[:20]),
            base=part(base, BASE_SCHEMA, X_base[:20]),
            policy=UpliftPolicy(),
            snapshot=snapshot,
            candidates=None,
            training_window=WINDOW,
            evaluation={"uplift_at_10": {"base": 0.046, "uplift": 0.051}},
        ),
        age=age,
        price=price,
        genre=genre,
        bought=bought,
        days=days,
        base=base,
        uplift=uplift,
    )


def part(booster: lightgbm.Booster, schema: FeatureSchema, golden: Floats) -> ModelPart:
    return ModelPart(
        text=booster.model_to_string(),
        schema=schema,
        golden_features=golden,
        golden_expected=np.asarray(booster.predict(golden, num_threads=1)),
    )


def with_width(shop: Shop, *, level: float = 0.95) -> tuple[BundleContents, lightgbm.Booster]:
    """The same shop with intervals: wider for dear items, and for those rarely bought."""
    items, score = np.arange(ITEMS), np.linspace(0.1, 0.9, ITEMS)
    X = np.concatenate(
        [shop.uplift_features(user, items, score, items + 1.0) for user in range(USERS)]
    )
    half = 0.01 + 0.002 * X[:, 6] + 0.02 / (1 + X[:, 0])
    # Poisson losses of so small numbers bend too little to split otherwise.
    rules = {"objective": "poisson", "min_sum_hessian_in_leaf": 0.0}
    booster = train(X, half, UPLIFT_SCHEMA.names, **rules)
    width = WidthPart(part(booster, UPLIFT_SCHEMA, X[:20]), level)
    return replace(shop.contents, width=width), booster


def few_candidates() -> CandidateSource:
    """User row u has the candidates u % 12 and (u + 5) % 12; user row 0 has none."""
    users = np.repeat(np.arange(1, USERS), 2)
    items = (users + np.tile([0, 5], USERS - 1)) % ITEMS
    return CandidateSource.from_rows(users, items, n_users=USERS)


@dataclass(frozen=True)
class StubModel:
    """A model that does what a test tells it to."""

    answer: Callable[[Floats], Floats]

    def predict(self, X: Floats) -> Floats:
        return self.answer(X)
