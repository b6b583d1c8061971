"""Potential outcomes: what each row would do without an impression, and at every slot.

``Y`` is 1 if the user plays the item on any surface in ``[t0, t0 + h)``. All randomness of a row
is drawn once, whatever the slate does with it, so every policy can be replayed on the same draws
(common random numbers):

- ``Y(0) = 1`` if there is an organic play: Poisson, ``P(Y(0) = 1) = 1 - exp(-organic)``;
- placed in slot s the row is examined if ``s <= examined_to``, which has probability
  ``attention * scroll ** (s - 1)``; otherwise ``Y = Y(0)``;
- examined, it leads to a play with probability `discovery` on top of the organic ones, or, in a
  negative pair, removes all organic plays with probability `negative_strength`.

Rows of one request do not interfere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.stats._arrays import Array
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.slates import Slates
from causal_ranker.worlds.tastes import Rates

__all__ = ["Draws", "Outcomes", "draw_potentials", "effect_if_examined", "outcomes"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Draws:
    """Everything random about the rows of some requests, drawn whatever is placed.

    Parameters
    ----------
    organic_plays : ndarray of int, shape (requests, candidates)
        Organic plays within the horizon, without an impression.
    responds : ndarray of bool, shape (requests, candidates)
        An examined impression would lead to a play, or remove the organic ones.
    depth : ndarray of int, shape (requests,)
        Last slot that comes into view.
    examined_to : ndarray of int, shape (requests, candidates)
        The row is examined in slots up to this one; 0 if in none.
    """

    organic_plays: IntArray
    responds: BoolArray
    depth: IntArray
    examined_to: IntArray


@dataclass(frozen=True)
class Outcomes:
    """Potential outcomes of rows, their probabilities, and which came true.

    Parameters
    ----------
    y0_probability, y1_probability : ndarray, shape (requests, candidates)
        P(Y(0) = 1) and P(Y(1) = 1); the latter over the slots in which the logging policy
        would place the row, given that it does.
    y0, y1, y_examined : ndarray of bool, shape (requests, candidates)
        Drawn outcomes: not placed; placed (in the row's own slot, or where it was not placed
        in one drawn from the logging policy); and examined for certain.
    examined : ndarray of bool, shape (requests, candidates)
        Placed and examined in fact.
    """

    y0_probability: Array
    y1_probability: Array
    y0: BoolArray
    y1: BoolArray
    y_examined: BoolArray
    examined: BoolArray


def effect_if_examined(rates: Rates, config: WorldConfig) -> Array:
    """Return ``E[Y(examined) - Y(0)]`` per row.

    Parameters
    ----------
    rates : Rates
        Rates of the rows.
    config : WorldConfig
        For `negative_strength`.

    Returns
    -------
    ndarray, shape (requests, candidates)
        In plays per examined impression: ``P(Y(0) = 0) * discovery``, or
        ``-P(Y(0) = 1) * negative_strength`` in a negative pair.
    """
    nothing = np.exp(-rates.organic)
    lost = -config.negative_strength * (1 - nothing)
    effect: Array = np.where(rates.negative, lost, nothing * rates.discovery)
    return effect


def draw_potentials(
    rates: Rates,
    config: WorldConfig,
    *,
    attention: Array,
    scroll: Array,
    rng: np.random.Generator,
) -> Draws:
    """Draw everything random about the rows, before and whatever is placed.

    Parameters
    ----------
    rates : Rates
        Rates of the rows.
    config : WorldConfig
        For `negative_strength`.
    attention, scroll : ndarray, shape (requests,)
        How slots are examined.
    rng : numpy.random.Generator
        The stage's own generator.

    Returns
    -------
    Draws
        The draws.
    """
    shape = rates.organic.shape
    depth = rng.geometric(1 - scroll)
    noticed = rng.random(shape) < attention[:, None]
    response = np.where(rates.negative, config.negative_strength, rates.discovery)
    return Draws(
        organic_plays=rng.poisson(rates.organic),
        responds=rng.random(shape) < response,
        depth=depth,
        examined_to=np.where(noticed, depth[:, None], 0),
    )


def outcomes(
    rates: Rates,
    draws: Draws,
    *,
    slates: Slates,
    effect: Array,
    attention: Array,
    scroll: Array,
    rng: np.random.Generator,
) -> Outcomes:
    """Return the rows' potential outcomes, as probabilities and as drawn.

    Parameters
    ----------
    rates : Rates
        Rates of the rows.
    draws : Draws
        Everything random about the rows.
    slates : Slates
        What the logging policy placed, and how likely each slot was.
    effect : ndarray, shape (requests, candidates)
        `effect_if_examined`.
    attention, scroll : ndarray, shape (requests,)
        How slots are examined.
    rng : numpy.random.Generator
        For the slots that rows not placed would have had.

    Returns
    -------
    Outcomes
        With ``Y = Y(1)`` where placed and ``Y = Y(0)`` elsewhere.
    """
    slots = slates.by_slot.shape[2]
    by_slot = attention[:, None] * scroll[:, None] ** np.arange(slots)
    expected = np.einsum("rcs,rs->rc", slates.by_slot, by_slot) / slates.by_slot.sum(axis=2)
    y0_probability = -np.expm1(-rates.organic)

    placed = slates.position > 0
    slot = np.where(placed, slates.position, _draw_slots(slates.by_slot, rng))
    y0 = draws.organic_plays > 0
    y_examined = np.where(rates.negative, y0 & ~draws.responds, y0 | draws.responds)
    return Outcomes(
        y0_probability=y0_probability,
        y1_probability=y0_probability + expected * effect,
        y0=y0,
        y1=np.where(slot <= draws.examined_to, y_examined, y0),
        y_examined=y_examined,
        examined=placed & (slates.position <= draws.examined_to),
    )


def _draw_slots(by_slot: Array, rng: np.random.Generator) -> IntArray:
    """Draw a slot from P(slot | placed)."""
    cumulative = np.cumsum(by_slot, axis=2)
    wanted = rng.random(by_slot.shape[:2]) * cumulative[:, :, -1]
    passed: IntArray = (cumulative[:, :, :-1] <= wanted[:, :, None]).sum(axis=2)
    return passed + 1
