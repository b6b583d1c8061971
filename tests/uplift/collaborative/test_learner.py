"""A pair model behind the door of every learner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError
from causal_ranker.uplift.base import Effect, FitsInSteps, Rows, UpliftModel
from causal_ranker.uplift.collaborative.learner import PairLearner, _Scored
from causal_ranker.uplift.collaborative.pairs import PairCodes, draw_pairs, read_codes
from causal_ranker.uplift.estimator import UpliftEstimator
from causal_ranker.uplift.final import LearnerConfig
from tests.uplift.collaborative.pair_worlds import ItemEffects, draw_rows, make_rows, with_codes
from tests.uplift.contract import UpliftModelContract
from tests.uplift.worlds import CONFIG, Truth, draw


def learner(method: Any = None, *, config: LearnerConfig = CONFIG, **settings: Any) -> PairLearner:
    how: dict[str, Any] = {
        "user": "user_code",
        "item": "item_code",
        "folds": 3,
        "seed": 3,
    } | settings
    return PairLearner(ItemEffects() if method is None else method, config=config, **how)


class Coded:
    """A pair learner in the contract's world, whose features it codes as users and items."""

    def __init__(self, config: LearnerConfig) -> None:
        self._learner = learner(config=config)
        self._names: tuple[str, ...] = ()

    def fit(self, rows: Rows) -> Coded:
        self._names = rows.names
        self._learner.fit(with_codes(rows))
        return self

    def predict(self, features: NDArray[np.float32]) -> Effect:
        n = len(features)
        rows = Rows(features, *(np.zeros(n) for _ in range(6)), self._names or ("x0", "x1"))
        return self._learner.predict(with_codes(rows).features)


class TestPairLearner(UpliftModelContract):
    reads_weights = False
    bias = 0.1

    def fresh(self) -> UpliftModel:
        return Coded(self.config)

    def test_an_outcome_in_other_units_has_effects_in_them(self) -> None:
        """It cannot: a pair was played or was not."""
        rows = draw(3, n=2_000).rows
        amounts = replace(rows, outcome=rows.outcome + 0.5)
        with pytest.raises(ConfigError, match="kind='continuous'"):
            self.fresh_with(kind="continuous").fit(amounts)

    def test_swapping_the_arms_swaps_the_sign(self, fitted: UpliftModel, truth: Truth) -> None:
        """Up to the lots, which the arms' order has a say in."""
        rows = truth.rows
        swapped = replace(rows, treatment=1 - rows.treatment, propensity=1 - rows.propensity)
        one, other = (
            each.predict(rows.features).point for each in (self.fresh().fit(swapped), fitted)
        )
        assert np.corrcoef(one, other)[0, 1] < -0.8


def test_effects_are_in_plays_per_impression() -> None:
    found = []
    for seed in range(8):
        truth = draw_rows(seed, n_users=250, n_items=100)
        one = learner(folds=5).fit(truth.rows)
        point = one.predict(truth.rows.features).point
        found.append(
            [
                np.polyfit(point, truth.tau, 1)[0],
                point.mean() - truth.tau.mean(),
                np.corrcoef(point, truth.tau)[0, 1],
            ]
        )
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert abs(mean[1]) < 4 * error[1] < 0.02
    # A mean of five models is steadier than each, by which the line is: so a little too flat.
    assert 1 - 4 * error[0] < mean[0] < 5 / 4 + 4 * error[0]
    assert error[0] < 0.06
    assert mean[2] > 0.75


def test_the_line_is_learned_from_pairs_that_the_method_did_not_see() -> None:
    """Where nothing differs by item, a score learned by heart must not seem to tell effects."""
    truth = draw_rows(4, n_users=40, n_items=200, spread=0.0)
    one = learner().fit(truth.rows)
    assert one.line_ is not None
    user, item = one._codes(truth.rows.features)
    by_heart = one._scorers[0].score(user, item).std()
    assert by_heart > 0.05
    assert one.line_.slope * by_heart < 0.02


def test_fold_models_see_no_row_of_a_held_out_pair() -> None:
    rows = draw_rows(2, n_users=60, n_items=20).rows
    method = ItemEffects()
    # Copies share the list, so that it sees what each of them is given.
    one = learner(_Shared(method)).fit(rows)
    seen = [set(each.keys.tolist()) for each in method.given]
    assert len(seen) == 3
    everything = set.union(*seen)
    assert len(everything) == np.count_nonzero(rows.treatment | rows.outcome)
    # Each pair is missing in one fold's model, and each model misses a third.
    missing = [everything - each for each in seen]
    assert sum(len(each) for each in missing) == len(everything)
    assert all(0.25 < len(each) / len(everything) < 0.42 for each in missing)
    assert isinstance(one, FitsInSteps)


def test_a_row_is_scored_by_models_that_did_not_see_it() -> None:
    """Where the outcomes of a pair's row change, what is said of it out of fold does not."""
    truth = draw_rows(5, n_users=60, n_items=20)
    user, item = truth.rows.features[:, 1].astype(int), truth.rows.features[:, 0].astype(int)
    t, y = truth.rows.treatment == 1, truth.rows.outcome == 1
    found = []
    for outcome in (y, np.where(np.arange(len(y)) == 77, ~y, y)):
        scored = _Scored(user, item, t, outcome, truth.rows.propensity)
        found.append(learner()._fit_folds(scored, advance=lambda: None))
    assert found[0][77] == found[1][77]
    assert (found[0] != found[1]).sum() > 10


def test_pairs_with_several_rows_are_drawn_anew_for_each_model() -> None:
    rows = draw_rows(2, n_users=60, n_items=20, times=3).rows
    method = ItemEffects()
    learner(_Shared(method), draws=2).fit(rows)
    assert len(method.given) == 3 * 2
    assert {(each.n_users, each.n_items) for each in method.given} == {(60, 20)}
    one, other = method.given[:2]
    assert set(one.keys.tolist()) != set(other.keys.tolist())


class _Shared(ItemEffects):
    """Copies keep the list of what was given."""

    def __init__(self, other: ItemEffects) -> None:
        super().__init__(given=other.given)

    def __deepcopy__(self, memo: Any) -> _Shared:
        return _Shared(self)


def test_advance_is_called_as_often_as_said() -> None:
    truth = draw_rows(2, n_users=60, n_items=20)
    told: list[int] = []
    one = learner(folds=2)
    one.fit(truth.rows, advance=lambda: told.append(1))
    assert len(told) == one.steps(truth.rows) == 3


@pytest.mark.parametrize("together", [False, True])
def test_a_row_by_lot_keeps_ips_right_and_any_row_does_not(together: bool) -> None:
    """Three rows a pair, of propensities of their own, the effect of one impression is 0.2."""
    rng = np.random.default_rng(9)
    users, items, times, tau = 60, 25, 3, 0.2
    user, item = (each.ravel() for each in np.mgrid[:users, :items])
    user, item = (np.repeat(each, times).astype(np.int32) for each in (user, item))
    codes = PairCodes(np.arange(users), np.arange(items))
    e = np.resize([0.2, 0.5, 0.7], len(user))
    found = []
    for _ in range(120):
        exposed = rng.random(len(user)) < e
        played = rng.random(len(user)) < 0.3 + tau * exposed
        if together:
            t, y = (each.reshape(-1, times).any(axis=1) for each in (exposed, played))
            p = 1 - (1 - e).reshape(-1, times).prod(axis=1)
        else:
            pairs = draw_pairs(
                user, item, exposed=exposed, played=played, propensity=e, codes=codes, rng=rng
            )
            t, y, p = pairs.exposed, pairs.played, pairs.propensity
        found.append((y * np.where(t, 1 / p, -1 / (1 - p))).sum() / (users * items))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert error < 0.012
    if together:
        assert abs(np.mean(found) - tau) > 6 * error
    else:
        assert abs(np.mean(found) - tau) < 4 * error


def test_each_row_of_a_pair_is_drawn_as_often() -> None:
    rng = np.random.default_rng(0)
    user = np.zeros(4, dtype=np.int32)
    flags = np.ones(4, dtype=bool)
    e = np.array([0.1, 0.2, 0.3, 0.4])
    codes = PairCodes(np.arange(1), np.arange(2))
    drawn = [
        draw_pairs(
            user,
            np.array([0, 0, 0, 1], dtype=np.int32),
            exposed=flags,
            played=flags,
            propensity=e,
            codes=codes,
            rng=rng,
        ).propensity
        for _ in range(3_000)
    ]
    first, second = np.array(drawn).T
    assert (second == 0.4).all()
    counts = np.array([(first == each).sum() for each in e[:3]])
    assert (abs(counts - 1_000) < 4 * np.sqrt(3_000 * 2 / 9)).all()


def test_ids_that_were_not_in_training_have_the_average_effect_and_are_counted() -> None:
    truth = draw_rows(1)
    one = learner().fit(truth.rows)
    features = truth.rows.features[:6].copy()
    features[0, 0] = 40  # the next item
    features[1, 1] = 5_000
    features[2] = np.nan
    point = one.predict(features).point
    assert one.unseen_ == 3
    assert one.line_ is not None
    np.testing.assert_array_equal(point[:3], one.line_.average)
    assert (point[3:] != one.line_.average).all()
    assert one.line_.average == pytest.approx(0.1, abs=0.05)
    one.predict(truth.rows.features)
    assert one.unseen_ == 0


def test_codes_may_have_gaps() -> None:
    """What the method is given are as many users and items as there are."""
    truth = draw_rows(1)
    apart = replace(truth.rows, features=truth.rows.features * 400)
    point = learner().fit(apart).predict(apart.features).point
    by_one = learner().fit(truth.rows).predict(truth.rows.features).point
    assert np.corrcoef(point, by_one)[0, 1] > 0.97  # other folds, the same pairs
    other = learner().fit(apart)
    other.predict(apart.features[:5] + 1)
    assert other.unseen_ == 5


def test_columns_that_are_not_there_are_named() -> None:
    rows = draw_rows(1, n_users=20).rows
    with pytest.raises(SchemaError, match=r"'user_id', which holds codes of users.*'user_code'"):
        learner(user="user_id").fit(rows)
    with pytest.raises(SchemaError, match=r"'film', which holds codes of items"):
        learner(item="film").fit(rows)


@pytest.mark.parametrize("bad", [2.0**24, 2.0**24 + 2, 0.5, -1.0])
def test_codes_that_are_not_exact_are_refused(bad: float) -> None:
    rows = draw_rows(1, n_users=20).rows
    features = rows.features.copy()
    features[[7, 9], 1] = bad
    with pytest.raises(RowError, match=r"codes in 'user_code'.*2 of 800 rows.*rows \[7, 9\]"):
        learner().fit(replace(rows, features=features))


def test_the_largest_code_is_read() -> None:
    column = np.array([0, 2**24 - 1, np.nan], dtype=np.float32)
    np.testing.assert_array_equal(read_codes(column, name="x"), [0, 2**24 - 1, -1])


def test_a_training_row_without_a_code_is_refused() -> None:
    rows = draw_rows(1, n_users=20).rows
    features = rows.features.copy()
    features[5, 0] = np.nan
    with pytest.raises(RowError, match=r"'item_code' of every training row; got 1 of 800 .*\[5\]"):
        learner().fit(replace(rows, features=features))


@pytest.mark.parametrize("settings", [{"folds": 1}, {"draws": 0}])
def test_settings_that_cannot_be(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="at least 2 folds and 1 draw"):
        learner(**settings)


def test_it_must_be_fitted_first() -> None:
    with pytest.raises(NotFittedError):
        learner().predict(np.zeros((1, 2), dtype=np.float32))


def test_rows_are_not_enough_where_nobody_played_or_saw() -> None:
    user = np.arange(8, dtype=np.int32)
    codes, none = PairCodes(user, user), np.zeros(8, dtype=bool)
    with pytest.raises(Exception, match="none among 8 rows"):
        draw_pairs(
            user,
            user,
            exposed=none,
            played=none,
            propensity=np.full(8, 0.5),
            codes=codes,
            rng=np.random.default_rng(0),
        )


def test_counts_of_plays_are_read_as_played_or_not() -> None:
    truth = draw_rows(6)
    config = CONFIG.model_copy(
        update={"nuisance": CONFIG.nuisance.model_copy(update={"kind": "count"})}
    )
    twice = replace(truth.rows, outcome=2 * truth.rows.outcome)
    one = learner(config=config).fit(twice).predict(twice.features).point
    # Effects are in plays, of which there are two each time.
    assert np.polyfit(2 * truth.tau, one, 1)[0] == pytest.approx(1, abs=0.25)


def test_rows_made_by_hand() -> None:
    rows = make_rows(
        np.array([1, 0]),
        np.array([2, 3]),
        treatment=np.array([1, 0]),
        outcome=np.array([0, 1]),
        propensity=np.array([0.5, 0.5]),
    )
    np.testing.assert_array_equal(rows.features, [[2, 1], [3, 0]])


def test_tables_of_ids_go_through_the_scikit_learn_door() -> None:
    """Ids of text are codes there; new ones, read as missing, have the average effect."""
    truth = draw_rows(3, n_users=80, n_items=25)
    rows = truth.rows
    ids = {"film": rows.features[:, 0], "member": rows.features[:, 1]}
    table = pd.DataFrame({name: [f"{name} {code:g}" for code in ids[name]] for name in ids})
    pair = learner(user="member", item="film")
    model = UpliftEstimator(pair, unseen="missing")
    model.fit(
        table, rows.outcome, treatment=rows.treatment, user=rows.user, propensity=rows.propensity
    )
    new = pd.concat([table[:50], table[:1].assign(film="never seen")])
    with pytest.warns(UserWarning, match="film"):
        point = model.predict(new)
    assert point.shape == (51,)
    assert model.learner_.unseen_ == 1
    assert point[50] == model.learner_.line_.average
    assert np.corrcoef(model.predict(table), truth.tau)[0, 1] > 0.6


@pytest.mark.parametrize("name", ["dlce", "cause", "mf"])
def test_methods_by_name(name: str) -> None:
    """As documented, with draws and folds of its own: equal seeds, equal bytes."""
    truth = draw_rows(8, n_users=120, n_items=30, times=2, spread=0.3)
    one, other = (
        PairLearner(name, user="user_code", item="item_code", config=CONFIG, folds=2, seed=5)
        .fit(truth.rows)
        .predict(truth.rows.features)
        .point
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    if name != "mf":
        assert np.corrcoef(one, truth.tau)[0, 1] > 0.2
