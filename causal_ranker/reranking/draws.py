"""Ways to draw an item for a slot, and the exact chance with which it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError
from causal_ranker.stats.normal_maximum import chance_of_maximum
from causal_ranker.stats.normal_order import LargestFirst

__all__ = ["Draw", "Drawn", "PlackettLuce", "Thompson", "UniformSwaps", "drawer"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: Returns uniform numbers for the slot, shape (r, m), by the number of the first and of the last.
Uniforms = Callable[[int, int, int], Array]

#: Numbers of one slot for the items; those for the slot itself come after them.
_OWN: Final = 1 << 20
#: What the chances of one drawn order may be wrong by.
_ORDER_ERROR: Final = 1e-9


class PlackettLuce(FrozenConfig):
    """Draw each slot by the softmax of the scores of the items that may stand there.

    Parameters
    ----------
    kind : "plackett_luce"
        The draw's name.
    temperature : float
        Above 0, in the unit of the policy's score (plays per impression for uplift): a difference
        of one temperature makes an item e times as likely. Lower follows the policy more closely.
    """

    kind: Literal["plackett_luce"] = "plackett_luce"
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class UniformSwaps(FrozenConfig):
    """With probability epsilon, swap a slot's item for any of those that may stand there.

    The item that would have stood in the slot takes the other's place in the order.

    Parameters
    ----------
    kind : "uniform_swaps"
        The draw's name.
    epsilon : float
        Probability of a draw in each slot, in [0, 1]; the item itself may be drawn.
    """

    kind: Literal["uniform_swaps"] = "uniform_swaps"
    epsilon: Annotated[float, Field(ge=0, le=1)]


class Thompson(FrozenConfig):
    """Draw the uplifts from their intervals, once for a list, and take the largest.

    An uplift is drawn from the normal distribution around its point whose central interval is as
    wide as the model's. Under rules (`causal_ranker.reranking.constrained`) each slot draws anew,
    so that the chance of its item depends on what stands above only through which items are left.

    Parameters
    ----------
    kind : "thompson"
        The draw's name.
    level : float
        Probability that the model's intervals hold the truth.
    """

    kind: Literal["thompson"] = "thompson"
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95

    def deviations(self, low: Array, high: Array) -> Array:
        """Return the standard deviations that go with intervals.

        Parameters
        ----------
        low, high : ndarray of float64
            Ends of the intervals.

        Returns
        -------
        ndarray of float64
            As many.
        """
        from scipy.special import ndtri

        found: Array = (high - low) / (2 * float(ndtri((1 + self.level) / 2)))
        return found


Draw = Annotated[PlackettLuce | UniformSwaps | Thompson, Field(discriminator="kind")]


class Drawn(Protocol):
    """Draws items for slots, and keeps with which chances.

    Attributes
    ----------
    chances : list of ndarray of float64, shape (r,)
        Of the items drawn, slot by slot: the probability given what stands above.
    errors : list of ndarray of float64, shape (r,)
        Bounds of their numerical errors; 0 where they are exact but for rounding.
    """

    chances: list[Array]
    errors: list[Array]

    def pick(self, slot: int, able: Mask, first: int) -> IntArray:
        """Draw an item for a slot, as `causal_ranker.reranking.slots.Frame.fill` asks.

        Parameters
        ----------
        slot : int
            The slot, from 0.
        able : ndarray of bool, shape (r, w)
            Who may stand there.
        first : int
            Place of the first of the w columns.

        Returns
        -------
        ndarray of int64, shape (r,)
            Places.
        """
        ...


def drawer(
    draw: PlackettLuce | UniformSwaps | Thompson,
    score: Array,
    *,
    real: Mask,
    interval: tuple[Array, Array] | None,
    uniforms: Uniforms,
    slots: int,
    ruled: bool,
) -> Drawn:
    """Return what draws the slots of some lists.

    Parameters
    ----------
    draw : PlackettLuce, UniformSwaps or Thompson
        How.
    score : ndarray of float64, shape (r, w)
        The policy's scores, in base order.
    real : ndarray of bool, shape (r, w)
        False where a list has no item.
    interval : tuple of ndarray of float64, shape (r, w), or None
        Ends of the uplifts' intervals.
    uniforms : callable
        Source of the draws.
    slots : int
        How many are drawn at most.
    ruled : bool
        Whether rules say who may stand in a slot.

    Returns
    -------
    Drawn
        Ready to pick.

    Raises
    ------
    ConfigError
        If intervals are needed and there are none.
    """
    if isinstance(draw, PlackettLuce):
        return _Softmax(score / draw.temperature, uniforms)
    if isinstance(draw, UniformSwaps):
        return _Swaps(draw.epsilon, score, real, uniforms)
    if interval is None:
        raise ConfigError(
            expected="intervals of the uplift for the draw 'thompson'",
            came="a model that gives points only",
            do="Draw by 'plackett_luce' or 'uniform_swaps', or serve a model with intervals.",
        )
    sd = np.where(real, draw.deviations(*interval), 1.0)
    if ruled:
        return _LargestOfSlot(score, sd, uniforms)
    return _LargestOfList(score, sd, real, uniforms, slots)


class _Softmax:
    def __init__(self, tempered: Array, uniforms: Uniforms) -> None:
        self._score, self._uniforms = tempered, uniforms
        self.chances: list[Array] = []
        self.errors: list[Array] = []

    def pick(self, slot: int, able: Mask, first: int) -> IntArray:
        width = able.shape[1]
        score = np.where(able, self._score[:, first : first + width], -np.inf)
        # The largest after Gumbel noise is a draw by the softmax.
        noise = -np.log(-np.log(self._uniforms(slot, first, first + width)))
        place: IntArray = (score + noise).argmax(axis=1)
        score = score - np.where(able.any(axis=1), score.max(axis=1), 0.0)[:, None]
        rate = np.exp(score)
        total = rate.sum(axis=1)
        self.chances.append(_at(rate, place) / np.where(total > 0, total, 1.0))
        self.errors.append(np.zeros(len(place)))
        return place + first


class _Swaps:
    def __init__(self, epsilon: float, score: Array, real: Mask, uniforms: Uniforms) -> None:
        self._epsilon, self._uniforms = epsilon, uniforms
        order = np.argsort(-np.where(real, score, -np.inf), axis=1, kind="stable")
        self._priority = np.empty(score.shape)
        np.put_along_axis(self._priority, order, -np.arange(float(score.shape[1]))[None, :], 1)
        self.chances: list[Array] = []
        self.errors: list[Array] = []

    def pick(self, slot: int, able: Mask, first: int) -> IntArray:
        priority = self._priority[:, first : first + able.shape[1]]
        best: IntArray = np.where(able, priority, -np.inf).argmax(axis=1)
        drawn = self._uniforms(slot, _OWN, _OWN + 2)
        count = able.sum(axis=1)
        number = np.floor(drawn[:, 1] * count)
        some = (np.cumsum(able, axis=1) > number[:, None]).argmax(axis=1)
        place: IntArray = np.where(drawn[:, 0] < self._epsilon, some, best)
        share = self._epsilon / np.where(count > 0, count, 1)
        self.chances.append((1 - self._epsilon) * (place == best) + share)
        self.errors.append(np.zeros(len(place)))
        each = np.arange(len(place))
        priority[each, best], priority[each, place] = (
            priority[each, place],
            priority[each, best],
        )
        return place + first


class _LargestOfSlot:
    def __init__(self, mean: Array, sd: Array, uniforms: Uniforms) -> None:
        self._mean, self._sd, self._uniforms = mean, sd, uniforms
        self.chances: list[Array] = []
        self.errors: list[Array] = []

    def pick(self, slot: int, able: Mask, first: int) -> IntArray:
        some = slice(first, first + able.shape[1])
        mean, sd = self._mean[:, some], self._sd[:, some]
        normal = _normals(self._uniforms, slot, some.start, some.stop)
        place: IntArray = np.where(able, mean + sd * normal, -np.inf).argmax(axis=1)
        chance, error = np.ones(len(place)), np.zeros(len(place))
        open_ = np.flatnonzero(able.sum(axis=1) > 1)
        chance[open_], error[open_] = chance_of_maximum(
            mean[open_], sd[open_], able=able[open_], chosen=place[open_]
        )
        self.chances.append(chance)
        self.errors.append(error)
        return place + first


class _LargestOfList:
    def __init__(self, mean: Array, sd: Array, real: Mask, uniforms: Uniforms, slots: int) -> None:
        drawn = np.where(real, mean + sd * _normals(uniforms, 0, 0, mean.shape[1]), -np.inf)
        self._order = np.argsort(-drawn, axis=1, kind="stable")[:, :slots]
        self._chance = np.ones(self._order.shape)
        for row, length in enumerate(real.sum(axis=1)):  # what is not real lies behind
            drawn_slots = min(slots, int(length))
            race = LargestFirst(mean[row, :length], sd[row, :length], places=drawn_slots)
            for slot, item in enumerate(self._order[row, :drawn_slots].tolist()):
                self._chance[row, slot] = race.next(item)
        self.chances: list[Array] = []
        self.errors: list[Array] = []

    def pick(self, slot: int, able: Mask, first: int) -> IntArray:
        self.chances.append(self._chance[:, slot])
        self.errors.append(np.full(len(able), _ORDER_ERROR))
        place: IntArray = self._order[:, slot]
        return place


def _normals(uniforms: Uniforms, slot: int, first: int, end: int) -> Array:
    one, two = uniforms(slot, first, end), uniforms(slot, _OWN + first, _OWN + end)
    normals: Array = np.sqrt(-2 * np.log(one)) * np.cos(2 * np.pi * two)  # Box and Muller, 1958
    return normals


def _at(values: Array, place: IntArray) -> Array:
    found: Array = np.take_along_axis(values, place[:, None], axis=1)[:, 0]
    return found
