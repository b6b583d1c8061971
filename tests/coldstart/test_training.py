from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from causal_ranker.coldstart.deepmusic import DeepMusic
from causal_ranker.coldstart.dropoutnet import DropoutNet, DropoutNetConfig
from causal_ranker.coldstart.layers import forward, read_tower, tower
from causal_ranker.coldstart.model import State, WarmEmbeddings
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.training import DescentConfig, descend, in_batches, sampled_pairs
from causal_ranker.errors import ConfigError, EmptyError, MissingExtraError
from tests.coldstart.taste import fit_on, make_world


def test_a_tower_that_was_read_answers_as_the_network_does() -> None:
    torch.manual_seed(0)
    net = tower(5, 7, outputs=3)
    rows = np.random.default_rng(0).normal(2.0, 3.0, size=(50, 5)).astype(np.float32)
    for _ in range(20):
        net(torch.from_numpy(rows))
    net.eval()
    wanted = net(torch.from_numpy(rows)).detach().numpy()
    found = forward(rows, state=read_tower(net, name="side"), name="side")
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    scaled = forward(rows * 4, state=read_tower(net, name="a", inputs=0.25, outputs=3), name="a")
    np.testing.assert_allclose(scaled, 3 * wanted, rtol=1e-4, atol=1e-4)


def run(qualities: list[float] | None, **settings: Any) -> State:
    """One number that descends to 0; `qualities` is what validation says of each epoch."""
    value = torch.nn.Parameter(torch.tensor([8.0]))

    def batches(rng: np.random.Generator) -> Iterator[int]:
        yield from range(3)

    said = iter(qualities or [])
    return descend(
        lambda _: torch.square(value).sum(),
        parameters=[value],
        batches=batches,
        read=lambda: {"value": value.detach().numpy().copy()},
        judge=None if qualities is None else lambda _: next(said),
        config=DescentConfig(rate=0.1, momentum=0.0, epochs=6, **settings),
        seed=0,
        progress=None,
    )


def test_the_best_epoch_is_kept_and_patience_ends_the_rest() -> None:
    found = run([0.1, 0.5, 0.4, 0.3, 0.2, 0.9], patience=2, decay_every=100)
    assert found["history"][:, 1].tolist() == pytest.approx([0.1, 0.5, 0.4, 0.3])
    # Six steps of two epochs, each a factor of 1 - 2 * 0.1.
    assert found["value"][0] == pytest.approx(8 * 0.8**6, rel=1e-5)


def test_without_validation_the_last_epoch_is_kept() -> None:
    found = run(None, decay_every=100)
    assert found["value"][0] == pytest.approx(8 * 0.8**18, rel=1e-4)
    assert np.isnan(found["history"][:, 1]).all()
    assert (np.diff(found["history"][:, 0]) < 0).all()


def test_the_rate_decays() -> None:
    found = run(None, decay_every=2, decay=0.5)
    factors = np.repeat([1 - 2 * 0.1, 1 - 2 * 0.05, 1 - 2 * 0.025], 6)
    assert found["value"][0] == pytest.approx(8 * factors.prod(), rel=1e-4)


def test_a_loss_that_explodes_is_told() -> None:
    world = make_world()
    wild = DescentConfig(batch=64, rows_per_epoch=2000, rate=1e6, epochs=3)
    with pytest.raises(ConfigError, match="Take a smaller rate"):
        fit_on(world, DropoutNet(DropoutNetConfig(hidden=8, width=4, descent=wild)))


def test_one_row_is_too_few_to_train_on() -> None:
    world = make_world()
    one = world.liked.of_each_item().argsort()[-1:]
    warm = WarmEmbeddings(world.warm.users, world.warm.items[one])
    with pytest.raises(EmptyError, match="at least two rows"):
        DeepMusic().fit(warm, world.content[one], world.liked.of_items(one))


def test_pairs_are_positives_once_and_as_many_random_items_for_the_same_users() -> None:
    rng = np.random.default_rng(0)
    played = rng.random((30, 20)) < 0.3
    who, what = np.nonzero(played)
    liked = Audience.from_pairs(who, what, shape=played.shape)
    users, items, target = sampled_pairs(liked, negatives=4, rows=10**6, rng=rng)
    ones = target == 1
    pairs = set(zip(users[ones].tolist(), items[ones].tolist(), strict=True))
    assert pairs == set(zip(who.tolist(), what.tolist(), strict=True))
    assert ones.sum() == len(pairs)
    np.testing.assert_array_equal(
        np.bincount(users[~ones], minlength=30), 4 * np.bincount(who, minlength=30)
    )
    shares = np.bincount(items[~ones], minlength=20) / (~ones).sum()
    spread = np.sqrt(0.05 * 0.95 / (~ones).sum())
    assert np.abs(shares - 0.05).max() < 4 * spread
    assert 0.1 < target[: len(target) // 2].mean() < 0.3  # in random order
    few, _, told = sampled_pairs(liked, negatives=4, rows=50, rng=rng)
    assert (len(few), told.sum()) == (50, 10)


def test_batches_hold_every_row_but_a_last_single_one() -> None:
    order = np.arange(9)
    assert [rows.tolist() for rows in in_batches(order, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert np.concatenate(list(in_batches(order, 5))).tolist() == order.tolist()


def test_a_bar_is_drawn_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    short = DescentConfig(batch=64, rows_per_epoch=200, epochs=2)
    config = DropoutNetConfig(hidden=8, width=4, descent=short)
    fit_on(make_world(), DropoutNet(config))
    assert capsys.readouterr().err == ""
    fit_on(make_world(), DropoutNet(config, progress=True))
    told = capsys.readouterr()
    assert "DropoutNet" in told.err
    assert "2/2" in told.err
    assert told.out == ""


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"causal-ranker\[coldstart\]"):
        fit_on(make_world(), DropoutNet())
