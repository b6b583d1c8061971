"""Every causal-balanced list of two short lists, with its chance, by trying all of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction


def every_list(
    first: tuple[int, ...], second: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Fraction]]:
    """Yield each list with its chance; lists that come about in several ways come several times."""

    def go(
        chosen: tuple[int, ...], turn: int, chance: Fraction
    ) -> Iterator[tuple[tuple[int, ...], Fraction]]:
        if len(chosen) == len(first):
            yield chosen, chance
            return
        left = [item for item in (first, second)[turn] if item not in chosen]
        for item in left:
            yield from go((*chosen, item), 1 - turn, chance / len(left))

    for start in (0, 1):
        yield from go((), start, Fraction(1, 2))


def chance_of(item: int, first: tuple[int, ...], second: tuple[int, ...]) -> Fraction:
    return sum((p for shown, p in every_list(first, second) if item in shown), Fraction(0))
