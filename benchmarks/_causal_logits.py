"""Log odds of plays and exposures by a low-rank model, as pair models: columns for `stack`."""

from __future__ import annotations

from typing import Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.early import EarlyStop
from causal_ranker.uplift.collaborative.interactions import Interactions
from causal_ranker.uplift.collaborative.logistic_factors import (
    Cells,
    LogisticFactors,
    start_factors,
)

__all__ = ["ODDS", "LogOdds", "dense"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]

Odds = Literal["played_if_shown", "played_if_not", "played", "shown"]
ODDS: Final[tuple[Odds, ...]] = get_args(Odds)
#: At most: those that a log does not need fade out.
_FACTORS: Final = 8
_SWEEPS: Final = 30


def dense(log: Interactions) -> tuple[Bools, Bools]:
    """Return a log's exposures and plays as matrices.

    Parameters
    ----------
    log : Interactions
        The log.

    Returns
    -------
    exposed, played : ndarray of bool, shape (n_users, n_items)
        T and Y.
    """
    exposed, played = np.zeros((2, log.n_users, log.n_items), dtype=bool)
    exposed[log.user, log.item] = log.exposed
    played[log.user, log.item] = log.played
    return exposed, played


class LogOdds:
    """Log odds of a play among pairs that were shown, or were not, or all; or of an exposure.

    Parameters
    ----------
    of : {"played_if_shown", "played_if_not", "played", "shown"}
        Of what.
    seed : int
        Decides where the fit starts.

    Attributes
    ----------
    unseen_ : int
        Always 0: a user or item without a pair is an average one.
    """

    unseen_ = 0

    def __init__(self, of: Odds, *, seed: int) -> None:
        self._of = of
        self._seed = seed
        self._model: LogisticFactors | None = None

    def fit(
        self,
        interactions: Interactions,
        *,
        early: EarlyStop | None = None,
        progress: bool = False,
    ) -> Self:
        """Fit to all pairs that count.

        Parameters
        ----------
        interactions : Interactions
            Who was shown and who played what; propensities are not read.
        early, progress
            Not read: it ends by itself, within seconds.

        Returns
        -------
        LogOdds
            Itself.
        """
        from scipy.sparse import csr_array

        shown, played = dense(interactions)
        everything = np.ones_like(shown)
        counts = {"played_if_shown": shown, "played_if_not": ~shown}.get(self._of, everything)
        ones = counts & (shown if self._of == "shown" else played)
        share = (ones.sum() + 0.5) / (counts.sum() + 1)
        model = start_factors(
            *ones.shape,
            level=float(np.log(share / (1 - share))),
            factors=_FACTORS,
            rng=stage_rng(self._seed, f"causal_ranking/{self._of}"),
        )
        left_out = None if counts.all() else csr_array((~counts).astype(np.float32))
        cells = Cells(csr_array(ones.astype(np.float32)), left_out)
        model.fit(cells, sweeps=_SWEEPS, advance=lambda: None)
        self._model = model
        return self

    def score(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> Floats:
        """Return log odds of pairs.

        Parameters
        ----------
        user, item : ndarray of int, shape (n,)
            Codes.

        Returns
        -------
        ndarray of float32, shape (n,)
            Natural logarithm.
        """
        assert self._model is not None
        own, other = self._model.users.mean[user], self._model.items.mean[item]
        level = np.float32(self._model.level)
        product: Floats = np.einsum("nk,nk->n", own[:, 1:], other[:, 1:])
        return product + own[:, 0] + other[:, 0] + level

    def score_users(self, user: NDArray[np.int32]) -> Floats:
        """Return log odds of every item for some users.

        Parameters
        ----------
        user : ndarray of int, shape (n,)
            Codes.

        Returns
        -------
        ndarray of float32, shape (n, n_items)
            Natural logarithm.
        """
        assert self._model is not None
        own, other = self._model.users.mean[user], self._model.items.mean
        level = np.float32(self._model.level)
        product: Floats = own[:, 1:] @ other[:, 1:].T
        return product + own[:, :1] + other[:, 0] + level
