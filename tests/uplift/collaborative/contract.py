"""What every collaborative ranker keeps; subclass :class:`PairModelContract` to test yours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError, NotFittedError, RowError, SchemaError
from causal_ranker.uplift.collaborative.base import PairModel
from causal_ranker.uplift.collaborative.interactions import Interactions
from tests.uplift.collaborative.planted import ITEMS, USERS, planted


@cache
def fit_planted(contract: type[PairModelContract], seed: int) -> PairModel:
    """Fit once for all tests of a class."""
    return contract().fresh(seed=seed).fit(planted(seed).train)


def small(seed: int = 0, *, users: int = 30, items: int = 12) -> Interactions:
    """Pairs of all classes; neither the last user nor the last item has any."""
    rng = np.random.default_rng(seed)
    user, item = np.divmod(
        np.sort(rng.choice((users - 1) * items, size=users * items // 2, replace=False)), items
    )
    kept = item < items - 1
    user, item = user[kept].astype(np.int32), item[kept].astype(np.int32)
    exposed = rng.random(user.size) < 0.6
    played = ~exposed | (rng.random(user.size) < 0.5)
    return Interactions(user, item, exposed, played, rng.uniform(0.2, 0.8, user.size), users, items)


class PairModelContract:
    """Override `fresh` and `band`; models are fitted on `planted` and `small`."""

    #: Correlation with the true effects of the planted world, from both sides.
    band: tuple[float, float]
    #: What a method that cannot do without propensities says when some are missing.
    needs_propensity = False
    #: Whether the seed decides anything.
    seeded = True

    def fresh(self, *, seed: int = 0) -> PairModel:
        raise NotImplementedError

    @pytest.fixture
    def fitted(self) -> PairModel:
        return fit_planted(type(self), 0)

    @pytest.mark.parametrize("seed", [0, 1])
    def test_a_planted_effect_is_recovered_as_well_as_the_method_can(self, seed: int) -> None:
        scores = fit_planted(type(self), seed).score_users(np.arange(USERS))
        assert self.band[0] < planted(seed).correlation(scores) < self.band[1]

    def test_fit_returns_itself_and_changes_no_array(self) -> None:
        data = small()
        arrays = ("user", "item", "exposed", "played", "propensity")
        before = {name: getattr(data, name).tobytes() for name in arrays}
        model = self.fresh()
        assert model.fit(data) is model
        assert {name: getattr(data, name).tobytes() for name in arrays} == before

    def test_scores_are_finite_floats_and_the_same_either_way(self, fitted: PairModel) -> None:
        users = np.array([5, 0, 5, USERS - 1])
        grid = fitted.score_users(users)
        assert grid.shape == (4, ITEMS)
        assert grid.dtype == np.float32
        assert np.isfinite(grid).all()
        items = np.array([3, ITEMS - 1, 0, 7])
        pairs = fitted.score(users, items)
        assert pairs.dtype == np.float32
        np.testing.assert_allclose(pairs, grid[np.arange(4), items], rtol=1e-4, atol=1e-5)
        assert fitted.score(users[:0], items[:0]).shape == (0,)
        assert fitted.score_users(users[:0]).shape == (0, ITEMS)

    def test_equal_seeds_equal_bytes(self) -> None:
        def scores(seed: int) -> NDArray[Any]:
            return self.fresh(seed=seed).fit(small()).score_users(np.arange(30))

        assert scores(3).tobytes() == scores(3).tobytes()
        assert (scores(3).tobytes() != scores(4).tobytes()) == self.seeded

    def test_a_second_fit_forgets_the_first(self) -> None:
        model = self.fresh().fit(small(1)).fit(small())
        once = self.fresh().fit(small())
        assert model.score_users(np.arange(30)).tobytes() == (
            once.score_users(np.arange(30)).tobytes()
        )

    def test_the_unseen_get_the_fall_back_and_are_counted(self) -> None:
        model = self.fresh().fit(small())
        assert model.unseen_ == 0
        nobody, last = model.score_users(np.array([-1, 29]))
        np.testing.assert_array_equal(nobody, last)  # user 29 has no pair
        assert model.unseen_ == 24
        assert np.isfinite(model.score(np.array([0, -1, 0]), np.array([-1, -1, 11]))).all()
        assert model.unseen_ == 27
        model.score(np.array([0]), np.array([0]))
        assert model.unseen_ == 27
        model.score_users(np.array([0]))  # its item 11 has no pair
        assert model.unseen_ == 28
        assert model.fit(small()).unseen_ == 0

    @pytest.mark.parametrize("code", [-2, 30])
    def test_codes_out_of_range_are_refused(self, code: int) -> None:
        model = self.fresh().fit(small())
        with pytest.raises(RowError, match=rf"user codes from 0 to 29, or -1; got 1 of 2.*{code}"):
            model.score_users(np.array([0, code]))
        with pytest.raises(RowError, match="item codes from 0 to 11"):
            model.score(np.array([0]), np.array([12]))
        with pytest.raises(SchemaError, match="user codes as whole numbers"):
            model.score_users(np.array([0.0]))
        with pytest.raises(SchemaError, match="as many users as items; got 1 and 2"):
            model.score(np.array([0]), np.array([1, 2]))

    def test_it_has_to_be_fitted_first(self) -> None:
        with pytest.raises(NotFittedError, match="Call fit first"):
            self.fresh().score_users(np.array([0]))

    def test_logs_without_plays_are_refused(self) -> None:
        data = small()
        shown = replace(
            data, exposed=np.ones(len(data), np.bool_), played=np.zeros(len(data), np.bool_)
        )
        with pytest.raises(EmptyError):
            self.fresh().fit(shown)

    def test_a_fit_that_is_refused_leaves_no_older_one(self) -> None:
        data = small()
        model = self.fresh().fit(data)
        with pytest.raises(EmptyError):
            model.fit(
                replace(
                    data, exposed=np.ones(len(data), np.bool_), played=np.zeros(len(data), np.bool_)
                )
            )
        with pytest.raises(NotFittedError):
            model.score_users(np.array([0]))

    def test_missing_propensities_are_refused_where_they_are_needed(self) -> None:
        data = small()
        holes = data.propensity.copy()
        holes[np.flatnonzero(data.exposed & data.played)[:3]] = np.nan
        model = self.fresh()
        if self.needs_propensity:
            with pytest.raises(RowError, match=r"a propensity of every play .* got 3 of \d+ plays"):
                model.fit(replace(data, propensity=holes))
            return
        holes[:] = np.nan
        without = model.fit(replace(data, propensity=holes)).score_users(np.arange(30))
        assert without.tobytes() == self.fresh().fit(data).score_users(np.arange(30)).tobytes()
