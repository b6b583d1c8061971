"""Which cells of the features have no overlap, in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cell", "worst_cells"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_CELLS = 3
_BINS = 40
_FEWEST = 5  # rows of a cell
_CLEAR = 0.5  # share of a cell that lies on one side of the band
_SHARPER = 0.1  # what a second condition must add to that share, to be worth its words
_ALL = "all rows"
_LEFT = 0.05  # share of the rows outside that may stay without a name


@dataclass(frozen=True)
class Cell:
    """Rows of which one arm has few to speak of.

    Attributes
    ----------
    condition : str
        Which rows, e.g. ``"price > 1.3 and category = 7"``; ``"all rows"`` or ``"all other
        rows"`` where most lie outside and no feature tells which.
    rows : int
        Number of rows.
    propensity : float
        Weighted mean of their propensities.
    share_outside : float
        Weighted share of them outside the overlap band.
    """

    condition: str
    rows: int
    propensity: float
    share_outside: float

    def __str__(self) -> str:
        return f"{self.condition} ({self.rows} rows, propensity {self.propensity:.3f} on average)"


def worst_cells(
    features: NDArray[np.float32],
    propensity: Array,
    *,
    weight: Array,
    names: Sequence[str],
    categorical: Collection[str],
    lowest: float,
) -> tuple[Cell, ...]:
    """Find the cells whose propensities lie outside the band.

    Greedily: the one condition (a side of a quantile of a feature, a level, missing) that tells
    most about who lies beyond one end of the band; a second condition where it makes the cell
    clearer; then the same among the rows that are left.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features); NaN is missing.
    propensity : numpy.ndarray
        In [0, 1], shape (n_rows,).
    weight : numpy.ndarray
        Analysis weights.
    names : sequence of str
        Names of the features.
    categorical : collection of str
        Features whose values are category codes.
    lowest : float
        The band is [lowest, 1 - lowest].

    Returns
    -------
    tuple of Cell
        At most three; none where no cell lies mostly outside.
    """
    sides = (propensity < lowest, propensity > 1 - lowest)
    outside = sides[0] | sides[1]
    if not outside.any():
        return ()
    questions = [
        _Question(name, features[:, place], category=name in categorical)
        for place, name in enumerate(names)
    ]

    def cell(condition: str, rows: Mask) -> Cell:
        return Cell(
            condition=condition,
            rows=int(rows.sum()),
            propensity=float(np.average(propensity[rows], weights=weight[rows])),
            share_outside=float(weight[rows & outside].sum() / weight[rows].sum()),
        )

    left = np.ones(len(propensity), dtype=bool)
    found: list[Cell] = []
    while len(found) < _CELLS:
        if weight[left & outside].sum() <= _LEFT * weight[outside].sum():
            break
        answers = [_best(questions, side, weight, left) for side in sides]
        best = max(answers, key=lambda each: (each.share >= _CLEAR, each.gain))
        if best.share < _CLEAR:
            break
        found.append(cell(best.text or ("all other rows" if found else _ALL), best.rows))
        left &= ~best.rows
    everyone = np.ones(len(propensity), dtype=bool)
    if not found and weight[outside].sum() >= _CLEAR * weight.sum():
        return (cell(_ALL, everyone),)
    return tuple(found)


@dataclass(frozen=True)
class _Answer:
    """A condition: what it tells, its words, its rows, and their share on the side asked about.

    Without words it is that of no question: all rows there are.
    """

    gain: float
    text: str
    rows: Mask
    share: float


class _Question:
    """One feature in bins, and the conditions that can be made of it."""

    def __init__(self, name: str, value: NDArray[np.float32], *, category: bool) -> None:
        self._name, self._category = name, category
        known = value[~np.isnan(value)]
        self._cuts = (
            np.unique(known)
            if category
            else np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS, method="lower"))
            if len(known)
            else known
        )
        #: Numeric: how many cuts lie below the value; missing comes last.
        self._code = np.searchsorted(self._cuts, value, side="left")
        self._code[np.isnan(value)] = len(self._cuts) + 1

    def answers(
        self, at: NDArray[np.int64], weight: Array
    ) -> Iterator[tuple[Array, Callable[[int], tuple[str, Mask]]]]:
        """Return sums of a weight over each condition's rows, and what each condition is."""
        count, code = len(self._cuts), self._code
        sums: Array = np.bincount(code[at], weights=weight, minlength=count + 2).astype(np.float64)
        missing, cuts, name = sums[-1:], self._cuts, self._name
        if self._category:
            yield sums[:count], lambda j: (f"{name} = {cuts[j]:g}", code == j)
        else:
            below: Array = np.cumsum(sums)[:count]
            yield below, lambda j: (f"{name} <= {cuts[j]:.4g}", code <= j)
            yield (
                sums[:-1].sum() - below,
                lambda j: (f"{name} > {cuts[j]:.4g}", (code > j) & (code <= count)),
            )
        yield missing, lambda j: (f"{name} missing", code > count)


def _best(questions: Sequence[_Question], side: Mask, weight: Array, among: Mask) -> _Answer:
    """Return the condition, or pair of them, that tells most about who is on the side."""
    first = _condition(questions, side, weight, among)
    second = _condition(questions, side, weight, first.rows)
    keeps = weight[second.rows & side].sum() >= weight[first.rows & side].sum() / 2
    if second.share > first.share + _SHARPER and keeps:
        return _Answer(first.gain, f"{first.text} and {second.text}", second.rows, second.share)
    return first


def _condition(questions: Sequence[_Question], side: Mask, weight: Array, among: Mask) -> _Answer:
    """Return the condition that explains most of the variance of who is on the side.

    With a weighted share m of the rows meeting it, that is ``m (1 - m)`` times the square of the
    difference between the shares on the side, of those who meet it and of those who do not.
    """
    at = np.flatnonzero(among)
    w = weight[at]
    hit = w * side[at]
    total, hits = w.sum(), hit.sum()
    best = _Answer(0.0, "", among, hits / total if total else 0.0)
    for question in questions:
        asked = zip(
            question.answers(at, np.ones(len(at))),
            question.answers(at, w),
            question.answers(at, hit),
            strict=True,
        )
        for (rows, _), (size, said), (inside, _) in asked:
            fits = (rows >= _FEWEST) & (size > 0) & (size < total)
            share = np.divide(inside, size, out=np.zeros_like(size), where=fits)
            rest = np.divide(hits - inside, total - size, out=np.zeros_like(size), where=fits)
            gain = np.where(
                fits & (share > rest), size * (total - size) * np.square(share - rest), 0
            )
            if gain.size and gain.max() / max(total, 1e-300) ** 2 > best.gain:
                place = int(gain.argmax())
                text, mask = said(place)
                best = _Answer(
                    float(gain[place] / total**2), text, mask & among, float(share[place])
                )
    return best
