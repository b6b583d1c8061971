"""A synthetic bundle of the size that serving is judged by, and requests to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.serving.bundle import BundleContents, write_bundle
from causal_ranker.serving.model import ModelPart
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable

__all__ = ["CANDIDATES", "Asked", "draw_requests", "publish_shop", "shop_contents"]

CANDIDATES: Final = 200
_TREES: Final = 300
_USERS, _ITEMS, _PAIRS_EACH = 2_000, 3_000, 40
_ROWS: Final = 12_000  # of training: every tree is grown out
_WINDOW: Final = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
_USER: Final = tuple(f"user_{place}" for place in range(8))
_ITEM: Final = tuple(f"item_{place}" for place in range(12))
_PAIR: Final = tuple(f"pair_{place}" for place in range(5))
_SCHEMA: Final = FeatureSchema(
    (
        *(Feature(name, "user") for name in _USER),
        *(Feature(name, "item") for name in _ITEM),
        *(Feature(name, "pair") for name in _PAIR),
        Feature("hour", "moment"),
        Feature("weekday", "moment"),
        Feature("device", "moment", ("tv", "phone", "tablet")),
        Feature("base_score", "base"),
        Feature("base_rank", "base"),
    )
)
_FEATURES: Final = len(_SCHEMA.features)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request for a list.

    Parameters
    ----------
    user : int
        A user of the snapshot.
    candidates : list of (int, float)
        Items of the snapshot with base scores, in no order.
    """

    user: int
    candidates: list[tuple[int, float]]

    def body(self) -> bytes:
        """Return the request as ``POST /v1/rerank`` takes it."""
        items = [{"item_id": item, "base_score": score} for item, score in self.candidates]
        return json.dumps({"user_id": self.user, "candidates": items}).encode()

    def base_order(self) -> list[int]:
        """Return the items by falling base score, equal ones as they came."""
        return [item for item, _ in sorted(self.candidates, key=lambda each: -each[1])]


def draw_requests(n: int, *, seed: int = 0) -> list[Asked]:
    """Draw users and their candidates.

    Parameters
    ----------
    n : int
        Requests.
    seed : int
        Of the draw.

    Returns
    -------
    list of Asked
        Each with 200 candidates.
    """
    rng = np.random.default_rng(seed)
    asked = []
    for _ in range(n):
        items = rng.choice(_ITEMS, CANDIDATES, replace=False).tolist()
        scores = rng.random(CANDIDATES).tolist()
        user = int(rng.integers(_USERS))
        asked.append(Asked(user=user, candidates=list(zip(items, scores, strict=True))))
    return asked


@cache
def shop_contents(*, seed: int = 0) -> BundleContents:
    """Train a model of 300 trees on 30 features, and fill the tables that they come from.

    Parameters
    ----------
    seed : int
        Of the data; models of two seeds order the same candidates differently.

    Returns
    -------
    BundleContents
        What a bundle is published from, of a few MB.
    """
    import lightgbm

    rng = np.random.default_rng((seed, 1))
    X = rng.normal(size=(_ROWS, _FEATURES))
    X[:, -3] = rng.integers(3, size=_ROWS)
    X[:, -2] = rng.random(_ROWS)
    X[:, -1] = rng.integers(1, CANDIDATES + 1, size=_ROWS)
    X[:, 20:25][rng.random((_ROWS, 5)) < 0.8] = np.nan  # most pairs have no history
    y = np.nan_to_num(X[:, :25]) @ rng.normal(0, 0.01, 25) + rng.normal(0, 0.1, _ROWS)
    settings = {"num_leaves": 31, "num_threads": 1, "deterministic": True, "verbosity": -1}
    data = lightgbm.Dataset(X, y, feature_name=list(_SCHEMA.names))
    booster = lightgbm.train(
        {"objective": "regression", "learning_rate": 0.05, **settings}, data, num_boost_round=_TREES
    )
    return BundleContents(
        uplift=ModelPart(
            text=booster.model_to_string(),
            schema=_SCHEMA,
            golden_features=X[:50],
            golden_expected=np.asarray(booster.predict(X[:50], num_threads=1)),
        ),
        policy=UpliftPolicy(),
        snapshot=_snapshot(rng),
        training_window=_WINDOW,
        evaluation={},
    )


def publish_shop(folder: Path) -> Path:
    """Write the bundle below a folder.

    Parameters
    ----------
    folder : Path
        An existing folder.

    Returns
    -------
    Path
        The bundle.
    """
    return write_bundle(folder / "shop", contents=shop_contents())


def _snapshot(rng: np.random.Generator) -> FeatureSnapshot:
    def table(rows: int, names: tuple[str, ...]) -> FeatureTable:
        return FeatureTable(np.arange(rows), names, rng.normal(size=(rows, len(names))))

    users = np.repeat(np.arange(_USERS), _PAIRS_EACH)
    # A stride that no number of items below divides: each of a user's items once.
    items: NDArray[Any] = (users * 7 + np.tile(np.arange(_PAIRS_EACH) * 71, _USERS)) % _ITEMS
    return FeatureSnapshot(
        users=table(_USERS, _USER),
        items=table(_ITEMS, _ITEM),
        pairs=PairTable.from_rows(
            users,
            items,
            names=_PAIR,
            values=rng.normal(size=(users.size, len(_PAIR))),
            default=[np.nan] * len(_PAIR),
            n_users=_USERS,
        ),
        moment={"hour": 20.0, "weekday": 4.0, "device": "tv"},
    )
