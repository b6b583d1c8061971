"""A small model with everything that a bundle holds, for parts that publish or spoil many."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving.bundle import BundleContents
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.model import ModelPart
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable

__all__ = ["small_contents"]

_USERS, _ITEMS, _GENRES, _ROWS = 50, 30, 24, 3000
_WINDOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def small_contents(*, trees: int = 40) -> BundleContents:
    """Train two models on noise with a little in it, one split of several on sets of categories.

    Parameters
    ----------
    trees : int
        Trees of the uplift model; the base model has half as many.

    Returns
    -------
    BundleContents
        The same on every call.
    """
    rng = np.random.default_rng(0)
    genre = rng.integers(0, _GENRES, _ITEMS).astype(np.float64)
    users = rng.normal(size=(_USERS, 2))
    plain = rng.normal(size=(_ITEMS, 2))
    rows, columns = np.nonzero(rng.random((_USERS, _ITEMS)) < 0.3)
    snapshot = FeatureSnapshot(
        users=FeatureTable(np.arange(_USERS), ("age", "tenure"), users),
        items=FeatureTable(
            np.arange(_ITEMS), ("genre", "price", "length"), np.column_stack([genre, plain])
        ),
        pairs=PairTable.from_rows(
            rows,
            columns,
            names=("plays",),
            values=rng.integers(1, 9, (rows.size, 1)),
            default=[0.0],
            n_users=_USERS,
        ),
        moment={"hour": 20.0},
    )
    genres = tuple(f"genre {number}" for number in range(_GENRES))
    base = (
        Feature("age", "user"),
        Feature("genre", "item", genres),
        Feature("price", "item"),
        Feature("plays", "pair"),
        Feature("hour", "moment"),
        Feature("tenure", "user"),
        Feature("length", "item"),
    )
    X = rng.normal(size=(_ROWS, len(base) + 2))
    X[:, 1] = rng.integers(0, _GENRES, _ROWS)
    X[rng.random(_ROWS) < 0.1, 3] = np.nan
    told = X[:, 0] + np.sin(X[:, 1]) + rng.normal(size=_ROWS)
    ahead = (Feature("base_score", "base"), Feature("base_rank", "base"))
    return BundleContents(
        uplift=_trained(X, told, (*base, *ahead), trees),
        base=_trained(X[:, : len(base)], (told > 0).astype(np.float64), base, trees // 2),
        policy=BlendPolicy(0.5),
        snapshot=snapshot,
        candidates=CandidateSource.from_rows(rows, columns, n_users=_USERS),
        training_window=_WINDOW,
        evaluation={"uplift_at_10": {"base": 0.046, "uplift": 0.051}},
    )


def _trained(
    X: NDArray[np.float64], y: NDArray[np.float64], features: tuple[Feature, ...], trees: int
) -> ModelPart:
    import lightgbm  # those who only publish do without

    names = [feature.name for feature in features]
    settings = {
        "objective": "binary" if set(y) == {0.0, 1.0} else "regression",
        "num_leaves": 15,
        "max_cat_to_onehot": 4,
        "cat_smooth": 1,
        "min_data_per_group": 20,
        "num_threads": 1,
        "deterministic": True,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(X, y, feature_name=names, categorical_feature=["genre"])
    booster = lightgbm.train(settings, rows, num_boost_round=trees)
    golden = X[:20]
    return ModelPart(
        text=booster.model_to_string(),
        schema=FeatureSchema(features),
        golden_features=golden,
        golden_expected=np.asarray(booster.predict(golden, num_threads=1), dtype=np.float64),
    )
