"""The truth is true: against repeated simulation, against the logs, and as a regime asks."""

from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.outcomes import draw_potentials, effect_if_examined, outcomes
from causal_ranker.worlds.policy_value import policy_value
from causal_ranker.worlds.slates import draw_slates
from causal_ranker.worlds.streaming import StreamingWorld
from causal_ranker.worlds.tastes import Rates, pair_rates


def z_score(error: Array, cluster: Array) -> float:
    """Mean error over its standard error, clustered."""
    sums = np.bincount(cluster, weights=error)
    return float(sums.sum() / np.sqrt(np.square(sums).sum()))


def test_one_request_repeated_has_the_stated_probabilities() -> None:
    """60,000 slates from the same scores: placement, slots and Y in each arm, row by row."""
    config = WorldConfig(candidates=8, slate_size=3, temperature=0.8, negative_strength=0.7)
    times = 60_000
    rng = np.random.default_rng(1)
    scores = np.broadcast_to(rng.normal(size=8), (times, 8))
    negative = np.arange(8) % 4 == 1
    rates = Rates(
        organic=np.broadcast_to(np.linspace(0.05, 1.2, 8), (times, 8)),
        discovery=np.broadcast_to(np.where(negative, 0, 0.4), (times, 8)),
        negative=np.broadcast_to(negative, (times, 8)),
    )
    attention, scroll = np.full(times, 0.8), np.full(times, 0.6)
    slates = draw_slates(scores, config, rng=rng)
    draws = draw_potentials(rates, config, attention=attention, scroll=scroll, rng=rng)
    result = outcomes(
        rates,
        draws,
        slates=slates,
        effect=effect_if_examined(rates, config),
        attention=attention,
        scroll=scroll,
        rng=rng,
    )

    def assert_band(frequency: Array, probability: Array, count: Array | int) -> None:
        error = np.sqrt(probability * (1 - probability) / count)
        assert np.abs((frequency - probability) / error).max() < 4

    placed = slates.position > 0
    assert_band(placed.mean(axis=0), slates.inclusion[0], times)
    for slot in range(3):
        share = (slates.position == slot + 1).mean(axis=0)
        assert_band(share, slates.by_slot[0, :, slot], times)
    y = np.where(placed, result.y1, result.y0)
    y1 = (y * placed).sum(axis=0) / placed.sum(axis=0)
    y0 = (y * ~placed).sum(axis=0) / (~placed).sum(axis=0)
    assert_band(y1, result.y1_probability[0], placed.sum(axis=0))
    assert_band(y0, result.y0_probability[0], (~placed).sum(axis=0))
    # the potential outcomes of the other arm, too
    assert_band(result.y1.mean(axis=0), result.y1_probability[0], times)
    assert_band(result.y0.mean(axis=0), result.y0_probability[0], times)
    assert (result.y1_probability < result.y0_probability)[0][negative].all()
    # and in the test's own words: examined with 0.8 * 0.6 ** (s - 1)
    shares = slates.by_slot[0] / slates.by_slot[0].sum(axis=1, keepdims=True)
    examined = shares @ (0.8 * 0.6 ** np.arange(3))
    nothing = np.exp(-rates.organic[0])
    effect = np.where(negative, -0.7 * (1 - nothing), 0.4 * nothing)
    np.testing.assert_allclose(
        result.y1_probability[0] - result.y0_probability[0], examined * effect, atol=1e-12
    )


def test_logged_inclusion_propensities_are_placement_frequencies(small_logs: WorldLogs) -> None:
    rows = small_logs.candidates
    bins = np.digitize(rows[C.PROPENSITY], [0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9])
    assert len(np.unique(bins)) == 8
    for cell in range(8):
        here = rows[bins == cell]
        error = (here[C.SHOWN] - here[C.PROPENSITY]).to_numpy()
        assert abs(z_score(error, here[C.ASSIGNMENT_UNIT].to_numpy())) < 3.5, cell


def test_drawn_outcomes_have_the_stated_means(small_logs: WorldLogs) -> None:
    truth = small_logs.truth
    unit = truth[C.ASSIGNMENT_UNIT].to_numpy()
    for arm in ("y0", "y1"):
        error = (truth[arm] - truth[f"{arm}_probability"]).to_numpy()
        assert abs(z_score(error, unit)) < 3.5
        for part in np.array_split(np.argsort(truth["tau"].to_numpy()), 4):
            assert abs(z_score(error[part], unit[part])) < 3.5
    np.testing.assert_allclose(
        truth["tau"], truth["y1_probability"] - truth["y0_probability"], atol=1e-15
    )


def test_weighting_by_propensities_recovers_the_effect_and_the_naive_contrast_does_not(
    small_logs: WorldLogs,
) -> None:
    rows, truth = small_logs.candidates, small_logs.truth
    p = rows[C.PROPENSITY].to_numpy()
    t = rows[C.SHOWN].to_numpy()
    y = np.where(t, truth["y1"], truth["y0"])
    unit = rows[C.ASSIGNMENT_UNIT].to_numpy()
    inside = (p >= 0.02) & (p <= 0.98)
    assert inside.mean() > 0.9
    weighted = np.where(t, y / p, -y / (1 - p))
    error = weighted - truth["tau"].to_numpy()
    assert abs(z_score(error[inside], unit[inside])) < 3
    # the band is narrow enough to mean something
    standard_error = np.sqrt(np.square(np.bincount(unit, weights=error * inside)).sum())
    assert standard_error / inside.sum() < 0.2 * truth["tau"][inside].mean()
    naive = y[t].mean() - y[~t].mean()
    assert naive > 2 * truth["tau"].mean()


def test_oracle_beats_base_beats_random_and_base_is_not_uplift(small_logs: WorldLogs) -> None:
    rows, truth = small_logs.candidates, small_logs.truth
    noise = np.random.default_rng(0).random(len(rows))
    scores = {"random": noise, "base": rows[C.BASE_SCORE], "oracle": truth["tau"]}
    scores["organic"] = truth["y0_probability"]
    value = {
        name: policy_value(truth, score.to_numpy() if name != "random" else score, k=6)
        for name, score in scores.items()
    }
    uplift = {name: found.uplift_at_k for name, found in value.items()}
    assert uplift["oracle"] > 1.3 * uplift["base"] > 1.3 * 1.3 * uplift["random"] > 0
    assert uplift["organic"] < uplift["random"]
    for found in value.values():
        assert abs(found.replayed - found.in_order) < 3.5 * found.replay_error
        assert found.replay_error < 0.1 * uplift["oracle"]
    # what the members would find anyway scores high with the base ranker
    assert np.corrcoef(rows[C.BASE_SCORE], truth["y0_probability"])[0, 1] > 0.4


def simulate(small_config: WorldConfig, **settings: float) -> WorldLogs:
    values = small_config.model_dump() | {"days": 4} | settings
    return StreamingWorld(WorldConfig(**values)).simulate()


def test_high_temperature_is_a_randomised_experiment(small_config: WorldConfig) -> None:
    logs = simulate(small_config, temperature=1e5)
    share = small_config.slate_size / small_config.candidates
    np.testing.assert_allclose(logs.candidates[C.PROPENSITY], share, rtol=1e-3)


def test_without_confounding_the_base_score_is_noise(small_config: WorldConfig) -> None:
    logs = simulate(small_config, confounding=0.0)
    for column in ("y0_probability", "tau"):
        correlation = np.corrcoef(logs.candidates[C.BASE_SCORE], logs.truth[column])[0, 1]
        assert abs(correlation) < 3.5 / np.sqrt(len(logs.truth))


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_rates_are_what_the_settings_say(small_config: WorldConfig, rate: float) -> None:
    logs = simulate(small_config, organic_rate=rate, discovery_rate=rate, negative_share=0.0)
    first = ~logs.candidates.duplicated([C.USER, C.ITEM])
    late_night = logs.candidates[C.HOUR].between(0, 14)
    truth = logs.truth[first & late_night]
    assert truth["y0_probability"].mean() == pytest.approx(rate, rel=0.15)
    nothing = 1 - truth["y0_probability"]
    assert (truth["effect_if_examined"] / nothing).mean() == pytest.approx(rate, rel=0.15)
    assert logs.truth["tau"].min() >= 0


@pytest.mark.parametrize("share", [0.0, 0.15, 0.5, 1.0])
def test_negative_effects_have_their_share_of_pairs(share: float) -> None:
    config = WorldConfig(users=1_500, items=1_500, negative_share=share)
    population = StreamingWorld(config).population
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 1_500, 4_000), rng.integers(0, 1_500, (4_000, 20))
    rates = pair_rates(
        population, config, user=user, item=item, state=item * 0, hour=np.full(4_000, 12)
    )
    assert rates.negative.mean() == pytest.approx(share, abs=0.03)
    effect = effect_if_examined(rates, config)
    np.testing.assert_array_equal(effect < 0, rates.negative)


def test_started_titles_are_found_without_help(small_logs: WorldLogs) -> None:
    """A play before t0 raises Y(0) and lowers the effect, so history belongs in the features."""
    rows = small_logs.candidates[[C.USER, C.ITEM, C.T0]].reset_index()
    earlier = rows.merge(small_logs.plays, on=[C.USER, C.ITEM]).query("played_at < t0")
    played = rows["index"].isin(earlier["index"]).to_numpy()
    assert 0.02 < played.mean() < 0.6
    truth = small_logs.truth
    assert truth["y0_probability"][played].mean() > 1.5 * truth["y0_probability"][~played].mean()
    assert truth["tau"][played].mean() < 0.5 * truth["tau"][~played].mean()
