"""What a log tells of each pair of the next one, as columns for the tabular learners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_logits import dense
from causal_ranker.uplift.collaborative.base import PairModel
from causal_ranker.uplift.collaborative.features import PairFeatures
from causal_ranker.uplift.collaborative.history import PairHistory
from causal_ranker.uplift.collaborative.interactions import Interactions

__all__ = ["PairTable", "pair_table"]

#: Pairs at the overall rate that each user's and item's rates are mixed with.
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

    features: NDArray[np.float32]
    names: tuple[str, ...]


def pair_table(log: Interactions, methods: Mapping[str, PairModel], *, seed: int) -> PairTable:
    """Describe every pair by a log that is over, by `PairFeatures`.

    Parameters
    ----------
    log : Interactions
        An earlier one than that whose outcomes are learned.
    methods : mapping of str to PairModel
        Models to be fitted on the log, whose scores are columns.
    seed : int
        Of the features.

    Returns
    -------
    PairTable
        Counts and rates of pair, user and item, and scores.
    """
    exposed, played = dense(log)
    propensity = np.full(exposed.shape, np.nan)
    propensity[log.user, log.item] = log.propensity
    user, item = (code.reshape(-1) for code in np.indices(exposed.shape, dtype=np.int32))
    history = PairHistory.of(
        user,
        item,
        treatment=exposed.reshape(-1),
        outcome=played.reshape(-1),
        propensity=propensity.reshape(-1),
        horizon_end=np.zeros(user.size, dtype=np.int64),
    )
    told = PairFeatures(methods, prior_rows=_PRIOR, seed=seed).fit(history)
    return PairTable(*told.block(user, item, at=0))
