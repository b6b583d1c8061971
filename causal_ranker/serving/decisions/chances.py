"""With which chance each candidate of a decision was to be shown, or why nobody can say.

*Inclusion*: to be anywhere in the list that was answered. *Slot*: to stand exactly where it stands,
whatever stands above. Both are exact for lists drawn without rules: by `PlackettLuce` (an integral
over an exponential race), by `Thompson` (the same over values in place of times) and by
`UniformSwaps` (a Markov chain), with errors below 1e-6. They are not known

* where nothing was drawn (a fall-back, a holdout user, no exploration): what was shown had the
  chance 1 and everything else 0, so that these rows have nothing to be compared with;
* under rules, where who may stand in a slot depends on all of the list above it, so that a chance
  is a sum over all lists. It could be simulated from the bundle and every side column of the
  request, which no log holds;
* of a list that goes on behind its drawn slots;
* if the scores of the record do not give the conditional chances that it holds, so that it is not
  the record of such a draw.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import CausalRankerError, RowError
from causal_ranker.reranking.draws import Draw, PlackettLuce, Thompson
from causal_ranker.reranking.explore import Exploration
from causal_ranker.serving.decisions.record import Decision
from causal_ranker.stats.normal_order import LargestFirst, largest_by_place
from causal_ranker.stats.plackett_luce import conditional_propensities, slot_propensities
from causal_ranker.stats.uniform_swaps import swapped_slot_propensities

__all__ = ["Chances", "chances"]

Array = NDArray[np.float64]

# A slot's chance is given by float64 on both sides; what differs by more is of another draw.
_CLOSE: Final = 1e-6
# Requests that race together, by cells of one array.
_CELLS: Final = 2_000_000


@dataclass(frozen=True, eq=False)
class Chances:
    """Chances of one decision.

    Parameters
    ----------
    inclusion : ndarray of float64, shape (n,)
        Of each candidate, to be anywhere in the list.
    slot : ndarray of float64, shape (k,)
        Of each shown item, to stand where it stands; NaN behind the drawn slots.
    """

    inclusion: Array
    slot: Array


def chances(decisions: Sequence[Decision]) -> list[Chances | str]:
    """Return the chances of some decisions.

    Parameters
    ----------
    decisions : sequence of Decision
        A block of them.

    Returns
    -------
    list of Chances or str
        For each its chances, or why there are none.
    """
    found: list[Chances | str] = [""] * len(decisions)
    softmax: dict[tuple[int, float], list[int]] = defaultdict(list)
    for place, decision in enumerate(decisions):
        draw = _draw(decision)
        if isinstance(draw, str):
            found[place] = draw
        elif isinstance(draw, PlackettLuce):
            softmax[_drawn(decision), draw.temperature].append(place)
        elif isinstance(draw, Thompson):
            found[place] = _of_uplifts(decision)
        else:
            found[place] = _of_swaps(decision, draw.epsilon)
    for (slots, temperature), places in softmax.items():
        width = max(len(decisions[place].items) for place in places)
        at_once = max(1, _CELLS // (width * slots))
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            block = [decisions[place] for place in some]
            raced = _of_softmax(block, slots, temperature=temperature)
            for place, each in zip(some, raced, strict=True):
                found[place] = each
    return found


def _drawn(decision: Decision) -> int:
    return min(decision.slots, len(decision.shown))


def _draw(decision: Decision) -> Draw | str:
    if decision.fallback is not None:
        return "fallback"
    if decision.holdout:
        return "holdout"
    if decision.exploration is None or not decision.explored or not decision.slots:
        return "nothing drawn"
    try:
        draw = Exploration(**decision.exploration).draw
    except (CausalRankerError, TypeError):
        return "unknown draw"
    if decision.constrained is not False:
        return "rules"
    shown = len(decision.shown)
    if decision.slots < shown < len(decision.items):
        return "longer than what is drawn"
    score = decision.score
    if score is None or len(score) != len(decision.items) or not np.isfinite(score).all():
        return "scores missing"
    if len(decision.propensity) < _drawn(decision):
        return "chances missing"
    if isinstance(draw, Thompson) and not _are_deviations(decision.deviation, len(score)):
        return "deviations missing"
    return draw


def _are_deviations(told: list[float] | None, n: int) -> bool:
    return told is not None and len(told) == n and all(0 < each < np.inf for each in told)


def _of_softmax(
    decisions: Sequence[Decision], slots: int, *, temperature: float
) -> list[Chances | str]:
    scores = np.full((len(decisions), max(len(each.items) for each in decisions)), -np.inf)
    for row, each in enumerate(decisions):
        scores[row, : len(each.items)] = each.score
    top = np.array([each.shown[:slots] for each in decisions], dtype=np.int64)
    given = conditional_propensities(scores, top, temperature=temperature)
    by_slot = slot_propensities(scores, slots, temperature=temperature)
    inclusion = by_slot.sum(axis=2)
    slot = np.take_along_axis(by_slot, top[:, :, None], axis=1)[:, range(slots), range(slots)]
    return [
        _checked(each, given[row], inclusion[row, : len(each.items)], slot[row])
        for row, each in enumerate(decisions)
    ]


def _of_uplifts(decision: Decision) -> Chances | str:
    mean, sd = np.array(decision.score), np.array(decision.deviation)
    slots = _drawn(decision)
    top = decision.shown[:slots]
    try:
        order = LargestFirst(mean, sd, places=slots)
        given = np.array([order.next(item) for item in top])
        by_slot = largest_by_place(mean, sd, places=slots)
    except RowError:
        return "deviations too small"
    return _checked(decision, given, by_slot.sum(axis=1), by_slot[top, np.arange(slots)])


def _of_swaps(decision: Decision, epsilon: float) -> Chances | str:
    n, slots = len(decision.items), _drawn(decision)
    base = np.argsort(-np.asarray(decision.base_score), kind="stable")
    order = base[np.argsort(-np.asarray(decision.score)[base], kind="stable")]
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    # Who stands where when a slot is filled, to see that the record is of such a draw.
    standing, given = order.copy(), np.empty(slots)
    for slot, item in enumerate(decision.shown[:slots]):
        here = int(np.flatnonzero(standing == item)[0])
        given[slot] = epsilon / (n - slot) + (1 - epsilon) * (here == slot)
        standing[slot], standing[here] = standing[here], standing[slot]
    by_slot = _swapped(n, slots, epsilon)[rank]
    at_place = by_slot[decision.shown[:slots], np.arange(slots)]
    return _checked(decision, given, by_slot.sum(axis=1), at_place)


def _checked(decision: Decision, given: Array, inclusion: Array, slot: Array) -> Chances | str:
    """Refuse a record whose conditional chances are not those of its scores."""
    told = np.array(decision.propensity[: given.size])
    if not np.allclose(given, told, rtol=_CLOSE, atol=_CLOSE):
        return "other chances"
    shown = len(decision.shown)
    if shown == len(decision.items):  # everything is shown, however far was drawn
        inclusion = np.ones(shown)
    behind = np.full(shown - slot.size, np.nan)
    return Chances(np.minimum(inclusion, 1.0), np.concatenate([slot, behind]))


@lru_cache(maxsize=64)
def _swapped(n: int, slots: int, epsilon: float) -> Array:
    return swapped_slot_propensities(n, slots, epsilon=epsilon)
