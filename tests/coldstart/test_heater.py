from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from causal_ranker.coldstart.heater import Heater, HeaterConfig, HeaterNet
from causal_ranker.coldstart.model import ColdStartModel
from causal_ranker.coldstart.training import DescentConfig
from tests.coldstart.contract import ColdStartContract
from tests.coldstart.taste import World, fit_on

SMALL = HeaterConfig(
    experts=3,
    hidden=16,
    width=8,
    descent=DescentConfig(batch=128, rows_per_epoch=6000, rate=0.1, epochs=10),
)


class TestHeater(ColdStartContract):
    reaches = 0.75

    @classmethod
    def model(cls, **settings: Any) -> Heater:
        return Heater(SMALL.model_copy(update=settings))

    def test_its_loss_falls_and_every_expert_is_used(self, fitted: ColdStartModel[Any]) -> None:
        history = fitted.state_["history"]
        assert history[-1, 0] < 0.8 * history[0, 0]
        use = fitted.expert_use_
        assert use.sum() == pytest.approx(1, abs=1e-5)
        assert use.min() > 0.3 / SMALL.experts

    def test_users_are_transformed(self, world: World, fitted: ColdStartModel[Any]) -> None:
        assert fitted.user_embeddings().shape != world.warm.users.shape or not np.allclose(
            fitted.user_embeddings(), world.warm.users, atol=0.1
        )

    def test_embeddings_that_are_never_replaced_teach_the_experts_little(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        alone = fit_on(world, self.model(replaced=0.0, similarity=0.0))
        assert alone.state_["history"][:, 1].max() < fitted.state_["history"][:, 1].max() - 0.1


def a_net(seed: int = 0) -> tuple[HeaterNet, Any, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    shapes = {"users": (5, 4), "items": (6, 4), "content": (6, 3)}
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    config = HeaterConfig(experts=3, hidden=5, width=4, similarity=0.03, l2=0.02)
    net = HeaterNet(arrays["users"], arrays["items"], arrays["content"], config=config)
    for part in (net.gate, net.experts, net.user_net, net.item_net):
        part.double()
    batch = (
        np.array([0, 4, 2, 2]),
        np.array([5, 1, 1, 3]),
        np.array([1.0, 0.0, 1.0, 0.0]),
        np.array([True, False, True, False]),
    )
    return net, batch, arrays


def test_the_loss_is_the_formula() -> None:
    net, batch, arrays = a_net()
    who, what, target, guessed = batch

    def dense(layer: Any, rows: np.ndarray) -> np.ndarray:
        return rows @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()

    def side(parts: Any, rows: np.ndarray) -> np.ndarray:
        hidden = dense(parts[0], rows)
        hidden = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + parts[1].eps)
        return dense(parts[3], np.tanh(hidden))

    guess = np.zeros((4, 4))
    gates, members = dense(net.gate, arrays["content"]), dense(net.experts, arrays["content"])
    for row, item in enumerate(what):
        mixture = sum(
            np.tanh(gates[item, k]) * np.tanh(members[item, 4 * k : 4 * k + 4]) for k in range(3)
        )
        guess[row] = np.tanh(mixture)
    known = arrays["items"][what]
    mixed = np.where(guessed[:, None], guess, known)
    score = (side(net.user_net, arrays["users"][who]) * side(net.item_net, mixed)).sum(1)
    layers = [net.gate, net.experts, *(n[k] for n in (net.user_net, net.item_net) for k in (0, 3))]
    wanted = (
        np.mean((score - target) ** 2)
        + 0.03 * np.sum((guess - known) ** 2)
        + 0.02 * sum(float(torch.square(layer.weight.detach()).sum()) for layer in layers)
    )
    assert net.loss(batch).detach().item() == pytest.approx(wanted, rel=1e-9)


def test_the_gradient_is_that_of_finite_differences() -> None:
    net, batch, _ = a_net(1)
    net.loss(batch).backward()
    step, checked = 1e-6, 0
    for parameter in net.parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for place in range(0, len(flat), max(1, len(flat) // 4)):
            kept = flat[place].item()
            flat[place] = kept + step
            above = net.loss(batch).detach().item()
            flat[place] = kept - step
            below = net.loss(batch).detach().item()
            flat[place] = kept
            slope = (above - below) / (2 * step)
            assert gradient[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-7)
            checked += 1
    assert checked > 40


def test_another_librarys_draws_are_left_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    a_net()
    torch.testing.assert_close(torch.rand(3), wanted)
