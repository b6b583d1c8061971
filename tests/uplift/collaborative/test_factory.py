"""Every method by its name."""

from __future__ import annotations

import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.uplift.collaborative.dlce import DLCE, DLCEConfig, DLTOConfig
from causal_ranker.uplift.collaborative.factory import METHODS, make_pair_model
from tests.uplift.collaborative.contract import small


@pytest.mark.parametrize("name", METHODS)
def test_each_name_makes_a_method_that_learns_with_its_defaults(name: str) -> None:
    model = make_pair_model(name, seed=2)
    assert model.fit(small()).score_users(small().user[:3]).shape == (3, 12)


def test_config_and_seed_arrive() -> None:
    config = DLCEConfig(factors=3, omega=0.5)
    model = make_pair_model("dlce", config=config, seed=7)
    assert isinstance(model, DLCE)
    assert (model._config, model._seed) == (config, 7)


def test_other_names_and_other_methods_configs_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"got 'dlcee'. Did you mean 'dlce'\?"):
        make_pair_model("dlcee")
    with pytest.raises(ConfigError, match=r"got 'x'\. Take one of these"):
        make_pair_model("x")
    with pytest.raises(ConfigError, match="a DLCEConfig as config of DLCE; got DLTOConfig"):
        make_pair_model("dlce", config=DLTOConfig())


@pytest.mark.parametrize(
    "setting",
    [
        {"factors": 0},
        {"learning_rate": 0},
        {"l2": -1},
        {"epochs": 0},
        {"omega": 0},
        {"chi": 0},
        {"chi": 1.5},
        {"depth": 3},
    ],
)
def test_settings_out_of_bounds_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="valid settings for DLCEConfig"):
        DLCEConfig(**setting)
