from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.coldstart.autoencoder import (
    AutoencoderConfig,
    GenAutoencoderConfig,
    fit_gen_autoencoder,
    fit_scale_autoencoder,
)
from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.mmd import exact_mmd, fourier_mmd, fourier_nodes
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores
from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.seeds import stage_rng
from tests.coldstart.worlds import part, unfair

VALUES = st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=20)


@given(VALUES, VALUES)
def test_twelve_features_are_the_kernel_of_all_pairs(x: list[float], y: list[float]) -> None:
    exact = exact_mmd(x, y)
    assert fourier_mmd(x, y) == pytest.approx(
        exact, abs=2e-5
    )  # at two units; 5e-6 at the 1.9 of scores
    assert exact == pytest.approx(exact_mmd(y, x), abs=1e-12)
    assert exact >= -1e-12


@given(
    st.floats(2.1, 30.0),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
)
def test_more_features_reach_as_far_as_scores_go(
    reach: float, x: list[float], y: list[float]
) -> None:
    # both ends are there, so that the samples are as wide as that
    far = [reach * value for value in [0.0, *x]], [reach * value for value in [1.0, *y]]
    assert fourier_mmd(*far) == pytest.approx(exact_mmd(*far), abs=4e-5)
    frequencies, amplitudes = fourier_nodes(reach=reach)
    assert np.square(amplitudes).sum() == pytest.approx(1, abs=1e-5)
    assert len(frequencies) < 3 * reach + 8


def test_discrepancies_that_are_known() -> None:
    assert exact_mmd([0.0], [1.0]) == pytest.approx(2 - 2 * np.exp(-1))
    assert fourier_mmd([0.3, 0.5], [0.5, 0.3]) == pytest.approx(0, abs=1e-15)
    assert np.square(fourier_nodes()[1]).sum() == pytest.approx(1)
    assert len(fourier_nodes(reach=1.9)[0]) == 6
    with pytest.raises(ConfigError, match="a finite distance"):
        fourier_mmd([0.0], [np.nan])
    with pytest.raises(EmptyError, match="0 and 1 values"):
        exact_mmd([], [1.0])


def config(epochs: int) -> AutoencoderConfig:
    return AutoencoderConfig(width=8, batch=20, epochs=epochs, learning_rate=0.1, alpha=2)


def gen_config(epochs: int) -> GenAutoencoderConfig:
    return GenAutoencoderConfig(
        width=8, batch=20, epochs=epochs, learning_rate=0.05, warm_up=40, hidden=10, alpha=100
    )


def test_the_layers_learn_scores_back_and_the_map_is_what_they_say() -> None:
    scores, audience = unfair(0)
    settings = config(80).model_copy(update={"alpha": 0.0})
    fitted = fit_scale_autoencoder(scores, audience=audience, config=settings)
    old = scores.block(0, 120)
    wanted = (old - old.min()) / (old.max() - old.min()) * 1.9
    new = fitted(scores.items).block(0, 120)
    missed = np.square(new - wanted).sum() / np.square(wanted - wanted.mean()).sum()
    assert missed < 0.05


def drawn(rng: np.random.Generator, outer: int, inner: int) -> np.ndarray:
    """Draw initial weights, cut at two deviations."""
    values = rng.standard_normal((outer, inner), dtype=np.float32)
    while (far := np.abs(values) > 2).any():
        values[far] = rng.standard_normal(int(far.sum()), dtype=np.float32)
    return values * np.float32(0.01)


def test_scores_are_brought_to_one_range_or_left_as_they_are() -> None:
    scores, audience = unfair(0)
    eightfold = FactoredScores(scores.users * 8, scores.items)
    settings = gen_config(42)

    def new(of: FactoredScores, score_range: float | None) -> np.ndarray:
        own = settings.model_copy(update={"score_range": score_range})
        return fit_gen_autoencoder(of, audience=audience, config=own)(of.items).block(0, 120)

    normalised = new(scores, 1.9)
    np.testing.assert_allclose(new(eightfold, 1.9), normalised, atol=1e-5)
    low, high = scores.range()
    kept = new(scores, None)
    np.testing.assert_array_equal(kept, new(scores, high - low))
    assert np.abs(kept - normalised).max() > 1e-3


def test_one_step_is_that_of_a_network_in_plain_numpy() -> None:
    # one batch, one epoch: what batch normalisation keeps of it is a tenth of the batch's moments
    scores, audience = unfair(4, users=30, items=12)
    settings = AutoencoderConfig(width=3, batch=12, epochs=1, learning_rate=1e-12, alpha=1)
    found = fit_scale_autoencoder(scores, audience=audience, config=settings, seed=5)
    rng = stage_rng(5, "coldstart/scale")
    first, last = drawn(rng, 3, 30), drawn(rng, 30, 3)
    old = scores.block(0, 30).T
    inner = (old - old.min()) / (old.max() - old.min()) * 1.9 @ first.T
    mean, variance = 0.1 * inner.mean(0), 0.9 + 0.1 * inner.var(0, ddof=1)
    expected = (inner - mean) / np.sqrt(variance + 1e-3) @ last.T
    np.testing.assert_allclose(found(scores.items).block(0, 30).T, expected, atol=1e-6)


def test_steps_seen_through_embeddings_are_those_of_a_layer_from_scores() -> None:
    import torch

    scores, audience = unfair(4, users=30, items=12)
    settings = AutoencoderConfig(width=3, batch=12, epochs=6, learning_rate=0.1, alpha=0, l2=0.05)
    found = fit_scale_autoencoder(scores, audience=audience, config=settings, seed=5)
    old = scores.block(0, 30).T
    given = torch.from_numpy((old - old.min()) / (old.max() - old.min()) * np.float32(1.9))
    layers = torch.nn.Linear(30, 3), torch.nn.Linear(3, 30)
    rng = stage_rng(5, "coldstart/scale")
    with torch.no_grad():
        for layer, shape in zip(layers, ((3, 30), (30, 3)), strict=True):
            layer.weight.copy_(torch.from_numpy(drawn(rng, *shape)))
            layer.bias.zero_()
    norm = torch.nn.BatchNorm1d(3, eps=1e-3, momentum=0.1)
    model = torch.nn.Sequential(layers[0], norm, layers[1])
    descent = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    rate = 0.1
    for epoch in range(6):
        error = torch.linalg.vector_norm(model(given) - given, dim=1).mean()
        penalty = sum(p.square().sum() for layer in layers for p in layer.parameters())
        descent.param_groups[0]["lr"] = rate
        descent.zero_grad()
        (error + 0.05 * penalty).backward()
        descent.step()
        rate *= 0.9 if epoch % 2 == 0 else 1.0
    model.eval()
    expected = model(given).detach().numpy()
    np.testing.assert_allclose(found(scores.items).block(0, 30).T, expected, atol=2e-5)
    assert expected.std() > 0.05  # it moved far from where it began


@pytest.mark.parametrize(
    ("fit", "settings"),
    [(fit_scale_autoencoder, config(60)), (fit_gen_autoencoder, gen_config(60))],
)
def test_the_worst_new_items_gain(fit: object, settings: AutoencoderConfig) -> None:
    world = unfair(0, users=150, items=100)
    (warm, audience), (new, theirs) = part(world, slice(0, 60)), part(world, slice(60, 100))
    before = evaluate(new, audience=theirs, lengths=(15,))
    fitted = fit(warm, audience=audience, config=settings)  # type: ignore[operator]
    after = evaluate(fitted(new.items), audience=theirs, lengths=(15,))
    assert after.fairness.lowest[10] > before.fairness.lowest[10] + 0.01


def test_a_seed_gives_the_same_map_and_leaves_the_libraries_draws_alone() -> None:
    import torch

    scores, audience = unfair(1)
    state = torch.random.get_rng_state()
    maps = [
        fit_gen_autoencoder(scores, audience=audience, config=gen_config(42), seed=seed).weights
        for seed in (0, 0, 1)
    ]
    assert torch.equal(state, torch.random.get_rng_state())
    np.testing.assert_array_equal(maps[0], maps[1])
    assert np.abs(maps[0] - maps[2]).max() > 1e-3


def test_a_batch_of_one_item_joins_the_one_before() -> None:
    scores, audience = part(unfair(2), slice(0, 21))
    assert np.isfinite(
        fit_scale_autoencoder(scores, audience=audience, config=config(2)).weights
    ).all()


def test_bad_input_is_told() -> None:
    scores, audience = unfair(0)
    wild = config(40).model_copy(update={"learning_rate": 1e30})
    with pytest.raises(RowError, match="training diverged"):
        fit_scale_autoencoder(scores, audience=audience, config=wild)
    nobody = Audience.from_pairs(np.array([], dtype=int), np.array([], dtype=int), shape=(120, 60))
    with pytest.raises(EmptyError, match="positives of warm items"):
        fit_gen_autoencoder(scores, audience=nobody)
    flat = FactoredScores(np.ones((120, 1)), np.ones((60, 1)))
    assert np.isfinite(
        fit_scale_autoencoder(flat, audience=audience, config=config(1)).weights
    ).all()
