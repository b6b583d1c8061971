from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.choice import fairest, held_out
from causal_ranker.coldstart.frontier import frontier_figure, undominated
from causal_ranker.coldstart.metrics import Fairness, ListMetrics, Utility
from causal_ranker.coldstart.ranking import RankedBlock
from causal_ranker.errors import ConfigError, EmptyError


def seen(ndcg: float, worst: float) -> ListMetrics:
    nothing = np.zeros(0, dtype=np.int64)
    return ListMetrics(
        utility={15: Utility(0.1, 0.1, ndcg)},
        gains=np.zeros(1),
        fairness=Fairness(0.1, {10: worst}, 0.2, 0.0, float("nan")),
        users=1,
        users_left_out=0,
        positives=RankedBlock(nothing, nothing, nothing),
    )


BASE = seen(0.5, 0.0)
TRIED = {
    "best, too dear": seen(0.4849, 0.5),
    "at the limit": seen(0.485, 0.2),
    "as good, worth more": seen(0.49, 0.2),
    "cheap": seen(0.51, 0.1),
}


def test_the_fairest_of_what_loses_little() -> None:
    assert fairest(TRIED, base=BASE) == "as good, worth more"
    assert fairest(TRIED, base=BASE, most_loss=0.0) == "cheap"
    assert fairest(TRIED, base=BASE, most_loss=0.05) == "best, too dear"
    assert fairest({"dear": seen(0.1, 1.0)}, base=BASE) is None


def test_items_are_held_out_by_the_seed_and_the_others_stay() -> None:
    items = np.arange(100, 121)
    train, held = held_out(items, share=0.25, seed=1)
    assert len(held) == 5
    assert np.array_equal(np.sort(np.r_[train, held]), items)
    assert np.array_equal(held, held_out(items, share=0.25, seed=1)[1])
    assert not np.array_equal(held, held_out(items, share=0.25, seed=2)[1])
    assert np.array_equal(held_out(items, share=0.0, seed=1)[0], items)


def test_a_share_above_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        fairest(TRIED, base=BASE, most_loss=3)


def test_the_frontier_is_what_nothing_beats() -> None:
    points = undominated([(0.485, 0.2), (0.51, 0.1), (0.4849, 0.5), (0.49, 0.2), (0.5, 0.0)])
    assert points == [(0.51, 0.1), (0.49, 0.2), (0.4849, 0.5)]
    rng = np.random.default_rng(0)
    drawn = rng.random((40, 2))
    found = set(undominated([(float(a), float(b)) for a, b in drawn]))
    slow = {
        (float(a), float(b))
        for a, b in drawn
        if not any((c >= a and d >= b) and (c > a or d > b) for c, d in drawn)
    }
    assert found == slow


def test_the_drawing_names_every_method_and_its_ends() -> None:
    figure = frontier_figure({"Gen": list(TRIED.values()), "base": [BASE]})
    for word in ("Gen", "base", "NDCG@15", "worst"):
        assert word in figure.svg
    assert "Gen: 0.1000 at 0.5100 to 0.5000 at 0.4849; base: 0.0000 at 0.5000" in figure.alt
    with pytest.raises(EmptyError, match="without rankings: \\['Gen'\\]"):
        frontier_figure({"Gen": []})
