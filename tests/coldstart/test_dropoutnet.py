from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from causal_ranker.coldstart.dropoutnet import DropoutNet, DropoutNetConfig
from causal_ranker.coldstart.model import ColdStartModel, Validation
from causal_ranker.coldstart.training import DescentConfig
from tests.coldstart.contract import ColdStartContract
from tests.coldstart.taste import World, fit_on


def likeness(model: ColdStartModel[Any], world: World) -> float:
    """Correlate scores of cold items with the factorisation's own."""
    wanted = world.warm.users @ world.cold_truth.T
    found = model.user_embeddings() @ model.item_embeddings(world.cold_content).T
    return float(np.corrcoef(wanted.ravel(), found.ravel())[0, 1])


class TestDropoutNet(ColdStartContract):
    reaches = 0.75

    @classmethod
    def model(cls, *, dropped: float = 0.5) -> DropoutNet:
        descent = DescentConfig(batch=128, rows_per_epoch=4000, rate=0.05, epochs=8)
        return DropoutNet(
            DropoutNetConfig(hidden=32, width=8, top=24, dropped=dropped, descent=descent)
        )

    def test_its_loss_falls(self, fitted: ColdStartModel[Any]) -> None:
        history = fitted.state_["history"]
        assert history[-1, 0] < 0.5 * history[0, 0]

    def test_it_imitates_the_factorisation_on_cold_items(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        assert likeness(fitted, world) > 0.85

    def test_without_dropout_it_leans_on_embeddings_that_cold_items_lack(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        without = fit_on(world, self.model(dropped=0.0))
        assert likeness(without, world) < likeness(fitted, world) - 0.02

    def test_the_unit_of_content_does_not_matter(
        self, world: World, fitted: ColdStartModel[Any]
    ) -> None:
        stop = Validation(world.validation.content * 8, world.validation.audience)
        other = fit_on(replace(world, content=world.content * 8, validation=stop), self.model())
        np.testing.assert_allclose(
            other.item_embeddings(world.cold_content * 8),
            fitted.item_embeddings(world.cold_content),
            rtol=1e-3,
            atol=1e-4,
        )
