"""How far effects of cold items lie from their predictions, and intervals that hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student

from causal_ranker.uplift.base import Effect
from causal_ranker.uplift.intervals import HalfSampleConfig
from causal_ranker.uplift.new_items import ItemSpread, NewItemIntervals, item_spread

CONFIG = HalfSampleConfig(draws=12)
REACH = student.ppf(0.975, CONFIG.draws - 1)


def predicted(point: NDArray[Any], error: NDArray[Any] | float) -> Effect:
    half = REACH * np.broadcast_to(error, point.shape)
    return Effect(point=point, low=point - half, high=point + half)


class Says:
    """Intervals that are what they are, row by row."""

    def __init__(self, effect: Effect) -> None:
        self.effect = effect

    def predict(self, features: NDArray[np.float32]) -> Effect:
        return self.effect


def measure(rng: Any, *, items: int, rows: int, spread: float, error: float) -> ItemSpread:
    """Scores around effects that differ from item to item, predictions that err by item."""
    item = np.repeat(np.arange(items), rows)
    truth = 0.1 + spread * rng.normal(size=items)
    point = 0.1 + error * rng.normal(size=items)
    scores = truth[item] + rng.normal(size=item.size)
    found = item_spread(
        scores,
        predicted(point[item], error),
        item=item,
        user=np.arange(item.size),
        weight=np.ones(item.size),
        config=CONFIG,
    )
    assert found is not None
    return found


def test_it_is_what_a_slow_version_says() -> None:
    rng = np.random.default_rng(1)
    n = 900
    item, user = rng.choice(list("abcdefghijklm"), n), rng.integers(0, 60, n)
    item[:3], user[:3] = "lonely", 7  # one user only: nobody can say how noisy it is
    weight, scores, point = rng.uniform(1, 5, n), rng.normal(size=n), 0.1 * rng.normal(size=n)
    error = rng.uniform(0.01, 0.03, n)
    found = item_spread(
        scores, predicted(point, error), item=item, user=user, weight=weight, config=CONFIG
    )
    each, share = [], []
    for name in "abcdefghijklm":
        mine = item == name
        w, off, who = weight[mine], (scores - point)[mine], user[mine]
        mean = np.average(off, weights=w)
        by_user = [(w * (off - mean))[who == u].sum() / w.sum() for u in set(who)]
        noise = sum(x**2 for x in by_user) * len(by_user) / (len(by_user) - 1)
        each.append(mean**2 - noise - np.average(error[mine] ** 2, weights=w))
        share.append(w.sum())
    part = np.array(share) / sum(share)
    beyond = part @ each
    beyond += np.sqrt(part**2 @ (np.array(each) - beyond) ** 2)
    assert found is not None
    assert found.items == 13
    assert found.deviation == pytest.approx(np.sqrt(max(beyond, 0)), abs=1e-12)


def test_few_items_tell_nothing() -> None:
    rng = np.random.default_rng(2)
    assert measure(rng, items=10, rows=50, spread=0.1, error=0.01).items == 10
    few = np.repeat(np.arange(9), 50)
    assert (
        item_spread(
            rng.normal(size=450),
            predicted(np.zeros(450), 0.01),
            item=few,
            user=np.arange(450),
            weight=np.ones(450),
            config=CONFIG,
        )
        is None
    )


@pytest.mark.parametrize(
    ("spread", "error", "narrow"), [(0.15, 0.03, 0.5), (0.05, 0.05, 0.9), (0.3, 0.001, 0.05)]
)
def test_new_effects_are_covered_as_often_as_intervals_say(
    spread: float, error: float, narrow: float
) -> None:
    """Forty logs of 60 cold items each, and then as many new items whose effects are known."""
    rng = np.random.default_rng(3)
    wide, plain = [], []
    for _ in range(40):
        found = measure(rng, items=60, rows=400, spread=spread, error=error)
        truth = 0.1 + spread * rng.normal(size=200)
        effect = predicted(0.1 + error * rng.normal(size=200), error)
        made = NewItemIntervals(Says(effect), found, place=0, level=CONFIG.level)
        cold = made.predict(np.ones((200, 1), dtype=np.float32))
        for kept, seen in ((wide, cold), (plain, effect)):
            assert seen.low is not None
            assert seen.high is not None
            kept.append(((seen.low <= truth) & (truth <= seen.high)).mean())
    # A standard error is added to what is measured, so a little more often than they say.
    assert 0.945 <= np.mean(wide) <= 0.985
    assert np.mean(plain) < narrow


def test_items_that_differ_no_more_than_noise_hardly_widen_anything() -> None:
    rng = np.random.default_rng(4)
    found = [measure(rng, items=60, rows=400, spread=0.0, error=0.03) for _ in range(40)]
    # The standard error that is added is all there is: less than the prediction's own.
    assert 0.01 < np.mean([each.deviation for each in found]) < 0.03


def test_it_says_whether_anything_is_wider() -> None:
    assert "no further" in str(ItemSpread(12, 0.0))
    assert "by 3.5 per 100 impressions" in str(ItemSpread(12, 0.0351))


def test_only_cold_rows_are_wider() -> None:
    effect = predicted(np.zeros(3), 0.01)
    made = NewItemIntervals(Says(effect), ItemSpread(21, 0.02), place=1, level=0.95)
    found = made.predict(np.array([[1, 0], [0, 1], [1, np.nan]], dtype=np.float32))
    half = np.hypot(REACH * 0.01, student.ppf(0.975, 20) * 0.02)
    np.testing.assert_allclose(found.high, [REACH * 0.01, half, REACH * 0.01])
    np.testing.assert_allclose(found.low, -found.high)
