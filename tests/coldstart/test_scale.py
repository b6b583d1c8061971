from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scale import ScaleConfig, choose_scale, fit_scale, scaling
from causal_ranker.coldstart.scores import FactoredScores
from causal_ranker.errors import ConfigError, EmptyError, SchemaError
from tests.coldstart.worlds import ideal_audience, part, unfair


def slow(scores: FactoredScores, liked: np.ndarray, config: ScaleConfig) -> np.ndarray:
    """Targets as dense matrices, and the ridge around the old scores as a stacked least squares."""
    items, users = (side.astype(np.float64) for side in (scores.items, scores.users))
    old = items @ users.T
    shifted = old - old.min()
    mean = shifted[liked.T].mean()
    means = np.array([row[keen].mean() for row, keen in zip(shifted, liked.T, strict=True)])
    factor = (means.max() / means)[:, None] ** config.alpha
    target = np.where(liked.T, (shifted + config.lift * mean) * factor, shifted) + old.min()
    design = np.column_stack([items, np.ones(len(items))])
    weights = np.vstack([users.T, np.zeros(len(users))])
    unit = np.square(items).sum() / items.shape[1]
    root = np.sqrt(np.diag([config.l2 * unit] * items.shape[1] + [1e-9 * len(items)]))
    stacked = np.vstack([design, root])
    wanted = np.vstack([target - design @ weights, np.zeros((len(root), len(users)))])
    return (design @ (weights + np.linalg.lstsq(stacked, wanted, rcond=None)[0])).T


@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("lift", [0.0, 1.0])
def test_it_is_the_dense_ridge(alpha: float, lift: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("causal_ranker.coldstart.warm._CELLS", 7 * 120)  # several blocks of items
    scores, audience = unfair(0)
    config = ScaleConfig(alpha=alpha, lift=lift, l2=0.2)
    new = fit_scale(scores, audience=audience, config=config)(scores.items)
    expected = slow(scores, audience.matrix.toarray() > 0, config)
    np.testing.assert_allclose(new.block(0, 120), expected, rtol=2e-4, atol=2e-4)


def test_strength_zero_without_a_lift_changes_nothing() -> None:
    scores, audience = unfair(1)
    fitted = fit_scale(scores, audience=audience, config=ScaleConfig(alpha=0, lift=0))
    np.testing.assert_allclose(fitted(scores.items).block(0, 120), scores.block(0, 120), atol=1e-5)


@given(st.floats(0.01, 100), st.integers(0, 20))
def test_the_unit_of_scores_does_not_matter(unit: float, seed: int) -> None:
    scores, audience = unfair(seed, users=30, items=20)
    config = ScaleConfig(alpha=2)
    first = fit_scale(scores, audience=audience, config=config)(scores.items).block(0, 30)
    other = FactoredScores(scores.users * unit, scores.items)
    second = fit_scale(other, audience=audience, config=config)(scores.items).block(0, 30)
    np.testing.assert_allclose(second / unit, first, rtol=1e-3, atol=1e-3)


def test_the_audience_that_scores_twice_as_low_is_raised_by_two_to_the_alpha() -> None:
    np.testing.assert_allclose(scaling(np.array([1.0, 2.0, 4.0]), alpha=2), [16, 4, 1])
    np.testing.assert_array_equal(scaling(np.zeros(3), alpha=2), [1, 1, 1])
    assert np.isfinite(scaling(np.array([0.0, 1.0]), alpha=4)).all()


def test_the_worst_new_items_gain_and_utility_stays_within_the_limit() -> None:
    gains = []
    for seed in range(5):
        world = unfair(seed)
        (warm, audience), (new, theirs) = part(world, slice(0, 40)), part(world, slice(40, 60))
        chosen = choose_scale(
            warm,
            audience=audience,
            validation=new,
            validation_audience=theirs,
            configs=[ScaleConfig(alpha=alpha) for alpha in (0.5, 1.0, 2.0)],
            most_loss=0.1,
        )
        assert chosen.config is not None
        found = evaluate(chosen.map(new.items), audience=theirs, lengths=(15,))
        assert found.utility[15].ndcg >= 0.9 * chosen.base.utility[15].ndcg
        assert found.utility == chosen.tried[chosen.config].utility
        gains.append(found.fairness.lowest[10] - chosen.base.fairness.lowest[10])
    assert min(gains) >= 0
    assert max(gains) > 0.02


def test_where_everything_loses_too_much_nothing_is_changed() -> None:
    scores, audience = unfair(2)
    chosen = choose_scale(
        scores,
        audience=audience,
        validation=scores,
        validation_audience=ideal_audience(scores, length=15),
        configs=[ScaleConfig(alpha=10, lift=0)],
        most_loss=0.0,
    )
    assert chosen.config is None
    np.testing.assert_allclose(
        chosen.map(scores.items).block(0, 120), scores.block(0, 120), atol=1e-6
    )


def test_bad_input_is_told() -> None:
    scores, audience = unfair(0)
    with pytest.raises(ConfigError, match="alpha"):
        ScaleConfig(alpha=-1)
    with pytest.raises(ConfigError, match="l2"):
        ScaleConfig(l2=0)
    nobody = Audience.from_pairs(np.array([], dtype=int), np.array([], dtype=int), shape=(120, 60))
    with pytest.raises(EmptyError, match="positives of warm items"):
        fit_scale(scores, audience=nobody)
    with pytest.raises(SchemaError, match=r"an audience of shape \(120, 59\)"):
        fit_scale(scores.of_items(np.arange(59)), audience=audience)
    with pytest.raises(ConfigError, match="share of NDCG@15"):
        choose_scale(
            scores,
            audience=audience,
            validation=scores,
            validation_audience=audience,
            configs=[ScaleConfig()],
            most_loss=2,
        )
    fitted = fit_scale(scores, audience=audience)
    with pytest.raises(SchemaError, match="item embeddings of width 4, as in the fit; got width 3"):
        fitted(scores.items[:, :3])
