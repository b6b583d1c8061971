"""The methods that learn factors: the contract, the planted effect, and what each cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.uplift.collaborative.base import FactorModel
from causal_ranker.uplift.collaborative.cause import CausE, CausEConfig
from causal_ranker.uplift.collaborative.dlce import (
    BLCE,
    DLCE,
    DLTO,
    BLCEConfig,
    DLCEConfig,
    DLTOConfig,
)
from causal_ranker.uplift.collaborative.interactions import from_dense
from causal_ranker.uplift.collaborative.pairwise import BPR, ULBPR, BPRConfig, ULBPRConfig
from causal_ranker.uplift.collaborative.pointwise import MF, ULRMF, MFConfig, ULRMFConfig
from tests.uplift.collaborative.contract import PairModelContract, fit_planted, small
from tests.uplift.collaborative.planted import ITEMS, USERS, planted

ALL = np.ones((4, 5), dtype=np.bool_)
SOME = np.eye(4, 5) > 0
ONE = np.arange(20).reshape(4, 5) == 0
PAIRS = {"factors": 4, "learning_rate": 0.03, "l2": 0.03}
POINTS = {"factors": 4, "played_share": 0.5}
DIVERGED = r"factors that stay below 1e\+06; got \d+ that are not after epoch \d: learning diverged"


class FactorModelContract(PairModelContract):
    method: type[FactorModel[Any]]
    config: Any

    def fresh(self, *, seed: int = 0) -> FactorModel[Any]:
        return self.method(config=self.config, seed=seed)

    def test_those_without_rows_are_counted_and_have_factors_of_zero(self) -> None:
        model = self.fresh().fit(small())
        assert (model.users_without_rows_, model.items_without_rows_) == (1, 1)
        assert not model.user_factors_[29].any()
        assert not model.item_factors_[11].any()

    def test_nobody_and_nothing_are_not_the_last_code(self) -> None:
        model = fit_planted(type(self), 0)
        assert isinstance(model, FactorModel)
        before = model.unseen_
        nobody, last = model.score_users(np.array([-1, USERS - 1]))
        assert np.abs(nobody - last).max() > 0.05
        either = model.score(np.array([-1, 3, 3]), np.array([7, -1, ITEMS - 1]))
        np.testing.assert_array_equal(either[0], nobody[7])
        assert either[1] != either[2]
        assert model.unseen_ - before == ITEMS + 2

    def test_more_factors_than_items_are_learned(self) -> None:
        wide = self.config.model_copy(update={"factors": 50})
        model = self.method(config=wide).fit(small())
        assert np.isfinite(model.score_users(np.arange(30))).all()

    def test_divergence_is_an_error_and_no_nan(self) -> None:
        wild = self.config.model_copy(update={"learning_rate": 300.0, "l2": 1.0})
        model = self.method(config=wild)
        with pytest.raises(ConfigError, match=DIVERGED):
            model.fit(small())

    def test_factors_beyond_all_sense_are_divergence_before_they_run_over(self) -> None:
        wild = self.config.model_copy(update={"learning_rate": 3e7, "l2": 0.0, "epochs": 1})
        with pytest.raises(ConfigError, match=DIVERGED):
            self.method(config=wild).fit(small())

    def test_another_methods_config_is_refused(self) -> None:
        other = BPRConfig() if self.method is not BPR else MFConfig()
        with pytest.raises(ConfigError, match=f"as config of {self.method.__name__}; got"):
            self.method(config=other)

    def test_progress_is_drawn_when_asked_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.fresh().fit(small())
        assert capsys.readouterr().err == ""
        self.fresh().fit(small(), progress=True)
        assert self.method.__name__ in capsys.readouterr().err

    def test_its_defaults_learn(self) -> None:
        model = self.method().fit(small())
        assert model.epochs_ == 30
        assert model.history_ == {}
        assert np.isfinite(model.score_users(np.arange(30))).all()


class LinearContract(FactorModelContract):
    def test_factors_and_biases_make_the_scores(self) -> None:
        model = self.fresh().fit(small())
        assert model.user_factors_.dtype == model.item_bias_.dtype == np.float32
        assert model.user_factors_.shape == (30, 4)
        assert model.item_factors_.shape == (12, 4)
        product = model.user_factors_ @ model.item_factors_.T + model.item_bias_
        np.testing.assert_allclose(model.score_users(np.arange(30)), product, rtol=1e-5, atol=1e-6)

    def test_the_fall_back_is_as_stated(self) -> None:
        model = self.fresh().fit(small())
        np.testing.assert_array_equal(model.score_users(np.array([-1]))[0], model.item_bias_)
        np.testing.assert_array_equal(
            model.score(np.array([3, -1]), np.array([11, 2])), model.item_bias_[[11, 2]]
        )
        np.testing.assert_allclose(
            model.score(np.array([3]), np.array([-1]))[0], model.item_bias_.mean(), rtol=1e-5
        )


def _correlation(method: type[FactorModelContract], seed: int) -> float:
    return planted(seed).correlation(fit_planted(method, seed).score_users(np.arange(USERS)))


class TestMF(LinearContract):
    method, band = MF, (0.24, 0.37)
    config = MFConfig(**POINTS, learning_rate=0.03, l2=0.03, epochs=25)

    def test_a_user_who_played_everything_is_learned_from(self) -> None:
        played = np.zeros((4, 5), dtype=np.bool_)
        played[0], played[1, 2] = True, True
        model = self.fresh().fit(from_dense(~played, played))
        assert np.isfinite(model.score_users(np.arange(4))).all()

    def test_nothing_that_was_not_played_is_refused(self) -> None:
        with pytest.raises(EmptyError, match="not played, which MF learns from"):
            self.fresh().fit(from_dense(ALL, ALL))


class TestBPR(LinearContract):
    method, config, band = BPR, BPRConfig(**PAIRS, epochs=25), (0.25, 0.38)

    def test_plays_with_nothing_against_them_are_counted(self) -> None:
        played = np.zeros((4, 5), dtype=np.bool_)
        played[0], played[1, 2] = True, True
        model = BPR(config=self.config).fit(from_dense(~played, played))
        assert model.left_out_ == 5
        with pytest.raises(EmptyError, match="by users who did not play every item"):
            self.fresh().fit(from_dense(ALL, ALL))


class TestULRMF(LinearContract):
    method, band = ULRMF, (0.6, 0.8)
    config = ULRMFConfig(**POINTS, learning_rate=0.02, l2=0.03, epochs=25)

    def test_it_needs_plays_that_were_shown_and_no_other_class(self) -> None:
        _refuses_unless(self.fresh(), "shown and played")
        assert np.isfinite(self.fresh().fit(from_dense(ALL, ALL)).score_users(np.arange(4))).all()


class TestULBPR(LinearContract):
    method, config, band = ULBPR, ULBPRConfig(**PAIRS, epochs=35), (0.51, 0.67)

    def test_it_needs_plays_that_were_shown_and_something_against_them(self) -> None:
        _refuses_unless(self.fresh(), "shown and played")
        with pytest.raises(EmptyError, match="by users with other items besides"):
            self.fresh().fit(from_dense(ALL, ALL))
        only = from_dense(np.eye(4, 5) > 0, np.eye(4, 5) > 0)  # no R-NP, no NR-P
        quick = ULBPRConfig(factors=4, learning_rate=0.3, l2=0.001, epochs=300)
        model = ULBPR(config=quick).fit(only)
        assert model.left_out_ == 0
        best = np.arange(4)
        assert (model.score_users(best).argmax(axis=1) == best).all()

    def test_pairs_with_nothing_against_them_are_counted(self) -> None:
        shown, played = np.zeros((2, 4, 5), dtype=np.bool_)
        shown[0] = played[0] = True  # all of user 0 is R-P
        shown[1] = True  # all of user 1 is R-NP
        shown[2, 3] = played[2, 3] = True
        assert ULBPR(config=self.config).fit(from_dense(shown, played)).left_out_ == 10


class TestDLTO(LinearContract):
    method, config, band = DLTO, DLTOConfig(**PAIRS, epochs=30), (0.49, 0.64)
    needs_propensity = True

    def test_it_needs_plays_that_were_shown_and_their_propensities_alone(self) -> None:
        _refuses_unless(self.fresh(), "shown and played")
        data = small()
        unshown = replace(data, propensity=np.where(data.exposed, data.propensity, np.nan))
        without = self.fresh().fit(unshown).score_users(np.arange(30))
        assert without.tobytes() == self.fresh().fit(data).score_users(np.arange(30)).tobytes()


class TestBLCE(LinearContract):
    method, config, band = BLCE, BLCEConfig(**PAIRS, epochs=40), (0.45, 0.58)

    def test_it_needs_plays_of_both_arms(self) -> None:
        _refuses_unless(self.fresh(), "shown and played")
        _refuses_unless(self.fresh(), "played without being shown")


class TestDLCE(LinearContract):
    method, band = DLCE, (0.45, 0.58)
    config = DLCEConfig(factors=4, learning_rate=0.015, l2=0.03, epochs=50)
    needs_propensity = True

    def test_it_needs_plays_of_both_arms(self) -> None:
        _refuses_unless(self.fresh(), "shown and played")
        _refuses_unless(self.fresh(), "played without being shown")

    def test_what_was_not_played_needs_no_propensity(self) -> None:
        data = small()
        holes = replace(data, propensity=np.where(data.played, data.propensity, np.nan))
        again = self.fresh().fit(holes).score_users(np.arange(30))
        assert again.tobytes() == self.fresh().fit(data).score_users(np.arange(30)).tobytes()

    def test_the_share_of_floored_propensities_is_told(self) -> None:
        data = replace(small(), propensity=np.where(small().exposed, 0.002, 0.4))
        model = DLCE(config=self.config.model_copy(update={"learning_rate": 0.001})).fit(data)
        assert model.share_floored_ == data.exposed[data.played].mean()
        assert DLCE(config=self.config).fit(small()).share_floored_ == 0

    def test_one_item_has_nothing_to_be_ranked_against(self) -> None:
        both = from_dense(np.array([[True], [False]]), np.ones((2, 1), np.bool_))
        with pytest.raises(ConfigError, match="at least 2 items to rank; got 1"):
            self.fresh().fit(replace(both, propensity=np.full(2, 0.5)))


class TestCausE(FactorModelContract):
    method, band = CausE, (0.68, 0.82)
    config = CausEConfig(**POINTS, learning_rate=0.02, l2=0.02, tie=0.03, epochs=35)

    def test_factors_make_the_difference_of_log_odds(self) -> None:
        model = fit_planted(type(self), 0)
        assert isinstance(model, CausE)
        assert model.user_factors_.shape == (USERS, 8)
        product = model.user_factors_ @ model.item_factors_.T + model.item_bias_
        factors, _ = model._fitted()
        odds = factors.user @ factors.item.transpose(0, 2, 1) + factors.bias[:, None]
        odds += model._offset[:, None, None]
        np.testing.assert_allclose(product, odds[1] - odds[0], rtol=1e-4, atol=1e-5)
        chance = 1 / (1 + np.exp(-odds.astype(np.float64)))
        scores = model.score_users(np.arange(USERS))
        np.testing.assert_allclose(scores, chance[1] - chance[0], rtol=1e-4, atol=1e-6)

    def test_scores_are_differences_of_calibrated_chances(self) -> None:
        """The mean score over all pairs is the difference of the arms' shares of plays."""
        data = from_dense(*_two_rates(0.3, 0.1))
        config = self.config.model_copy(update={"played_share": 0.3})
        score = CausE(config=config).fit(data).score_users(np.arange(300)).mean()
        assert 0.17 < score < 0.23

    def test_a_strong_tie_makes_the_arms_one(self) -> None:
        tied = self.config.model_copy(update={"tie": 10.0})
        model = CausE(config=tied).fit(small())
        np.testing.assert_allclose(
            model.user_factors_[:, :4], model.user_factors_[:, 4:], atol=0.02
        )

    @pytest.mark.parametrize(
        ("shown", "played", "what"),
        [
            (~ALL, SOME, "shown and played"),
            (SOME, SOME, "shown and not played"),
            (ALL, SOME, "played without being shown"),
            (SOME, ALL ^ SOME ^ ONE, "neither"),
        ],
    )
    def test_it_needs_all_four_classes(self, shown: Any, played: Any, what: str) -> None:
        with pytest.raises(EmptyError, match=f"pairs that were {what}, which CausE learns from"):
            self.fresh().fit(from_dense(shown, played))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("method", "counterpart"),
    [
        (TestULRMF, TestMF),
        (TestCausE, TestMF),
        (TestULBPR, TestBPR),
        (TestDLTO, TestBPR),
        (TestBLCE, TestBPR),
        (TestDLCE, TestBPR),
    ],
)
def test_each_finds_more_of_the_effect_than_its_non_causal_counterpart(
    method: type[FactorModelContract], counterpart: type[FactorModelContract], seed: int
) -> None:
    assert _correlation(method, seed) > 0.1 + _correlation(counterpart, seed)


def _refuses_unless(model: FactorModel[Any], what: str) -> None:
    """Refused where no pair was ``what``."""
    data = small()
    shown = data.exposed.copy()
    shown[data.played] = what != "shown and played"
    with pytest.raises(EmptyError, match=f"pairs that were {what}, which .* learns from; got none"):
        model.fit(replace(data, exposed=shown))


def _two_rates(shown: float, unshown: float) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    exposed = rng.random((300, 40)) < 0.5
    return exposed, rng.random((300, 40)) < np.where(exposed, shown, unshown)
