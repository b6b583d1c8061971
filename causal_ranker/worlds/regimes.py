"""Five streaming services, each hard for an effect learner in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from causal_ranker.errors import ConfigError
from causal_ranker.worlds.config import WorldConfig

__all__ = ["REGIMES", "regime"]

# Many users with few rows each: a sample of rows is then of as many users as a service has.
_SIZE: Final = {"users": 2_000, "items": 300, "days": 8, "candidates": 20, "slate_size": 5}

_SETTINGS: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        # so hot that every slate is as likely as any other
        "randomised": {"temperature": 1e6},
        # what is shown is what will be played
        "confounded": {"temperature": 0.9, "base_noise": 0.3},
        # one candidate in a hundred is played
        "rare": {"temperature": 1.5, "organic_rate": 0.0065, "discovery_rate": 0.016},
        # about as many effects below zero as above, and as large
        "negative": {
            "temperature": 1.5,
            "organic_rate": 0.15,
            "discovery_rate": 0.2,
            "negative_share": 0.3,
            "negative_strength": 0.9,
        },
        # members find nearly everything by themselves
        "organic": {"temperature": 1.5, "organic_rate": 0.35, "discovery_rate": 0.15},
    }
)

#: Names of the regimes: randomised, confounded by the base ranker, rare outcome (1 %),
#: heterogeneous with negative effects, heavy organic.
REGIMES: Final = tuple(_SETTINGS)


def regime(name: str, *, seed: int) -> WorldConfig:
    """Return the settings of one regime.

    Parameters
    ----------
    name : str
        One of `REGIMES`.
    seed : int
        Of the world.

    Returns
    -------
    WorldConfig
        Settings of a world of about 150,000 candidate rows, which takes seconds to simulate.

    Raises
    ------
    ConfigError
        If there is no such regime.
    """
    if name not in _SETTINGS:
        raise ConfigError(
            expected=f"one of {', '.join(REGIMES)}", came=f"'{name}'", do="Correct the name."
        )
    return WorldConfig.model_validate({**_SIZE, **_SETTINGS[name], "seed": seed})
