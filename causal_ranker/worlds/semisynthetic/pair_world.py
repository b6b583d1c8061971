"""Every (user, item) pair of a world whose potential outcomes are known.

A world is three dense arrays: P(T = 1), P(Y(1) = 1) and P(Y(0) = 1) of each pair. Sato et al.
(RecSys 2020) draw T, Y(1) and Y(0) from them independently, once to train, once to validate and
once to test. A method sees T and Y = T Y(1) + (1 - T) Y(0), and the propensity where it may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.seeds import stage_rng, stage_seed

__all__ = ["PairDraw", "PairWorld", "ThreeDraws"]


@dataclass(frozen=True)
class PairDraw:
    """One draw of a world: what happened, and what would have.

    Parameters
    ----------
    exposed : ndarray of bool, shape (n_users, n_items)
        T: the item was shown to the user.
    played_if_shown, played_if_not : ndarray of bool, shape (n_users, n_items)
        Y(1) and Y(0).
    """

    exposed: NDArray[np.bool_]
    played_if_shown: NDArray[np.bool_]
    played_if_not: NDArray[np.bool_]

    @property
    def played(self) -> NDArray[np.bool_]:
        """Y, the outcome that a log would tell; shape (n_users, n_items)."""
        return np.where(self.exposed, self.played_if_shown, self.played_if_not)

    @property
    def effect(self) -> NDArray[np.int8]:
        """Y(1) - Y(0), which no log tells: -1, 0 or 1; shape (n_users, n_items)."""
        return self.played_if_shown.astype(np.int8) - self.played_if_not.astype(np.int8)


class ThreeDraws(NamedTuple):
    """Independent draws of one world.

    Parameters
    ----------
    train, validate, test : PairDraw
        Fit on the first, choose settings on the second, judge on the third.
    """

    train: PairDraw
    validate: PairDraw
    test: PairDraw


@dataclass(frozen=True)
class PairWorld:
    """Probabilities of exposure and of play for every (user, item) pair.

    Parameters
    ----------
    name : str
        ``"grocery"``, ``"grocery_personalized"`` or ``"films"``.
    users : ndarray, shape (n_users,)
        Ids in the source, all different; a row of the arrays each.
    items : ndarray, shape (n_items,)
        Ids in the source, all different; a column of the arrays each.
    played_if_shown, played_if_not : ndarray of float32, shape (n_users, n_items)
        P(Y(1) = 1) and P(Y(0) = 1), in [0, 1].
    propensity : ndarray of float32, shape (n_users, n_items)
        P(T = 1), strictly between 0 and 1.
    statistics : Mapping of str to float
        What the world is like (see `causal_ranker.worlds.semisynthetic.statistics`).

    Raises
    ------
    SchemaError
        If an array is not float32, or not of shape (n_users, n_items), or an id occurs twice.
    RowError
        If a probability is outside its bounds or NaN.
    """

    name: str
    users: NDArray[np.generic]
    items: NDArray[np.generic]
    played_if_shown: NDArray[np.float32]
    played_if_not: NDArray[np.float32]
    propensity: NDArray[np.float32]
    statistics: Mapping[str, float]

    def __post_init__(self) -> None:
        shape = (len(self.users), len(self.items))
        for name, ids in (("users", self.users), ("items", self.items)):
            if np.unique(ids).size != len(ids):
                raise SchemaError(
                    expected=f"each id once in {name}",
                    came=f"{len(ids) - np.unique(ids).size} repeated",
                    do="Give every row and column of the arrays an id of its own.",
                )
        for name in ("played_if_shown", "played_if_not", "propensity"):
            self._check(name, getattr(self, name), shape=shape)

    def _check(self, name: str, values: NDArray[np.float32], *, shape: tuple[int, int]) -> None:
        if values.shape != shape or values.dtype != np.float32:
            raise SchemaError(
                expected=f"{name} as float32 of shape {shape}, a row per user, a column per item",
                came=f"{values.dtype} of shape {values.shape}",
                do="Pass one number for each pair of users and items.",
            )
        inside = name == "propensity"
        right = (values > 0) & (values < 1) if inside else (values >= 0) & (values <= 1)
        if not right.all():
            user, item = np.argwhere(~right)[0]
            raise RowError(
                expected=f"{name} {'strictly inside (0, 1)' if inside else 'in [0, 1]'}",
                came=f"{int((~right).sum())} pairs outside, the first {values[user, item]} "
                f"(user {self.users[user]}, item {self.items[item]})",
                do="Keep pairs whose probabilities are known and, for T, leave room for both arms.",
            )

    @property
    def effect(self) -> NDArray[np.float32]:
        """Expected tau = P(Y(1) = 1) - P(Y(0) = 1); shape (n_users, n_items)."""
        return self.played_if_shown - self.played_if_not

    def draw(self, *, seed: int) -> PairDraw:
        """Draw T, Y(1) and Y(0) of each pair, independently of one another.

        Parameters
        ----------
        seed : int
            Equal seeds give equal draws. Each of the three has a stream of its own.

        Returns
        -------
        PairDraw
            Three bool arrays.
        """

        def happens(what: str, probability: NDArray[np.float32]) -> NDArray[np.bool_]:
            rng = stage_rng(seed, f"semisynthetic/{self.name}/{what}")
            return rng.random(probability.shape, dtype=np.float32) < probability

        return PairDraw(
            exposed=happens("exposed", self.propensity),
            played_if_shown=happens("played_if_shown", self.played_if_shown),
            played_if_not=happens("played_if_not", self.played_if_not),
        )

    def draw_three(self, *, seed: int) -> ThreeDraws:
        """Draw once to train, once to validate and once to test.

        The seed of each is ``stage_seed(seed, "train")``, ``stage_seed(seed, "validate")`` and
        ``stage_seed(seed, "test")``: one can be drawn again without the others.

        Parameters
        ----------
        seed : int
            Seed of the run.

        Returns
        -------
        ThreeDraws
            Independent of one another, given the world.
        """
        return ThreeDraws(*(self.draw(seed=stage_seed(seed, part)) for part in ThreeDraws._fields))
