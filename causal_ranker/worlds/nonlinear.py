"""A large confounded world outside every learner's class: smooth, oblique, mostly noise features.

Twenty normal features, of which two decide the effect, five the outcome and four the treatment.
Nothing in it is linear or a step along an axis: the effect is a sigmoid of an oblique direction
with an interaction. It is drawn directly, without a service around it, because it measures how
well and how fast learners estimate at scale, where everything else is known.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.seeds import stage_rng
from causal_ranker.worlds.learner_rows import LearnerRows

__all__ = ["NonlinearConfig", "draw_nonlinear"]

Array = NDArray[np.float64]

_FEATURES: Final = 20
_CORRELATION: Final = 0.2  # of any two features
# The size of the effect makes the world hard: boosted trees with common settings (100 rounds of
# 31 leaves at 0.1, at least 20 rows a leaf) drown a good third of it in noise at 200,000 rows.
_LOWEST_EFFECT: Final = -0.05
_EFFECT_RANGE: Final = 0.235


class NonlinearConfig(FrozenConfig):
    """Settings of the non-linear world; the defaults are those its figures are told for.

    Parameters
    ----------
    rows : int
        How many to draw.
    seed : int
        Equal seeds give equal rows.
    """

    rows: Annotated[int, Field(ge=1)] = 200_000
    seed: Annotated[int, Field(ge=0)] = 0


def draw_nonlinear(config: NonlinearConfig) -> LearnerRows:
    """Draw rows of the non-linear world.

    Parameters
    ----------
    config : NonlinearConfig
        The settings.

    Returns
    -------
    LearnerRows
        Rows without a logged propensity, each a user and a unit of its own. The effect lies in
        (-0.05, 0.185), in plays per impression; the propensity in (0.1, 0.9); P(Y(0) = 1) in
        (0.1, 0.55).
    """
    rng = stage_rng(config.seed, "nonlinear/features")
    common = rng.standard_normal((config.rows, 1))
    own = rng.standard_normal((config.rows, _FEATURES))
    features = (np.sqrt(_CORRELATION) * common + np.sqrt(1 - _CORRELATION) * own).astype(np.float32)
    # The truth is of the features as they are handed over, not of more digits than those.
    x = features.T.astype(np.float64)
    propensity, mu0, tau = _propensity(x), _without(x), _effect(x)
    mu1 = mu0 + tau
    treatment = stage_rng(config.seed, "nonlinear/treatment").random(config.rows) < propensity
    played = stage_rng(config.seed, "nonlinear/outcome").random(config.rows)
    row = np.arange(config.rows)
    return LearnerRows(
        features=features,
        names=tuple(f"x{column}" for column in range(_FEATURES)),
        categorical=(),
        treatment=treatment.astype(np.int8),
        outcome=(played < np.where(treatment, mu1, mu0)).astype(np.int8),
        weight=np.ones(config.rows),
        user=row,
        unit=row,
        propensity=np.full(config.rows, np.nan),
        true_propensity=propensity,
        mu0=mu0,
        mu1=mu1,
    )


def _effect(x: Array) -> Array:
    bend = _sigmoid(1.5 * (x[0] + 0.7 * x[1]) + 0.3 * x[0] * x[1])
    return _LOWEST_EFFECT + _EFFECT_RANGE * bend


def _without(x: Array) -> Array:
    direction = 0.6 * x[0] * x[4] + 0.8 * np.sin(x[1] + x[5]) + 0.7 * x[6] - 0.4
    return 0.1 + 0.45 * _sigmoid(1.2 * direction)


def _propensity(x: Array) -> Array:
    # x0 moves effect and treatment, x6 outcome and treatment: both are confounders.
    return 0.1 + 0.8 * _sigmoid(0.9 * (x[6] + 0.8 * x[0] + 0.5 * x[5] * x[7] - 0.5))


def _sigmoid(value: Array) -> Array:
    positive: Array = 1 / (1 + np.exp(-value))
    return positive
