"""What every detector of drift can do, and what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Self, TypeVar

from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import NotFittedError

__all__ = ["Decision", "Detector", "DetectorConfig", "decide", "fitted"]

_State = TypeVar("_State")


@dataclass(frozen=True)
class Decision:
    """What a detector says of a window.

    Parameters
    ----------
    statistic : float
        Its statistic; larger means further from the reference.
    threshold : float
        The value above which chance alone is unlikely at the detector's level.
    p_value : float
        Probability of a statistic at least as large without drift; NaN where the detector has
        none, and then the threshold decides.
    effect_size : float
        How large the difference is, free of the number of rows; each detector says in what unit.
    drifted : bool
        More than chance (``p_value <= level``, or ``statistic > threshold`` without a p-value)
        and large enough to matter (``effect_size >= least_effect``).
    """

    statistic: float
    threshold: float
    p_value: float
    effect_size: float
    drifted: bool


class DetectorConfig(FrozenConfig):
    """Settings that every detector has; a detector is its settings and what `fit` has learned.

    A subclass adds settings as fields, and keeps what it learned in private attributes
    (`pydantic.PrivateAttr`), which are no settings and may be set on a frozen object.

    Parameters
    ----------
    level : float
        Rate of false alarms, in (0, 1).
    least_effect : float
        Smallest effect size that matters: on a large window every difference is more than chance.
    """

    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    least_effect: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class Detector(Protocol):
    """A detector of drift; `tests/drift/contract.py` holds what its answers must keep."""

    def fit(self, reference: Any) -> Self:
        """Learn what values without drift look like.

        Parameters
        ----------
        reference : array_like, shape (n,) or (n, n_features)
            Values without drift.

        Returns
        -------
        Detector
            Itself.
        """
        ...

    def predict(self, window: Any) -> Decision:
        """Judge a window; nothing is learned from it.

        Parameters
        ----------
        window : array_like, shape (m,) or (m, n_features)
            Values to judge.

        Returns
        -------
        Decision
            The decision.
        """
        ...


def decide(
    config: DetectorConfig,
    statistic: float,
    *,
    threshold: float,
    effect_size: float,
    p_value: float = math.nan,
) -> Decision:
    """Decide as every detector does: more than chance, and large enough to matter.

    Parameters
    ----------
    config : DetectorConfig
        The detector.
    statistic, threshold, effect_size : float
        See `Decision`.
    p_value : float
        NaN where the detector has none.

    Returns
    -------
    Decision
        The decision.
    """
    beyond = statistic > threshold if math.isnan(p_value) else p_value <= config.level
    return Decision(
        statistic=float(statistic),
        threshold=float(threshold),
        p_value=float(p_value),
        effect_size=float(effect_size),
        drifted=bool(beyond and effect_size >= config.least_effect),
    )


def fitted(state: _State | None, *, detector: object) -> _State:
    """Return what a detector has learned.

    Parameters
    ----------
    state : object or None
        What `fit` kept; None before it.
    detector : object
        The detector, for the message.

    Returns
    -------
    object
        The state.

    Raises
    ------
    NotFittedError
        Before `fit`.
    """
    if state is None:
        raise NotFittedError(
            expected=f"a fitted {type(detector).__name__}",
            came="one before fit",
            do="Call fit with a reference first.",
        )
    return state
