"""Labelled rows of a time that is over: what pair models learn from, and pair features count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.pairs import PairCodes, draw_pairs

__all__ = ["PairHistory"]


@dataclass(frozen=True)
class PairHistory:
    """Rows whose horizons have all ended; arrays of shape (n_rows,).

    Attributes
    ----------
    user, item : numpy.ndarray
        Codes of `codes`, int32.
    exposed, played : numpy.ndarray
        T and Y, boolean.
    propensity : numpy.ndarray
        P(T = 1), float64; NaN where unknown, which methods that need one refuse.
    codes : PairCodes
        The ids.
    until : int
        When the last horizon ended, in microseconds since 1970 UTC. A horizon does not hold its
        end, so that all of this was known at that moment.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    exposed: NDArray[np.bool_]
    played: NDArray[np.bool_]
    propensity: NDArray[np.float64]
    codes: PairCodes
    until: int

    @classmethod
    def of(
        cls,
        user: NDArray[Any],
        item: NDArray[Any],
        *,
        treatment: NDArray[Any],
        outcome: NDArray[Any],
        propensity: NDArray[np.float64],
        horizon_end: NDArray[np.int64],
    ) -> Self:
        """Take labelled rows, of which there may be several of a user and an item.

        Parameters
        ----------
        user, item : numpy.ndarray of int or str
            Ids, shape (n_rows,).
        treatment, outcome : numpy.ndarray
            T, 0 or 1, and Y: plays within the horizon, however many.
        propensity : numpy.ndarray
            P(T = 1), in (0, 1), NaN where unknown.
        horizon_end : numpy.ndarray of int64
            Ends of the rows' horizons, in microseconds since 1970 UTC.

        Returns
        -------
        PairHistory
            Up to the last of these ends: rows of a longer log are to be left out before.

        Raises
        ------
        EmptyError
            If there is no row.
        SchemaError
            If the arrays differ in length.
        RowError
            If T is not 0 or 1, Y is no number of plays, or a propensity is known and not strictly
            between 0 and 1.
        """
        lengths = {len(each) for each in (item, treatment, outcome, propensity, horizon_end)}
        if lengths != {len(user)}:
            raise SchemaError(
                expected="arrays of one length",
                came=f"{len(user)} users beside {sorted(lengths)} of the others",
                do="Give one value of each for every row.",
            )
        if not len(user):
            raise EmptyError(
                expected="rows whose horizons have ended",
                came="none",
                do="Give a longer log, or a later end of it.",
            )
        shown, plays = np.asarray(treatment), np.asarray(outcome)
        p = np.asarray(propensity, dtype=np.float64)
        _refuse((shown != 0) & (shown != 1), shown, expected="a treatment of 0 or 1 in every row")
        _refuse(
            ~(np.isfinite(plays) & (plays >= 0)),
            plays,
            expected="a number of plays as the outcome of every row",
        )
        _refuse(
            ~(np.isnan(p) | ((p > 0) & (p < 1))),
            p,
            expected="propensities strictly between 0 and 1, or NaN where unknown",
        )
        users, user_code = np.unique(user, return_inverse=True)
        items, item_code = np.unique(item, return_inverse=True)
        return cls(
            user=user_code.astype(np.int32),
            item=item_code.astype(np.int32),
            exposed=shown == 1,
            played=plays > 0,
            propensity=p,
            codes=PairCodes(users, items),
            until=int(np.max(horizon_end)),
        )

    def pairs(self, *, seed: int) -> Interactions:
        """Draw one row of each pair by lot, for pair models (see `pairs` beside this).

        Parameters
        ----------
        seed : int
            Decides the lots.

        Returns
        -------
        Interactions
            The pairs that were shown or played in the row drawn.

        Raises
        ------
        EmptyError
            If there is none.
        """
        return draw_pairs(
            self.user,
            self.item,
            exposed=self.exposed,
            played=self.played,
            propensity=self.propensity,
            codes=self.codes,
            rng=stage_rng(seed, "pairs"),
        )


def _refuse(bad: NDArray[np.bool_], values: NDArray[Any], *, expected: str) -> None:
    if bad.any():
        first = np.flatnonzero(bad)[:3]
        raise RowError(
            expected=expected,
            came=f"{int(bad.sum())} of {bad.size} rows without, e.g. {values[first].tolist()} in "
            f"rows {first.tolist()}",
            do="Drop or mend these rows; what is not known is not a row that was not shown.",
        )
