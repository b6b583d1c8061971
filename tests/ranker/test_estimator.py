"""A scikit-learn citizen, and what it chooses by itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sklearn.base import clone

from causal_ranker.errors import (
    BundleError,
    NotFittedError,
)
from causal_ranker.ranker import CausalRanker
from tests.ranker.season import (
    FEATURES,
    K,
    config,
    fit,
    season,
    tables,
)
from tests.ranker.shared import small


def test_parameters_as_in_scikit_learn() -> None:
    settings = {
        "learner": "dr",
        "policy": "uplift",
        "base": "boosted",
        "k": 7,
        "horizon_hours": 24.0,
        "config": config(),
        "seed": 9,
        "progress": True,
        "checkpoint": "kept",
    }
    ranker = CausalRanker(**settings)
    assert ranker.get_params() == settings
    assert clone(ranker).get_params() == settings
    assert ranker.set_params(k=3, seed=1) is ranker
    assert (ranker.k, ranker.seed) == (3, 1)
    assert set(CausalRanker().get_params()) == set(settings)
    with pytest.raises(ValueError, match="slots"):
        ranker.set_params(slots=3)


def test_a_clone_is_not_fitted(ranker: CausalRanker) -> None:
    copy = clone(ranker)
    later = season()[1]
    for use in (
        lambda: copy.evaluate(**tables(later)),
        lambda: copy.rerank(1, [(1, 0.5)]),
        lambda: copy.save("nowhere"),
        lambda: copy.policy_name_,
    ):
        with pytest.raises(NotFittedError, match="Call fit"):
            use()


def test_a_loaded_ranker_only_serves(ranker: CausalRanker, tmp_path: Path) -> None:
    loaded = CausalRanker.load(ranker.save(tmp_path / "model"))
    with pytest.raises(NotFittedError, match="one that was loaded"):
        loaded.evaluate(**tables(season()[1]))
    with pytest.raises(NotFittedError):
        loaded.save(tmp_path / "again")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        CausalRanker.load(tmp_path)


@pytest.mark.parametrize("policy", ["blend", "base"])
def test_a_named_policy_is_frozen(policy: str) -> None:
    past, _ = small()
    ranker = fit(past, policy=policy, learner="dr")
    assert ranker.policy_name_ == policy
    assert ranker.trained_.league is None


def test_the_best_policy_of_the_choosing_days_is_frozen(ranker: CausalRanker) -> None:
    trained = ranker.trained_
    value = {each.policy: each.uplift.point for each in trained.choice.results}
    best = max((name for name in value if name != "base"), key=value.__getitem__)
    name, _, weight = best.partition(" ")
    assert trained.policy.kind == name
    assert trained.blend.weight == max(
        config().blend_weights, key=lambda each: value[f"blend {each:g}"]
    )
    assert not weight or float(weight) == trained.blend.weight


def test_features_are_inferred_where_no_config_says_them() -> None:
    past, _ = small()
    ranker = CausalRanker(k=K).fit(**tables(past), users=past.users, items=past.items)
    features = ranker.config_.features
    assert set(features.user_numbers) == {"tenure_days", "taste_breadth", "skip_rate"}
    assert set(features.item_categories) == {"genre"}
    assert features.row_categories == ("device",)
    assert features.item_group is None
    assert set(FEATURES.row_numbers) == set(features.row_numbers)


def test_log_end_is_the_last_event_unless_said() -> None:
    past, _ = small()
    given = {name: table for name, table in tables(past).items() if name != "log_end"}
    settings = {"k": K, "config": config(choose_days=2), "seed": 1}
    ranker = CausalRanker(**settings).fit(**given, users=past.users, items=past.items)
    last = max(past.plays["played_at"].max(), past.candidates["t0"].max())
    assert ranker.trained_.window[1] == last - timedelta(days=2)


def test_progress_is_drawn_on_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    fit(small()[0], progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Nuisances" in err
