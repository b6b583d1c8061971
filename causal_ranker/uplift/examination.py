"""Position in uplift: ignored, or a weight of examination, or levels of the treatment; one of them.

Three questions, three estimands. What placing an item does at the positions the logs gave it; what
it would do at one position, or if it were surely viewed; what it does at each band of positions.
The second rests on the position-based model, and its estimand says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError, OverlapError, RowError
from causal_ranker.stats._arrays import (
    binary_vector,
    float_vector,
    reject_rows,
    same_size,
    weight_vector,
)
from causal_ranker.stats.examination import Examination

__all__ = ["PositionConfig", "Positioned", "with_position"]


class PositionConfig(FrozenConfig):
    """What becomes of the position an item was shown at.

    Parameters
    ----------
    position : {"ignored", "weight", "level"}
        ``ignored``: T is 0 or 1, wherever the item was placed. ``weight``: plays are weighted by
        1 / expected examination. ``level``: T is 0 where the item was not placed, and else the
        number of its band of positions.
    bands : tuple of int, optional
        Of ``level``: first position of each band, from 1, ascending. ``(1, 4)`` has the bands 1-3
        and 4 and below.
    reference_examination : float, optional
        Of ``weight``: the chance that a member examines the reference position. Plays tell ratios
        only, so it must be known from elsewhere, e.g. from viewability logs. Without it the
        estimand is the effect of placing at the reference position; with it, that of viewing.

    Raises
    ------
    ConfigError
        If settings of one use of position come with another: position is never used twice.
    """

    position: Literal["ignored", "weight", "level"] = "ignored"
    bands: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    reference_examination: Annotated[float, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _use_position_once(self) -> Self:
        if (self.position == "level") != (self.bands is not None):
            raise ValueError(
                'position="level" needs bands, and no other use of position reads them'
            )
        if self.position != "weight" and self.reference_examination is not None:
            raise ValueError('reference_examination is read by position="weight" alone')
        if self.bands is not None and (
            self.bands[:1] != (1,) or any(low >= high for low, high in pairwise(self.bands))
        ):
            raise ValueError("bands must start at position 1 and ascend")
        return self


@dataclass(frozen=True)
class Positioned:
    """Rows after position was taken in, arrays of shape (n_rows,).

    Attributes
    ----------
    treatment : numpy.ndarray
        T: 0 or 1, or 0 .. number of bands.
    outcome : numpy.ndarray
        Y. Where position is a weight, plays over expected examination: an amount, whatever it was
        before, so models of it take ``kind="continuous"``.
    weight : numpy.ndarray
        Analysis weights.
    levels : tuple of str
        What each value of T stands for.
    estimand : str
        What an effect estimated from these rows is; every table of it prints this.
    """

    treatment: NDArray[Any]
    outcome: NDArray[Any]
    weight: NDArray[np.float64]
    levels: tuple[str, ...]
    estimand: str


def with_position(
    treatment: ArrayLike,
    outcome: ArrayLike,
    *,
    weight: ArrayLike,
    position: ArrayLike,
    config: PositionConfig,
    examination: Examination | None = None,
    stratum: ArrayLike | None = None,
) -> Positioned:
    """Take the position of each row into its treatment or its outcome, or leave it out.

    As a weight. If an examined item has the effect ``tau(x)`` on plays on any surface, and one
    that is placed and not examined has none, then ``E[Y | placed, X] - E[Y | not placed, X] =
    theta(X) tau(X)`` with ``theta(X) = E[theta_position | placed, X]``: placing is an instrument
    for viewing (Wald's ratio; Angrist, Imbens and Rubin, 1996). So Y is divided by ``theta(X)`` in
    **both** arms. Dividing each play by the ``theta_k`` of its own slot, as is right for clicks
    (Joachims, Swaminathan and Schnabel, 2017), would blow up the plays that would have come anyway,
    in one arm only. Nor do the analysis weights change: a weight that follows the slot differs
    between the arms and would shift P(T | X). The logged propensity of being placed stays valid.

    ``theta(X)`` is the weighted mean of ``theta_position`` over the placed rows of the row's
    stratum; within a stratum, the position of a placed row must not depend on what its effect
    depends on. Intervals of the effect do not count the uncertainty of theta.

    As a level. Propensities have to be those of each level: P(placed) does not do.

    Parameters
    ----------
    treatment : array_like of 0 and 1, shape (n_rows,)
        T, placed in the slate.
    outcome : array_like, shape (n_rows,)
        Y, plays on any surface.
    weight : array_like, shape (n_rows,)
        Analysis weights.
    position : array_like of int, shape (n_rows,)
        Where the item was placed, from 1; 0 where it was not.
    config : PositionConfig
        How position is used.
    examination : Examination, optional
        Needed by ``weight``, refused elsewhere.
    stratum : array_like of float, shape (n_rows,), optional
        Of ``weight``: what the position depended on, known before t0, in few values, e.g. the base
        rank. By default positions were drawn alike for all rows.

    Returns
    -------
    Positioned
        New arrays; those that position does not change are handed on.

    Raises
    ------
    ConfigError
        If `examination` or `stratum` come with another use of position or `examination` is missing,
        if T has levels already, or if `reference_examination` makes a theta surely exceed 1.
    RowError
        If a placed row has no position from 1, or one that was not placed has a position.
    OverlapError
        If a band or a stratum has no placed row, or a position no theta.
    """
    _one_use(treatment, config=config, examination=examination, stratum=stratum)
    placed = binary_vector(treatment, name="treatment")
    y, w = float_vector(outcome, name="outcome"), weight_vector(weight, size=placed.size)
    same_size(placed.size, outcome=y)
    t = np.asarray(treatment)
    if config.position == "ignored":
        estimand = "plays caused by placing an item, at the positions the logs gave it"
        return Positioned(t, np.asarray(outcome), w, _PLACED, estimand)
    k = _positions(position, placed)
    if config.bands is not None:
        names = ("not shown", *_band_names(config.bands))
        return Positioned(
            _levels(k, bands=config.bands, names=names),
            np.asarray(outcome),
            w,
            names,
            f"plays caused by placing an item at {', at '.join(names[1:])}, each against not "
            "showing it",
        )
    assert examination is not None  # _one_use saw to it
    theta = np.zeros(placed.size)
    theta[placed] = examination.at(k[placed]) * _scale(examination, config=config)
    expected = _expected(theta, placed, weight=w, stratum=stratum)
    return Positioned(t, y / expected, w, _PLACED, _viewing(examination, config=config))


_PLACED = ("not shown", "shown")


def _one_use(
    treatment: ArrayLike,
    *,
    config: PositionConfig,
    examination: Examination | None,
    stratum: ArrayLike | None,
) -> None:
    weighs = config.position == "weight"
    told = [
        name
        for name, value in (("examination", examination), ("stratum", stratum))
        if value is not None
    ]
    if told and not weighs:
        raise ConfigError(
            expected=f"position used once, as position={config.position!r} says",
            came=f"{' and '.join(told)} besides",
            do="Choose PositionConfig(position='weight'), or leave these out.",
        )
    if weighs and examination is None:
        raise ConfigError(
            expected="examination of the positions, to weight by",
            came="none",
            do="Estimate it: randomised_examination or swap_examination.",
        )
    levels = np.asarray(treatment)
    if levels.dtype.kind in "iuf" and levels.size and (levels > 1).any():
        raise ConfigError(
            expected="a treatment of 0 or 1, in which position has no part yet",
            came=f"levels up to {levels.max()}",
            do="Use position once: as a level or as a weight.",
        )


def _positions(position: ArrayLike, placed: NDArray[np.bool_]) -> NDArray[np.int64]:
    k = float_vector(position, name="position")
    same_size(placed.size, position=k)
    reject_rows(
        np.where(placed, (k < 1) | (k != np.floor(k)), k != 0),
        k,
        name="position",
        expected="a whole position from 1 where the item was placed, and 0 where it was not",
        do="Join the position of the impression; it is not the base rank.",
        error=RowError,
    )
    return k.astype(np.int64)


def _band_names(bands: tuple[int, ...]) -> list[str]:
    closed = [
        f"positions {low}-{high - 1}" if high - low > 1 else f"position {low}"
        for low, high in pairwise(bands)
    ]
    return [*closed, f"positions {bands[-1]} and below"]


def _levels(
    position: NDArray[np.int64], *, bands: tuple[int, ...], names: tuple[str, ...]
) -> NDArray[np.int64]:
    level: NDArray[np.int64] = np.searchsorted(bands, position, side="right")
    empty = np.flatnonzero(np.bincount(level, minlength=len(names)) == 0)
    if empty.size:
        raise OverlapError(
            expected="rows at every level of the treatment",
            came=f"none at {', '.join(names[code] for code in empty)}",
            do="Choose wider bands.",
        )
    return level


def _scale(examination: Examination, *, config: PositionConfig) -> float:
    if config.reference_examination is None:
        return 1.0
    above = examination.low * config.reference_examination > 1
    if above.any():
        raise ConfigError(
            expected="a chance of examination of at most 1 at every position",
            came=f"reference_examination = {config.reference_examination} at position "
            f"{examination.reference}, which positions {examination.position[above].tolist()} "
            "surpass so far that it would be above 1",
            do="Lower it, or leave it out: effects are then of placing at the reference.",
        )
    return config.reference_examination


def _expected(
    theta: NDArray[np.float64],
    placed: NDArray[np.bool_],
    *,
    weight: NDArray[np.float64],
    stratum: ArrayLike | None,
) -> NDArray[np.float64]:
    labels = np.zeros(placed.size) if stratum is None else float_vector(stratum, name="stratum")
    same_size(placed.size, stratum=labels)
    known, code = np.unique(labels, return_inverse=True)
    mass = np.bincount(code, weights=weight * placed, minlength=known.size)
    if (mass == 0).any():
        raise OverlapError(
            expected="placed rows in every stratum",
            came=f"none in strata {known[mass == 0].tolist()[:10]}",
            do="Join strata, or leave these rows out: nothing tells how they would be examined.",
        )
    mean: NDArray[np.float64] = np.bincount(code, weights=weight * theta) / mass
    return mean[code]


def _viewing(examination: Examination, *, config: PositionConfig) -> str:
    model = "if examination alone is what a position decides (position-based model)"
    if config.reference_examination is None:
        return f"plays caused by placing an item at position {examination.reference}, {model}"
    return (
        f"plays caused by viewing an item, {model}, and position {examination.reference} is "
        f"examined with chance {config.reference_examination:g}"
    )
