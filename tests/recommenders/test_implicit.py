"""Models of implicit at its current release, against scores computed by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from implicit.als import AlternatingLeastSquares
from implicit.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import CosineRecommender
from implicit.utils import ParameterWarning
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from threadpoolctl import threadpool_limits

from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.implicit import ImplicitRecommender
from tests.recommenders.contract import RecommenderContract

AT = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = datetime(2026, 2, 1, tzinfo=UTC)
USERS = list(range(100, 140))
ITEMS = [f"film {number}" for number in range(30)]
IDLE, UNPLAYED = 105, "film 7"  # a user and an item without a play
KINDS = ("als", "bpr", "cosine")


@cache
def plays() -> Any:
    """Two tastes, each with half of the items."""
    rng = np.random.default_rng(1)
    user, item = np.mgrid[: len(USERS), : len(ITEMS)]
    played = rng.random(user.shape) < np.where(user % 2 == item % 2, 0.4, 0.05)
    played[USERS.index(IDLE)] = False
    played[:, ITEMS.index(UNPLAYED)] = False
    return csr_matrix(played * rng.integers(1, 4, played.shape).astype(np.float32))


@cache
def model(kind: str) -> Any:
    settings: dict[str, Any] = {"random_state": 0, "num_threads": 1}
    made: dict[str, Callable[[], Any]] = {
        "als": lambda: AlternatingLeastSquares(factors=6, iterations=5, **settings),
        "bpr": lambda: BayesianPersonalizedRanking(factors=6, iterations=20, **settings),
        "cosine": lambda: CosineRecommender(K=4, num_threads=1),
    }
    # implicit asks for this, and warns without it.
    with threadpool_limits(1, "blas"):
        fitted = made[kind]()
        with warnings.catch_warnings():
            # Item-item models warn of the form of a matrix that they have made themselves.
            warnings.simplefilter("ignore", ParameterWarning)
            fitted.fit(plays(), show_progress=False)
    return fitted


def wrap(kind: str, **settings: Any) -> ImplicitRecommender:
    given = {
        "model": model(kind),
        "user_items": plays(),
        "users": USERS,
        "items": ITEMS,
        "trained_until": UNTIL,
        "leave_out_played": False,
    }
    return ImplicitRecommender(**(given | settings))


def by_hand(kind: str, user: int) -> NDArray[np.float64]:
    """Scores of every item, from what the model has learned."""
    row = USERS.index(user)
    made = model(kind)
    if kind == "cosine":
        found: NDArray[np.float64] = (plays()[row] @ made.similarity).toarray().ravel()
        return found
    scores: NDArray[np.float64] = made.item_factors.astype(float) @ made.user_factors[row]
    return scores


class Contract(RecommenderContract):
    kind: str
    leave_out_played = False

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return wrap(self.kind, leave_out_played=self.leave_out_played)

    @pytest.fixture
    def users(self) -> list[Any]:
        return [103, 100, 139, 121]

    @pytest.fixture
    def at(self) -> datetime:
        return AT


class TestAls(Contract):
    kind = "als"


class TestBpr(Contract):
    kind = "bpr"
    leave_out_played = True


class TestCosine(Contract):
    kind = "cosine"
    leave_out_played = True


class TestNamedUsers(Contract):
    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        return wrap("cosine", users=[str(user) for user in USERS], items=range(len(ITEMS)))

    @pytest.fixture
    def users(self) -> list[Any]:
        return ["103", "100", "139", "121"]


class TestTies(Contract):
    """A model that sees no difference but for the last item, which pushes one out of a full list:
    of those that are left, implicit keeps others for each length of the list."""

    @pytest.fixture
    def recommender(self) -> BaseRecommender:
        same = constant(1.0)
        same.item_factors[-1] = 2.0
        return wrap("als", model=same)


def constant(value: float) -> Any:
    same = AlternatingLeastSquares(factors=2, num_threads=1)
    same.user_factors = np.full((len(USERS), 2), value, dtype=np.float32)
    same.item_factors = np.ones((len(ITEMS), 2), dtype=np.float32)
    return same


def unfitted() -> Any:
    return AlternatingLeastSquares()


@pytest.fixture(autouse=True)
def _one_blas_thread() -> Any:
    with threadpool_limits(1, "blas"):
        yield


@pytest.mark.parametrize("leave_out_played", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_the_models_and_every_item_has_one(kind: str, leave_out_played: bool) -> None:
    asked = USERS[:8]
    answer = wrap(kind, leave_out_played=leave_out_played).candidates(asked, at=AT)
    assert set(answer["user_id"]) == {*asked} - {IDLE}
    for user, rows in answer.groupby("user_id"):
        own = {ITEMS[item] for item in plays()[USERS.index(user)].indices}
        expected = {*ITEMS} - (own if leave_out_played else set())
        assert set(rows["item_id"]) == expected
        at = [ITEMS.index(item) for item in rows["item_id"]]
        np.testing.assert_allclose(rows["base_score"], by_hand(kind, user)[at], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_are_those_that_implicit_recommends(kind: str) -> None:
    row = 12
    ids, scores = model(kind).recommend(row, plays()[row], N=5)
    answer = wrap(kind, leave_out_played=True).candidates([USERS[row]], at=AT, k=5)
    assert answer["item_id"].tolist() == [ITEMS[item] for item in ids]
    np.testing.assert_array_equal(answer["base_score"], scores)


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_else_is_asked_for_changes_no_bit(kind: str) -> None:
    made = wrap(kind)
    whole = made.candidates(USERS, at=AT)
    for user in USERS[:5]:
        alone = made.candidates([user], at=AT)
        mine = whole[whole["user_id"] == user]
        np.testing.assert_array_equal(alone["base_score"], mine["base_score"])
        assert alone["item_id"].tolist() == mine["item_id"].tolist()


def test_of_users_without_a_play_nothing_is_said() -> None:
    """BPR would give them its random start."""
    assert np.ptp(by_hand("bpr", IDLE)) > 0
    for kind in KINDS:
        assert wrap(kind).candidates([IDLE], at=AT).empty


def test_an_item_without_a_play_has_the_score_of_its_model() -> None:
    for kind in ("als", "cosine"):
        answer = wrap(kind).candidates(USERS, at=AT)
        mine = answer[answer["item_id"] == UNPLAYED]
        assert len(mine) == len(USERS) - 1
        assert (mine["base_score"] == 0).all()


def test_zeros_in_the_matrix_are_no_plays() -> None:
    written = plays().tocoo()
    row, column = USERS.index(IDLE), ITEMS.index(UNPLAYED)
    with_zero = coo_matrix(
        (
            np.append(written.data, 0),
            (np.append(written.row, row), np.append(written.col, column)),
        ),
        shape=written.shape,
    )
    assert wrap("als", user_items=with_zero).candidates([IDLE], at=AT).empty
    assert with_zero.nnz == plays().nnz + 1


def test_a_user_who_played_everything_has_no_row_where_that_is_left_out() -> None:
    everything = plays().tolil()
    everything[0] = 1.0
    for kind in KINDS:
        made = wrap(kind, user_items=everything, leave_out_played=True)
        assert made.candidates([USERS[0]], at=AT).empty
        both = made.candidates(USERS[:2], at=AT, k=3)
        assert set(both["user_id"]) == {USERS[1]}


def test_the_matrix_is_neither_changed_nor_kept() -> None:
    mine = plays().copy()
    made = wrap("als", user_items=mine, leave_out_played=True)
    before = made.candidates(USERS, at=AT)
    assert (mine != plays()).nnz == 0
    mine.data[:] = 0
    mine.eliminate_zeros()
    assert made.candidates(USERS, at=AT).equals(before)


def test_earlier_requests_are_refused() -> None:
    made = wrap("als")
    assert len(made.candidates([100], at=UNTIL)) == len(ITEMS)
    with pytest.raises(NotFittedError, match="whose future the model has seen"):
        made.candidates([100], at=UNTIL - timedelta(microseconds=1))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_scores_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(RowError, match=r"(nan|inf) for user 100 and item 'film"):
        wrap("als", model=constant(value)).candidates([100], at=AT)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"model": object()}, ConfigError, "a fitted model of implicit"),
        ({"model": AlternatingLeastSquares}, ConfigError, "a fitted model of implicit"),
        ({"model": unfitted}, ConfigError, "one that was not fitted"),
        ({"model": CosineRecommender()}, ConfigError, "one that was not fitted"),
        ({"trained_until": None}, ConfigError, "up to which the model was trained"),
        ({"trained_until": datetime(2026, 1, 1)}, ConfigError, "time zone"),
        ({"user_items": np.ones((40, 30))}, SchemaError, "sparse matrix.*ndarray"),
        ({"users": USERS[1:]}, SchemaError, "39 x 30 in the ids, 40 x 30 in the matrix"),
        ({"items": ITEMS[1:]}, SchemaError, "40 x 29 in the ids"),
        ({"user_items": csr_matrix((30, 40))}, SchemaError, "30 x 40 in the matrix"),
        ({"users": [*USERS[1:], USERS[1]]}, RowError, "1 repeated, e.g. 101"),
        ({"items": [*ITEMS[1:], 3.5]}, RowError, r"items as whole.*3\.5 \(float\)"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(settings: Any, error: Any, message: str) -> None:
    if settings.get("model") is unfitted:  # made late: at import, implicit would warn
        settings = {"model": unfitted()}
    with pytest.raises(error, match=message):
        wrap("als", **settings)
