"""Pseudo-inverse weights: what a list says about another policy if its slots add up.

If the expected reward of a list is a sum over (slot, item) pairs, then ``q' pinv(Gamma) 1_a``
weighs the list a without bias (Swaminathan et al., 2017), where q are the new policy's chances of
each pair, and ``Gamma = E[1_a 1_a']`` under the logging policy. Three ways to it: where slots were
filled independently the weight is ``1 + sum_k (w_k - 1)`` (Vlassis et al., 2021); where lists were
drawn uniformly without repeats Gamma has four eigenspaces, known in closed form; else Gamma is
summed over all lists there are, of which there may be only so many.
"""

from __future__ import annotations

import itertools
import math
from typing import Final

import numpy as np

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.evaluation.ope.policies import (
    Array,
    IntArray,
    ListPolicy,
    LoggingPolicy,
    Mask,
)
from causal_ranker.evaluation.ope.slotwise import Slotwise

__all__ = ["linear_weights"]

_MOST_LISTS: Final = 5_000
_CELLS: Final = 8_000_000
# Eigenvalues below this share of the largest are those of what no list can tell.
_NOTHING: Final = 1e-9
_UNTOLD: Final = 1e-6


def linear_weights(items: IntArray, logging: LoggingPolicy, target: ListPolicy) -> Array:
    """Return the pseudo-inverse weight of each logged list; some may be below 0.

    Parameters
    ----------
    items : ndarray of int64, shape (n, L)
        Logged lists.
    logging : LoggingPolicy
        Who drew them.
    target : ListPolicy
        The new policy.

    Returns
    -------
    ndarray of float64, shape (n,)
        Weights with mean 1.

    Raises
    ------
    ConfigError
        If the logging policy is known only at the logged lists, or there are too many lists to
        sum over.
    OverlapError
        If the logged lists cannot tell what the new policy's bring.
    """
    slots = items.shape[1]
    if slots == 1 or isinstance(logging, Slotwise):
        ratio = target.marginal(items) / logging.marginal(items)
        weights: Array = 1.0 + (ratio - 1.0).sum(axis=1)
        return weights
    uniform = isinstance(logging, PlackettLuce) and logging.uniform
    size = _CELLS // (target.candidates * slots)
    if not uniform:
        lists = _all_lists(target.candidates, slots, logging=logging)
        size = _CELLS // max(len(lists), (target.candidates * slots) ** 2)
    found = np.empty(len(items))
    for start in range(0, len(items), max(size, 1)):
        stop = min(start + max(size, 1), len(items))
        chances = target.part(start, stop).slot_chances(slots)
        here, logged = items[start:stop], logging.part(start, stop)
        if isinstance(logged, PlackettLuce) and uniform:
            found[start:stop] = _uniform(here, chances, able=logged.able)
        else:
            found[start:stop] = _summed(here, chances, logging=logged, lists=lists)
    return found


def _uniform(items: IntArray, chances: Array, *, able: Mask) -> Array:
    """Weigh lists of L out of m drawn uniformly.

    Gamma is ``I/m`` within a slot and ``(J - I) / (m (m - 1))`` between two, so its eigenvalues
    are L/m on constants, ``(m - L) / (m (m - 1))`` on what is equal in all slots, ``1 / (m - 1)``
    on what sums to 0 over slots and over items, and 0 on what no list can tell.
    """
    slots, m = items.shape[1], able.sum(axis=1).astype(np.float64)
    anywhere = chances.sum(axis=2)
    # lists of all candidates hold each once, whatever they bring
    always = (m == slots)[:, None] & (np.abs(anywhere - 1) > _UNTOLD)
    _refuse_untold((np.where(able, always, anywhere > _UNTOLD)).any(axis=1))
    shown = np.take_along_axis(anywhere, items, axis=1).sum(axis=1)
    in_place = np.take_along_axis(chances, items[:, None, :], axis=1)[:, 0].sum(axis=1)
    equal = (shown - slots**2 / m) / slots
    apart = in_place - slots / m - equal
    left = m - slots
    factor = np.divide(m * (m - 1), left, out=np.zeros_like(m), where=left > 0)
    weights: Array = 1.0 + factor * equal + (m - 1) * apart
    return weights


def _all_lists(candidates: int, slots: int, *, logging: LoggingPolicy) -> IntArray:
    count = math.perm(candidates, slots)
    if not logging.everywhere or not 0 < count <= _MOST_LISTS:
        came = (
            f"{count:,} lists of {slots} out of {candidates}"
            if logging.everywhere
            else "propensities of the logged lists alone"
        )
        raise ConfigError(
            expected=f"slots filled independently, uniform lists, or a policy of at most "
            f"{_MOST_LISTS:,} lists for the pseudo-inverse",
            came=came,
            do="Leave out 'pi', or evaluate fewer slots or candidates.",
        )
    return np.array(list(itertools.permutations(range(candidates), slots)), dtype=np.int64)


def _summed(items: IntArray, chances: Array, *, logging: LoggingPolicy, lists: IntArray) -> Array:
    n, slots = items.shape
    width = chances.shape[1] * slots
    pair = lists * slots + np.arange(slots)  # where (item, slot) lies in a flat row of chances
    drawn = np.column_stack(
        [logging.prefix(np.broadcast_to(each, (n, slots)))[:, -1] for each in lists]
    )
    if np.abs(drawn.sum(axis=1) - 1).max() > _UNTOLD:
        raise ConfigError(
            expected="a logging policy that never repeats an item in a list, for 'pi'",
            came=f"lists without repeats that sum to {drawn.sum(axis=1).min():.6g}",
            do="Leave out 'pi'; position-wise policies by themselves are no problem.",
        )
    both = np.zeros((len(lists), width * width))  # the cells of Gamma that a list adds to
    both[np.arange(len(lists))[:, None, None], pair[:, :, None] * width + pair[:, None, :]] = 1.0
    values, vectors = np.linalg.eigh((drawn @ both).reshape(n, width, width))
    told = values > _NOTHING * values[:, -1:]
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=told)
    q = chances.reshape(n, width, 1)
    along = (vectors.transpose(0, 2, 1) @ q)[:, :, 0]
    _refuse_untold(np.abs(np.where(told, 0.0, along)).max(axis=1) > _UNTOLD)
    solved = (vectors @ (inverse * along)[:, :, None])[:, :, 0]
    chosen = items * slots + np.arange(slots)
    weights: Array = np.take_along_axis(solved, chosen, axis=1).sum(axis=1)
    return weights


def _refuse_untold(lost: Mask) -> None:
    if lost.any():
        raise OverlapError(
            expected="logged lists that tell what each slot of the new policy's brings",
            came=f"{lost.mean():.1%} of requests where they do not",
            do="Leave out 'pi', or log with more exploration.",
        )
