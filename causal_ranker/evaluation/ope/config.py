"""When an estimate is refused, and how weights are tamed."""

from __future__ import annotations

from pydantic import Field

from causal_ranker.config import FrozenConfig

__all__ = ["OpeConfig"]


class OpeConfig(FrozenConfig):
    """Settings of off-policy evaluation.

    Parameters
    ----------
    least_effective_lists : float
        An estimate whose weights have fewer effective lists (Kish) is refused. Counted are the
        weights in use: to have more of them is what a cap and taming are for.
    least_kept_share : float
        An estimate is refused where `cap`, `switch` or `shrinkage` leave less than this of the
        weights, by size; none that does is chosen. Any log has many effective lists once its
        weights are capped at next to nothing.
    most_missing_share : float
        The share of the new policy's lists that the logging policy may never show. Above 0 an
        estimate says nothing about these lists, and its interval does not either. The share is
        also refused where the mean of weights tells of it: if its 99.9 % interval ends below 1 by
        more than this, and by more than 0.01. With logged propensities nothing else can tell.
    cap : float, optional
        Largest weight kept (of pseudo-inverse weights, the largest size); the share of lists it
        touches is reported. None caps nothing.
    switch : float, optional
        Prefix weights above it are left to the model by ``switch``. None: of the quantiles of
        the weights, the one with the least estimated variance plus squared bias.
    shrinkage : float, optional
        lambda of ``shrinkage``, where a weight w becomes ``lambda w / (w^2 + lambda)``. None: as
        for `switch`, of their squares, or so large that weights stay as they are.
    level : float
        Probability that an interval holds the truth.
    seed : int
        Of the lists drawn to find missing support.

    Raises
    ------
    ConfigError
        If a setting is out of its bounds.
    """

    least_effective_lists: float = Field(default=50.0, ge=1)
    least_kept_share: float = Field(default=0.05, ge=0, le=1)
    most_missing_share: float = Field(default=0.0, ge=0, lt=1)
    cap: float | None = Field(default=None, gt=0)
    switch: float | None = Field(default=None, ge=0)
    shrinkage: float | None = Field(default=None, gt=0)
    level: float = Field(default=0.95, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
