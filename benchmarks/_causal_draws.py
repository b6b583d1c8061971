"""What a method is given of a world of pairs: two logs with propensities, and no truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from benchmarks._spent import Spent, spending
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense
from causal_ranker.uplift.collaborative.propensities import with_propensities

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairDraw, PairWorld

__all__ = ["Given", "Knows", "given"]

#: Which propensities a method learns by.
Knows = Literal["true", "estimated"]


@dataclass(frozen=True)
class Given:
    """Two logs of the same users and items, one after the other.

    Parameters
    ----------
    train, validate : mapping of {"true", "estimated"} to Interactions
        The same log with each kind of propensity.
    estimating : Spent
        What the propensities of both logs took.
    seed : int
        Of fits.
    """

    train: Mapping[Knows, Interactions]
    validate: Mapping[Knows, Interactions]
    estimating: Spent
    seed: int


def given(train: PairDraw, validate: PairDraw, *, world: PairWorld, seed: int) -> Given:
    """List what happened in two draws, and estimate propensities.

    Parameters
    ----------
    train, validate : PairDraw
        The draws.
    world : PairWorld
        Read for its propensities alone.
    seed : int
        Of fits.

    Returns
    -------
    Given
        Exposures, plays and propensities; no outcome that did not happen.
    """
    with spending() as spent:
        estimated = [_estimated(each, seed=seed) for each in (train, validate)]
    true = [
        from_dense(each.exposed, each.played, propensity=world.propensity)
        for each in (train, validate)
    ]
    logs: list[dict[Knows, Interactions]] = [
        {"true": known, "estimated": fitted} for known, fitted in zip(true, estimated, strict=True)
    ]
    return Given(logs[0], logs[1], estimating=spent, seed=seed)


def _estimated(log: PairDraw, *, seed: int) -> Interactions:
    return with_propensities(from_dense(log.exposed, log.played), "fitted", seed=seed)
