"""Early stopping: on the estimated metric of other pairs, the best epoch kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.uplift.collaborative.early import EarlyStop, Watch
from causal_ranker.uplift.collaborative.estimated import estimated_cdcg
from causal_ranker.uplift.collaborative.factors import Factors
from causal_ranker.uplift.collaborative.pairwise import BPR, BPRConfig
from causal_ranker.uplift.collaborative.pointwise import ULRMF, ULRMFConfig
from tests.uplift.collaborative.contract import small
from tests.uplift.collaborative.planted import planted


def numbered(value: float) -> Factors:
    return Factors(*(np.full(shape, value, np.float32) for shape in ((1, 2, 1), (1, 3, 1), (1, 3))))


def watched(
    values: list[float], monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> tuple[Watch, list[int]]:
    """Let epochs have these values; return the watch, and the epochs that were learned."""
    early = EarlyStop(small(), **settings)
    watch, learned, factors = Watch(early, epochs=len(values)), [], numbered(0)
    for epoch, value in enumerate(values, start=1):
        factors.bias[:] = epoch
        monkeypatch.setattr(EarlyStop, "value", lambda *_, value=value: value)
        learned.append(epoch)
        if watch.look(epoch, factors, lambda user: np.zeros((len(user), 3), np.float32)):
            break
    return watch, learned


@pytest.mark.parametrize(
    ("values", "settings", "best", "last", "looks"),
    [
        ([1, 3, 2, 2, 9], {"patience": 2}, 2, 4, [1, 2, 3, 4]),
        ([1, 3, 2, 4, 2, 2], {"patience": 2}, 4, 6, [1, 2, 3, 4, 5, 6]),
        ([3, 3, 3], {"patience": 5}, 1, 3, [1, 2, 3]),  # of equal ones the earliest
        ([9, 1, 9, 2, 9, 1, 5], {"patience": 5, "every": 2}, 7, 7, [2, 4, 6, 7]),
        ([-5, -3], {"patience": 1}, 2, 2, [1, 2]),
    ],
)
def test_the_best_look_is_kept_and_patience_ends(
    values: list[float],
    settings: dict[str, Any],
    best: int,
    last: int,
    looks: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch, learned = watched(values, monkeypatch, **settings)
    assert (watch.best, learned[-1]) == (best, last)
    assert watch.history == {epoch: values[epoch - 1] for epoch in looks}
    assert watch.kept is not None
    assert (watch.kept.bias == best).all()  # a copy, not what later epochs changed


def test_a_fitted_model_is_that_of_its_best_epoch() -> None:
    world = planted(0)
    config = ULRMFConfig(factors=4, learning_rate=0.05, l2=0.01, played_share=0.5, epochs=30)
    early = EarlyStop(world.validation, every=4, patience=2)
    model = ULRMF(config=config).fit(world.train, early=early)
    assert model.history_[model.epochs_] == max(model.history_.values())
    assert 0 < model.epochs_ < 30
    value = estimated_cdcg(model.score_users, world.validation)
    assert value == model.history_[model.epochs_]
    alone = config.model_copy(update={"epochs": model.epochs_})
    again = ULRMF(config=alone).fit(world.train)
    assert again.history_ == {}
    assert again.item_factors_.tobytes() == model.item_factors_.tobytes()


def test_the_metric_is_the_estimated_one() -> None:
    config = BPRConfig(factors=2, epochs=1)
    model = BPR(config=config).fit(small())
    cdcg = EarlyStop(small(1)).value(model.score_users)
    capped = EarlyStop(small(1), cap=2.0).value(model.score_users)
    apart = EarlyStop(small(1), overlap=0.3).value(model.score_users)
    assert cdcg == estimated_cdcg(model.score_users, small(1))
    assert capped == estimated_cdcg(model.score_users, small(1), cap=2.0) != cdcg
    assert apart == estimated_cdcg(model.score_users, small(1), overlap=0.3) != cdcg


@pytest.mark.parametrize("name", ["every", "patience"])
def test_numbers_below_one_are_refused(name: str) -> None:
    for bad in (0, 1.5):
        wrong: dict[str, Any] = {name: bad}
        with pytest.raises(ConfigError, match=f"at least 1 as {name} of early stopping; got {bad}"):
            EarlyStop(small(), **wrong)


def test_pairs_that_cannot_validate_are_refused() -> None:
    data = small()
    with pytest.raises(ConfigError, match="of the 30 users and 12 items; got 31 users and 12"):
        BPR().fit(data, early=EarlyStop(small(users=31)))
    shuffled = np.random.default_rng(0).permutation(len(data))
    names = ("user", "item", "exposed", "played", "propensity")
    mixed = replace(data, **{name: getattr(data, name)[shuffled] for name in names})
    other = replace(data, propensity=np.full(len(data), 0.5))
    for same in (data, mixed, other):
        with pytest.raises(ConfigError, match="apart from those of training; got the same ones"):
            BPR().fit(data, early=EarlyStop(same))
    flipped = data.exposed.copy()
    flipped[np.flatnonzero(data.exposed & data.played)[0]] = False
    EarlyStop(replace(data, exposed=flipped)).check(data)


@pytest.mark.parametrize("cap", [1.0, 0.5, float("nan")])
def test_a_cap_that_no_weight_is_below_is_refused(cap: float) -> None:
    with pytest.raises(ConfigError, match="a cap above 1"):
        EarlyStop(small(), cap=cap)


@pytest.mark.parametrize("overlap", [-0.1, 0.5, float("nan")])
def test_an_overlap_that_no_pair_has_is_refused(overlap: float) -> None:
    with pytest.raises(ConfigError, match="overlap from 0 to below"):
        EarlyStop(small(), overlap=overlap)


def test_missing_propensities_are_refused_before_anything_is_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, holes = small(1), small(1).propensity.copy()
    holes[:3] = np.nan
    model = BPR(config=BPRConfig(factors=2, epochs=1))
    monkeypatch.setattr(model, "_draws", lambda _: pytest.fail("it began to learn"))
    with pytest.raises(RowError, match=r"of every validation pair.* got 3 of \d+ pairs"):
        model.fit(small(), early=EarlyStop(replace(data, propensity=holes)))
