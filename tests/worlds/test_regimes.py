"""Each regime is what its name says, and in each the effect can be learned from the features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.stats.curves import autoc
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.known import learner_rows
from causal_ranker.worlds.learner_rows import LearnerRows
from causal_ranker.worlds.regimes import REGIMES, regime
from causal_ranker.worlds.streaming import StreamingWorld

ROWS = 20_000
SEED = 3


@dataclass(frozen=True)
class Measured:
    """What one draw of a regime shows."""

    rows: LearnerRows

    @property
    def bias(self) -> float:
        """Difference of the arms' means less the true effect, in the latter's units."""
        t, y = self.rows.treatment == 1, self.rows.outcome
        return float((y[t].mean() - y[~t].mean()) / self.rows.tau.mean() - 1)

    @property
    def positive_rate(self) -> float:
        return float(self.rows.outcome.mean())

    @property
    def negative_share(self) -> float:
        return float((self.rows.tau < 0).mean())

    @property
    def organic_share(self) -> float:
        """Of the plays, those that would have come without an impression."""
        without = np.where(self.rows.tau < 0, self.rows.mu1, self.rows.mu0)
        mean = np.where(self.rows.treatment == 1, self.rows.mu1, self.rows.mu0)
        kept = np.where(self.rows.treatment == 1, without, self.rows.mu0)
        return float(kept.sum() / mean.sum())

    @property
    def outside(self) -> float:
        p = self.rows.true_propensity
        return float(((p < 0.02) | (p > 0.98)).mean())


@pytest.fixture(scope="module")
def measured() -> dict[str, Measured]:
    return {
        name: Measured(
            learner_rows(
                StreamingWorld(regime(name, seed=SEED)).simulate(),
                rows=ROWS,
                seed=SEED,
                logged=False,
            )
        )
        for name in REGIMES
    }


def test_there_are_five() -> None:
    assert REGIMES == ("randomised", "confounded", "rare", "negative", "organic")
    assert len({regime(name, seed=0) for name in REGIMES}) == 5


@pytest.mark.parametrize("name", REGIMES)
def test_they_are_settings_that_anyone_may_write(name: str) -> None:
    config = regime(name, seed=5)
    assert config.seed == 5
    assert WorldConfig(**config.model_dump()) == config
    assert regime(name, seed=6) != config


def test_an_unknown_regime_is_named() -> None:
    with pytest.raises(ConfigError, match="'wild'") as told:
        regime("wild", seed=0)
    assert "randomised" in str(told.value)


def test_randomised_asks_nothing_of_the_features(measured: dict[str, Measured]) -> None:
    rows = measured["randomised"].rows
    np.testing.assert_allclose(rows.true_propensity, 5 / 20, rtol=1e-3)
    columns = [*rows.features.T, rows.tau, rows.mu0]
    z = [np.corrcoef(column, rows.treatment)[0, 1] * np.sqrt(ROWS) for column in columns]
    assert np.abs(z).max() < 4
    assert abs(measured["randomised"].bias) < 0.35


def test_confounded_shows_what_will_be_played(measured: dict[str, Measured]) -> None:
    rows = measured["confounded"].rows
    assert 1.3 < measured["confounded"].bias < 2.3
    base = rows.features[:, rows.names.index("base_score")]
    assert 0.5 < np.corrcoef(base, rows.true_propensity)[0, 1] < 0.95
    assert 0.01 < measured["confounded"].outside < 0.06  # and yet there is overlap
    # With the propensity as the world knows it, the bias is gone.
    inside = np.abs(rows.true_propensity - 0.5) < 0.48
    t, y, p = rows.treatment[inside], rows.outcome[inside], rows.true_propensity[inside]
    score = y * t / p - y * (1 - t) / (1 - p) - rows.tau[inside]
    error = score.std() / np.sqrt(len(score))
    assert abs(score.mean()) < 3.5 * error
    assert error < 0.3 * rows.tau.mean()


def test_rare_is_a_play_in_a_hundred_rows(measured: dict[str, Measured]) -> None:
    assert 0.007 < measured["rare"].positive_rate < 0.013
    others = [measured[name].positive_rate for name in REGIMES if name != "rare"]
    assert min(others) > 0.05


def test_negative_has_both_signs_in_earnest(measured: dict[str, Measured]) -> None:
    assert 0.37 < measured["negative"].negative_share < 0.49
    tau = measured["negative"].rows.tau
    assert 0.3 < -tau[tau < 0].sum() / tau[tau > 0].sum() < 0.8
    for name in REGIMES:
        if name != "negative":
            assert 0.15 < measured[name].negative_share < 0.3


def test_organic_is_played_without_being_shown(measured: dict[str, Measured]) -> None:
    assert 0.9 < measured["organic"].organic_share < 0.97
    assert 0.3 < measured["organic"].positive_rate < 0.42
    for name in REGIMES:
        if name != "organic":
            assert measured[name].organic_share < 0.88


@pytest.mark.parametrize("name", REGIMES)
def test_the_effect_can_be_learned_from_the_features(
    measured: dict[str, Measured], name: str
) -> None:
    """Trees that are shown the truth of half the users find it again in the other half."""
    import lightgbm

    rows = measured[name].rows
    scale = rows.tau.std()
    taught = rows.user % 2 == 0
    data = lightgbm.Dataset(rows.features[taught], rows.tau[taught] / scale)
    settings = {"verbose": -1, "num_threads": 1, "seed": 0, "min_data_in_leaf": 50}
    model = lightgbm.train(settings, data, num_boost_round=60)
    tau = rows.tau[~taught]
    found = autoc(model.predict(rows.features[~taught]), tau)
    assert 0.75 < found / autoc(tau, tau) < 0.98  # much of it, and not all
    assert found > 0.5 * scale
    # The base ranker's own order is worse, so there is something to win.
    assert autoc(rows.features[~taught, 0], tau) < 0.9 * found


@pytest.mark.parametrize("name", REGIMES)
def test_users_are_many_and_have_few_rows(measured: dict[str, Measured], name: str) -> None:
    rows = measured[name].rows
    assert len(rows.tau) == ROWS
    assert len(np.unique(rows.user)) > 1_800
    assert measured[name].outside < 0.06
