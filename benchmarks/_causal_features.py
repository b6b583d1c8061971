"""What a log tells of each pair of the next one, as columns for the tabular learners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["PairTable", "dense", "pair_table"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: Pairs of the average rate that each user's and item's own rate is mixed with.
_PRIOR: Final = 5.0


@dataclass(frozen=True)
class PairTable:
    """Columns of all pairs, by user, then by item.

    Parameters
    ----------
    features : ndarray of float32, shape (users * items, n_features)
        What is known of each pair.
    names : tuple of str
        Of the columns.
    """

    features: Floats
    names: tuple[str, ...]


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


def pair_table(log: Interactions, *, scores: dict[str, Floats]) -> PairTable:
    """Describe every pair by a log, and by scores that models made of the same log.

    Parameters
    ----------
    log : Interactions
        An earlier log than the one whose outcomes are learned.
    scores : dict of str to ndarray, shape (n_users, n_items)
        Of models that were fitted on it.

    Returns
    -------
    PairTable
        The pair's own exposure and play; of its item and of its user, rates of plays when shown
        and when not, of exposures and of plays; and the scores.
    """
    exposed, played = dense(log)
    columns: dict[str, NDArray[np.floating | np.bool_]] = {"shown": exposed, "played": played}
    for axis, whose in enumerate(("item", "user")):
        for name, rate in _rates(exposed, played, axis=axis).items():
            columns[f"{whose}_{name}"] = np.expand_dims(rate, axis)
    columns |= scores
    features = np.empty((exposed.size, len(columns)), dtype=np.float32)
    for place, column in enumerate(columns.values()):
        features[:, place] = np.broadcast_to(column, exposed.shape).reshape(-1)
    return PairTable(features, tuple(columns))


def _rates(exposed: Bools, played: Bools, *, axis: int) -> dict[str, NDArray[np.float64]]:
    def rate(hits: Bools, trials: Bools) -> NDArray[np.float64]:
        prior = hits.sum() / max(trials.sum(), 1)
        mixed = hits.sum(axis=axis) + _PRIOR * prior
        return np.asarray(mixed / (trials.sum(axis=axis) + _PRIOR))

    return {
        "played_if_shown": rate(played & exposed, exposed),
        "played_if_not": rate(played & ~exposed, ~exposed),
        "shown": exposed.mean(axis=axis),
        "played": played.mean(axis=axis),
    }
