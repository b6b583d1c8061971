from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.coldstart.metrics import ListMetrics, evaluate
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores
from causal_ranker.coldstart.uncertainty import gain_interval, ndcg_interval, user_ndcg
from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from tests.coldstart.worlds import unfair


def judged(rows: np.ndarray | None = None) -> ListMetrics:
    scores, audience = unfair(0, users=400, items=160)
    if rows is not None:
        scores = FactoredScores(scores.users[rows], scores.items)
        audience = Audience(audience.matrix[rows])
    return evaluate(scores, audience=audience, lengths=(15,))


def test_points_are_the_figures_themselves() -> None:
    metrics = judged()
    assert ndcg_interval(metrics, k=15).point == pytest.approx(metrics.utility[15].ndcg)
    assert gain_interval(metrics).point == pytest.approx(metrics.fairness.mean)
    for share in (30, 50):
        found = gain_interval(metrics, lowest=share)
        assert found.point == pytest.approx(metrics.fairness.lowest[share])
        assert found.low < found.point < found.high


def test_of_several_seeds_it_is_the_mean_and_as_wide_as_users_differ_in_it() -> None:
    scores, audience = unfair(0, users=400, items=160)
    noise = np.random.default_rng(3).normal(size=(2, *scores.items.shape)) / 2
    seeds = [
        evaluate(
            FactoredScores(scores.users, scores.items + more), audience=audience, lengths=(15,)
        )
        for more in noise
    ]
    both = ndcg_interval(*seeds, k=15), gain_interval(*seeds, lowest=10)
    assert both[0].point == pytest.approx(np.mean([one.utility[15].ndcg for one in seeds]))
    assert both[1].point == pytest.approx(np.mean([one.fairness.lowest[10] for one in seeds]))
    alone = [ndcg_interval(one, k=15).standard_error for one in seeds]
    assert 0.5 * min(alone) < both[0].standard_error < np.mean(alone)
    # one ranking twice is as sure as once
    assert gain_interval(seeds[0], seeds[0]).low == pytest.approx(gain_interval(seeds[0]).low)
    with pytest.raises(SchemaError, match="number 2"):
        gain_interval(seeds[0], judged(np.arange(399)))
    with pytest.raises(EmptyError, match="at least one judged ranking"):
        ndcg_interval(k=15)


def test_users_without_positives_are_known_and_count_for_nothing() -> None:
    scores, audience = unfair(1)
    matrix = audience.matrix.toarray()
    matrix[5:9] = 0
    sparse = Audience.from_pairs(*np.nonzero(matrix), shape=matrix.shape)
    metrics = evaluate(scores, audience=sparse, lengths=(15,))
    assert metrics.users_left_out == 4
    assert np.isnan(user_ndcg(metrics, k=15)).sum() == 4
    kept = np.delete(np.arange(120), np.arange(5, 9))
    fewer = evaluate(
        FactoredScores(scores.users[kept], scores.items),
        audience=Audience(sparse.matrix[kept]),
        lengths=(15,),
    )
    assert gain_interval(metrics, lowest=10) == gain_interval(fewer, lowest=10)
    assert ndcg_interval(metrics, k=15) == ndcg_interval(fewer, k=15)


def test_standard_errors_are_those_of_a_bootstrap_of_users() -> None:
    rng = np.random.default_rng(0)
    draws = [judged(rng.integers(400, size=400)) for _ in range(150)]
    metrics = judged()
    for found, values in (
        (ndcg_interval(metrics, k=15), [one.utility[15].ndcg for one in draws]),
        (gain_interval(metrics), [one.fairness.mean for one in draws]),
        # of all but the best few: which items these are hardly changes from draw to draw
        (gain_interval(metrics, lowest=50), [one.fairness.lowest[50] for one in draws]),
    ):
        assert 0.75 < found.standard_error / np.std(values) < 1.35


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 to 100 percent"):
        gain_interval(judged(), lowest=0)
