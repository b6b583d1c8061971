"""Models of scikit-learn and LightGBM: scored as their owners would, in batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.estimator import EstimatorRecommender
from tests.recommenders.contract import RecommenderContract

AT = datetime(2026, 3, 1, 5, tzinfo=UTC)
UNTIL = datetime(2026, 2, 1, tzinfo=UTC)
USERS = list(range(10, 18))
ITEMS = [f"film {number}" for number in range(13)]
GENRES = np.array(["war", "art", "zoo", "bio"])
LGB = {"n_estimators": 8, "min_child_samples": 5, "verbose": -1, "n_jobs": 1, "random_state": 0}


def features(users: NDArray[Any], items: NDArray[Any], at: datetime) -> pd.DataFrame:
    """A number of the pair at the hour, and a genre, with only the categories of these rows."""
    number = np.array([int(item.split()[1]) for item in items])
    wave = np.sin(users.astype(float) * 3 + number * 7 + at.hour)
    return pd.DataFrame({"wave": wave, "genre": pd.Categorical(GENRES[number % 4])})


def training() -> tuple[pd.DataFrame, NDArray[np.int64]]:
    pairs = [(user, item) for user in range(30) for item in ITEMS]
    users, items = (np.array(column, dtype=object) for column in zip(*pairs, strict=True))
    x = features(users, items, AT)
    noise = np.random.default_rng(0).normal(size=len(x))
    return x, (x["wave"] + (x["genre"] == "art") + noise > 0.5).to_numpy().astype(np.int64)


def pipeline() -> Any:
    columns = ColumnTransformer(
        [("number", StandardScaler(), ["wave"]), ("genre", OneHotEncoder(), ["genre"])]
    )
    return make_pipeline(columns, LogisticRegression())


@cache
def fitted_pipeline() -> Any:
    return pipeline().fit(*training())


@cache
def ranker() -> Any:
    x, y = training()
    return lgb.LGBMRanker(**LGB).fit(x, y, group=[len(ITEMS)] * 30)


def wrap(estimator: Any, **settings: Any) -> EstimatorRecommender:
    given = {"features": features, "users": USERS, "items": ITEMS, "trained_until": UNTIL}
    return EstimatorRecommender(estimator, **(given | settings))


class TestPipeline(RecommenderContract):
    def model(self) -> Any:
        return fitted_pipeline()

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return wrap(self.model())

    @pytest.fixture
    def users(self) -> list[Any]:
        return [12, 10, 17]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


class TestRanker(TestPipeline):
    def model(self) -> Any:
        return ranker()


class TestSmallBatches(TestPipeline):
    """Batches that end within a user, and users named by text."""

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        def named(users: NDArray[Any], items: NDArray[Any], at: datetime) -> pd.DataFrame:
            return features(users.astype(int), items, at)

        return wrap(
            ranker(), users=[str(user) for user in USERS], features=named, batch_rows=len(ITEMS) - 4
        )

    @pytest.fixture
    def users(self) -> list[Any]:
        return ["12", "10", "17"]


@cache
def makes() -> dict[str, tuple[Any, Any]]:
    """Give models, and how their owner would score a table with each."""
    x, y = training()
    classifier = lgb.LGBMClassifier(**LGB).fit(x, y)
    margin = make_pipeline(pipeline()[0], LinearSVC(random_state=0)).fit(x, y)
    line = make_pipeline(pipeline()[0], Ridge()).fit(x, y)
    words = pipeline().fit(x, np.where(y == 1, "play", "none"))
    ranked = ranker()
    return {
        "chances": (classifier, lambda rows: classifier.predict_proba(rows)[:, 1]),
        "words": (words, lambda rows: words.predict_proba(rows)[:, 1]),
        "margins": (margin, margin.decision_function),
        "numbers": (line, line.predict),
        "ranker": (ranked, ranked.predict),
        "booster": (ranked.booster_, ranked.booster_.predict),
    }


@pytest.mark.parametrize("kind", ["chances", "words", "margins", "numbers", "ranker", "booster"])
@pytest.mark.parametrize("batch_rows", [3, 26, 10**6])
def test_scores_are_the_models_whatever_the_batches(kind: str, batch_rows: int) -> None:
    """Small batches hold other categories than training did; codes must not shift."""
    model, by_hand = makes()[kind]
    asked = [15, 11]
    answer = wrap(model, batch_rows=batch_rows).candidates(asked, at=AT)
    expected = []
    for user in asked:
        pairs = features(np.full(len(ITEMS), user), np.array(ITEMS, dtype=object), AT)
        expected.append(pd.Series(by_hand(pairs), index=ITEMS))
    for user, scores in zip(asked, expected, strict=True):
        mine = answer[answer["user_id"] == user].set_index("item_id")["base_score"]
        np.testing.assert_allclose(mine[ITEMS], scores, rtol=1e-12)
    assert np.unique(answer["base_score"]).size > 6


def test_no_call_is_larger_than_the_batch_and_the_moment_is_told() -> None:
    seen: list[tuple[int, int]] = []

    def counted(users: NDArray[Any], items: NDArray[Any], at: datetime) -> pd.DataFrame:
        assert at == AT
        seen.append((len(users), len(items)))
        return features(users, items, at)

    answer = wrap(ranker(), features=counted, batch_rows=30).candidates(USERS, at=AT, k=2)
    assert len(answer) == 2 * len(USERS)
    # Two whole users fit into a batch.
    assert seen == [(26, 26)] * 4
    seen.clear()
    wrap(ranker(), features=counted, batch_rows=10).candidates(USERS[:2], at=AT)
    assert seen == [(10, 10), (3, 3)] * 2


def test_a_method_can_be_named() -> None:
    model = pipeline().fit(*training())
    margins = wrap(model, method="decision_function").candidates([10], at=AT)
    chances = wrap(model).candidates([10], at=AT)
    assert margins["item_id"].tolist() == chances["item_id"].tolist()
    expected = 1 / (1 + np.exp(-margins["base_score"]))
    np.testing.assert_allclose(chances["base_score"], expected)


def test_equal_scores_keep_the_catalogues_order() -> None:
    model = lgb.LGBMRegressor(**LGB | {"min_child_samples": 10**6}).fit(*training())
    answer = wrap(model, items=ITEMS[::-1]).candidates([10], at=AT, k=5)
    assert answer["item_id"].tolist() == ITEMS[:-6:-1]


def test_earlier_requests_are_refused() -> None:
    made = wrap(ranker())
    assert len(made.candidates([10], at=UNTIL)) == len(ITEMS)
    with pytest.raises(NotFittedError, match="whose future the model has seen"):
        made.candidates([10], at=UNTIL - timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x[["genre", "wave"]], SchemaError, "wave, genre; got genre, wave"),
        (lambda x: x.drop(columns="genre"), SchemaError, "fitted on, in order: wave, genre"),
        (lambda x: x[:-1], SchemaError, r"13 rows.*shape \(12, 2\)"),
        (lambda x: x["wave"], SchemaError, r"13 rows.*Series of shape \(13,\)"),
        (lambda x: None, SchemaError, "NoneType"),
        (lambda x: x.astype({"genre": object}), SchemaError, "features that predict of LGBMRanker"),
    ],
)
def test_features_that_do_not_fit_are_refused(change: Any, error: Any, message: str) -> None:
    made = wrap(ranker(), features=lambda *pairs: change(features(*pairs)))
    with pytest.raises(error, match=message):
        made.candidates([10], at=AT)


class Says:
    """A model that answers as told."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def predict(self, table: Any) -> Any:
        return self.said(len(table))


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (lambda n: np.append(np.zeros(n - 1), np.nan), RowError, "nan for user 10 and item 'film"),
        (lambda n: np.full(n, np.inf), RowError, "13 others of 13, e.g. inf"),
        (lambda n: np.zeros((n, 3)), SchemaError, r"shape \(13, 3\) for 13 rows"),
        (lambda n: np.zeros(n + 1), SchemaError, r"shape \(14,\)"),
        (lambda n: np.full(n, "high"), SchemaError, "one number per row"),
    ],
)
def test_answers_that_are_no_scores_are_refused(said: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        wrap(Says(said)).candidates([10], at=AT)


def test_three_classes_are_refused() -> None:
    x, y = training()
    model = pipeline().fit(x, y + (x["wave"] > 0.9))
    with pytest.raises(SchemaError, match=r"chances of two classes.*\(13, 3\)"):
        wrap(model).candidates([10], at=AT)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"estimator": object()}, ConfigError, "predict_proba or decision_function or predict"),
        ({"estimator": Ridge}, ConfigError, "a fitted model"),
        ({"estimator": Ridge(), "method": "predict_proba"}, ConfigError, "method predict_proba;"),
        ({"batch_rows": 0}, ConfigError, "batch_rows of 1 or more"),
        ({"trained_until": None}, ConfigError, "up to which the model was trained"),
        ({"trained_until": datetime(2026, 1, 1)}, ConfigError, "time zone"),
        ({"items": []}, ConfigError, "at least one id in items"),
        ({"items": ["a", "b", "a"]}, RowError, "items once; got 1 repeated, e.g. 'a'"),
        ({"users": [1, None]}, RowError, "users as whole numbers or text.*NoneType"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(settings: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        wrap(**{"estimator": Says(np.zeros)} | settings)


def test_a_model_that_was_not_fitted_is_told_so() -> None:
    with pytest.raises(SchemaError, match="NotFittedError"):
        wrap(Ridge()).candidates([10], at=AT)
