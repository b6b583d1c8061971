"""Pair features: counted by hand, from a history that is over, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, NotFittedError, RowError, SchemaError
from causal_ranker.uplift.collaborative import features as module
from causal_ranker.uplift.collaborative.dlce import DLCE, DLCEConfig
from causal_ranker.uplift.collaborative.features import PairFeatures
from causal_ranker.uplift.collaborative.history import PairHistory
from tests.uplift.collaborative.pair_worlds import ItemEffects

DAY = 86_400_000_000
UNTIL = 20 * DAY


def history(seed: int = 0, n: int = 600, *, ids: str = "int") -> PairHistory:
    return PairHistory.of(**columns(seed, n, ids=ids))


def columns(seed: int = 0, n: int = 600, *, ids: str = "int") -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, 30, n), rng.integers(100, 120, n)
    p = rng.uniform(0.2, 0.8, n)
    t = rng.random(n) < p
    end = rng.integers(10 * DAY, UNTIL, n)
    end[rng.integers(n)] = UNTIL
    return {
        "user": user if ids == "int" else np.array([f"u{each}" for each in user], dtype=object),
        "item": item if ids == "int" else np.array([f"i{each}" for each in item], dtype=object),
        "treatment": t.astype(np.int8),
        "outcome": (rng.random(n) < 0.2 + 0.3 * t).astype(np.int8),
        "propensity": p,
        "horizon_end": end,
    }


def fitted(**how: Any) -> PairFeatures:
    return PairFeatures({"own": ItemEffects()}, **how).fit(history())


def test_columns_are_what_counting_one_by_one_finds() -> None:
    given, prior = columns(1), 7.0
    pairs = PairFeatures({"own": ItemEffects()}, prior_rows=prior, seed=4)
    pairs.fit(PairHistory.of(**given))
    user = np.array([3, 3, 7, 29, 400, 5])
    item = np.array([101, 119, 100, 118, 101, 9])
    block, names = pairs.block(user, item, at=UNTIL)
    assert block.dtype == np.float32
    assert names[0] == "pairs_own"
    assert len(set(names)) == len(names) == block.shape[1] == 1 + 8 + 2
    t, y = given["treatment"] == 1, given["outcome"] == 1
    for row in range(len(user)):
        told = dict(zip(names, block[row].tolist(), strict=True))
        score = told.pop("pairs_own")
        for of, asked in (("user", user[row]), ("item", item[row])):
            mine = given[of] == asked
            assert told.pop(f"history_{of}_shown") == (mine & t).sum()
            assert told.pop(f"history_{of}_played") == (mine & y).sum()
            for name, arm in (("rate_shown", t), ("rate_not_shown", ~t)):
                rate = told.pop(f"history_{of}_{name}")
                if not mine.any():
                    assert np.isnan(rate)
                    assert np.isnan(score)
                    continue
                overall = (y & arm).sum() / arm.sum()
                shrunk = ((mine & arm & y).sum() + prior * overall) / ((mine & arm).sum() + prior)
                assert rate == pytest.approx(shrunk, rel=1e-6)
        own = (given["user"] == user[row]) & (given["item"] == item[row])
        assert told.pop("history_pair_shown") == (own & t).sum()
        assert told.pop("history_pair_played") == (own & y).sum()
        assert told == {}


def test_scores_are_those_of_the_method_fitted_on_the_history() -> None:
    past = history(2)
    pairs = PairFeatures({"own": ItemEffects()}, seed=5).fit(past)
    alone = ItemEffects().fit(past.pairs(seed=5))
    item = np.array([100, 104, 119])
    user = np.array([1, 2, 3])
    block, _ = pairs.block(user, item, at=UNTIL)
    np.testing.assert_array_equal(block[:, 0], alone.score(*past.codes.find(user, item)))


@pytest.mark.parametrize("late", [0, 1])
def test_rows_before_the_end_of_the_history_are_refused(late: int) -> None:
    pairs = fitted()
    at = np.full(5, UNTIL + DAY)
    at[3] = UNTIL - 1 + late
    user, item = np.arange(5), np.arange(100, 105)
    if late:
        assert pairs.history_until_ == UNTIL
        pairs.block(user, item, at=at)
        return
    with pytest.raises(RowError, match=r"1970-01-21T00:00:00.000000 UTC.*1 of 5 .*rows \[3\]"):
        pairs.block(user, item, at=at)


def test_nothing_that_happened_later_is_in_a_feature() -> None:
    """Outcomes that end after the cut change no row at the cut, as they are no history."""
    given = columns(3)
    cut = 15 * DAY
    over = given["horizon_end"] <= cut
    at_cut = {name: values[over] for name, values in given.items()}
    pairs = PairFeatures({"own": ItemEffects()}).fit(PairHistory.of(**at_cut))
    assert pairs.history_until_ <= cut
    pairs.block(np.arange(3), np.arange(100, 103), at=cut)
    # With one row more, whose horizon goes on, the same rows are refused.
    one_more = {name: np.append(values[over], values[~over][:1]) for name, values in given.items()}
    more = PairFeatures({"own": ItemEffects()}).fit(PairHistory.of(**one_more))
    with pytest.raises(RowError, match="3 of 3 rows with an earlier one"):
        more.block(np.arange(3), np.arange(100, 103), at=cut)


def test_factors_and_biases_of_methods_that_have_some() -> None:
    past = history(4)
    config = DLCEConfig(factors=6, epochs=2)
    pairs = PairFeatures({"dlce": DLCE(config=config), "own": ItemEffects()}, factors=2).fit(past)
    user, item = np.array([4, 9, 77]), np.array([110, 7, 110])
    block, names = pairs.block(user, item, at=UNTIL)
    assert names[:7] == (
        "pairs_dlce",
        "pairs_dlce_item_bias",
        *(f"pairs_dlce_{of}_{place}" for of in ("user", "item") for place in (0, 1)),
        "pairs_own",
    )
    model = pairs.models_["dlce"]
    assert isinstance(model, DLCE)
    u, i = past.codes.find(user, item)
    first = np.concatenate(
        [model.item_bias_[i[:1]], model.user_factors_[u[0], :2], model.item_factors_[i[0], :2]]
    )
    np.testing.assert_array_equal(block[0, 1:6], first)
    assert np.isnan(block[1, [0, 1, 4, 5]]).all()
    assert not np.isnan(block[1, 2:4]).any()
    assert np.isnan(block[2, [0, 2, 3]]).all()
    assert not np.isnan(block[2, [1, 4, 5]]).any()
    wide = PairFeatures({"dlce": DLCE(config=config)}, factors=50).fit(past)
    assert (
        sum(name.startswith("pairs_dlce_user") for name in wide.block(user, item, at=UNTIL)[1]) == 6
    )


def test_rows_are_told_alone_and_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = fitted()
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 40, 500), rng.integers(95, 125, 500)
    whole, _ = pairs.block(user, item, at=UNTIL)
    one, _ = pairs.block(user[[7]], item[[7]], at=UNTIL)
    np.testing.assert_array_equal(one[0], whole[7])
    monkeypatch.setattr(module, "_BATCH", 64)
    again, _ = pairs.block(user, item, at=UNTIL)
    np.testing.assert_array_equal(again, whole)
    none, names = pairs.block(user[:0], item[:0], at=UNTIL)
    assert none.shape == (0, len(names))


def test_ids_may_be_text() -> None:
    by_number, by_text = history(), history(ids="text")
    user, item = np.array([1, 2, 50]), np.array([101, 102, 103])
    text = (np.array([f"u{each}" for each in user]), np.array([f"i{each}" for each in item]))
    # Lots go by codes, whose order differs: counts do not.
    one = PairFeatures({}).fit(by_number).block(user, item, at=UNTIL)[0]
    other = PairFeatures({}).fit(by_text).block(*text, at=UNTIL)[0]
    np.testing.assert_array_equal(one, other)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_the_history_does_not_matter(seed: int) -> None:
    given = columns(seed, 80)
    order = np.random.default_rng(seed).permutation(80)
    moved = {name: values[order] for name, values in given.items()}
    user, item = given["user"], given["item"]
    one, other = (
        PairFeatures({"own": ItemEffects()})
        .fit(PairHistory.of(**each))
        .block(user, item, at=UNTIL)[0]
        for each in (given, moved)
    )
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_an_arm_that_never_was_has_no_rate() -> None:
    given = columns(0)
    given["treatment"][:] = 1
    block, names = (
        PairFeatures({})
        .fit(PairHistory.of(**given))
        .block(given["user"][:1], given["item"][:1], at=UNTIL)
    )
    told = dict(zip(names, block[0].tolist(), strict=True))
    assert np.isnan(told["history_user_rate_not_shown"])
    assert 0 < told["history_user_rate_shown"] < 1


def test_the_callers_methods_are_left_alone() -> None:
    method = ItemEffects()
    pairs = PairFeatures({"own": method}).fit(history())
    assert method.effect_ is None
    assert pairs.models_["own"] is not method


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(NotFittedError):
        PairFeatures({}).block(np.arange(1), np.arange(1), at=0)
    with pytest.raises(ConfigError, match="prior_rows above 0"):
        PairFeatures({}, prior_rows=0)
    with pytest.raises(ConfigError, match="factors of 0 or more"):
        PairFeatures({}, factors=-1)
    with pytest.raises(SchemaError, match="2 users, 3 items and 1 times"):
        fitted().block(np.arange(2), np.arange(3), at=UNTIL)
    with pytest.raises(SchemaError, match="3 users, 3 items and 2 times"):
        fitted().block(np.arange(3), np.arange(3), at=np.full(2, UNTIL))
    given = columns(0)
    with pytest.raises(SchemaError, match="600 users beside"):
        PairHistory.of(**{**given, "outcome": given["outcome"][:5]})
    with pytest.raises(EmptyError, match="horizons have ended"):
        PairHistory.of(**{name: values[:0] for name, values in given.items()})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("treatment", np.nan, "a treatment of 0 or 1 in every row; got 2 of 600"),
        ("treatment", 2, "a treatment of 0 or 1"),
        ("outcome", np.nan, "a number of plays"),
        ("outcome", -1, "a number of plays"),
        ("propensity", 0.0, "strictly between 0 and 1"),
        ("propensity", 1.5, "strictly between 0 and 1"),
    ],
)
def test_rows_of_which_it_is_not_known_what_happened_are_refused(
    name: str, value: float, said: str
) -> None:
    """NaN and other levels of T are no rows that were not shown, and a lost Y is no Y of 0."""
    given = columns(0)
    values = given[name].astype(np.float64)
    values[[3, 7]] = value
    with pytest.raises(RowError, match=rf"{said}.*rows \[3, 7\]"):
        PairHistory.of(**(given | {name: values}))
