"""Warm items and their audiences: what post-processing learns from, in blocks of items.

New scores are linear in ``[v, 1]``, v an item's embedding. What is added to the scores of the
positives enters a ridge regression, so that a matrix of users x items is never built.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import FactoredScores, with_one
from causal_ranker.errors import ConfigError, EmptyError, SchemaError

__all__ = ["WarmItems"]

#: Scores looked at together: 16 MiB of them in float32.
_CELLS = 1 << 22
#: The intercept moves freely; this, as a share of the items, only keeps the system regular.
_FREE = 1e-9


class WarmItems:
    """Scores of warm items, and who of their audience has which.

    Items without audience teach nothing and are left out; ``items_left_out`` counts them.

    Parameters
    ----------
    scores : FactoredScores
        Of the warm items.
    audience : Audience
        Their positives, shape (n_users, n_warm).

    Raises
    ------
    SchemaError
        If the shapes do not fit each other.
    EmptyError
        If no warm item has an audience.
    """

    def __init__(self, scores: FactoredScores, *, audience: Audience) -> None:
        if audience.matrix.shape != scores.shape:
            raise SchemaError(
                expected=f"an audience of shape {scores.shape}, as the warm scores are",
                came=f"one of shape {audience.matrix.shape}",
                do="Pass the users and items that the audience was built for.",
            )
        liked = audience.matrix.tocsc()
        known = np.flatnonzero(np.diff(liked.indptr))
        if not known.size:
            raise EmptyError(
                expected="positives of warm items", came="none", do="Check the training pairs."
            )
        self.items_left_out = scores.shape[1] - known.size
        liked = liked[:, known]
        self.scores = scores.of_items(known)
        self.users: NDArray[np.int64] = liked.indices.astype(np.int64)
        self.ends: NDArray[np.int64] = liked.indptr.astype(np.int64)
        self.sizes: NDArray[np.int64] = np.diff(self.ends)
        self.items: NDArray[np.int64] = np.repeat(np.arange(known.size), self.sizes)
        self._design = with_one(self.scores.items)
        wide = self._design.astype(np.float64)
        self._gram = wide.T @ wide

    @property
    def unchanged(self) -> NDArray[np.float64]:
        """Weights that leave all scores as they are, shape (width + 1, n_users)."""
        users = self.scores.users.astype(np.float64)
        return np.vstack([users.T, np.zeros(len(users))])

    def positive_scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Score the positives, item by item.

        Parameters
        ----------
        weights : numpy.ndarray
            Shape (width + 1, n_users).

        Returns
        -------
        numpy.ndarray
            Shape (n_positives,), in the order of `users` and `items`.
        """
        narrow = weights.astype(np.float32)
        step = max(1, _CELLS // narrow.shape[1])
        parts = []
        for start in range(0, len(self.sizes), step):
            block = self._design[start : start + step] @ narrow
            rows = slice(self.ends[start], self.ends[min(start + step, len(self.sizes))])
            parts.append(block[self.items[rows] - start, self.users[rows]])
        return np.concatenate(parts).astype(np.float64)

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average over the audience of each item.

        Parameters
        ----------
        values : numpy.ndarray
            Shape (n_positives,).

        Returns
        -------
        numpy.ndarray
            Shape (n_warm,).
        """
        return np.add.reduceat(values, self.ends[:-1]) / self.sizes

    def moved(self, added: NDArray[np.float64], *, l2: float) -> NDArray[np.float64]:
        """Regress what is to be added to the positives' scores, and 0 elsewhere, on ``[v, 1]``.

        Parameters
        ----------
        added : numpy.ndarray
            Shape (n_positives,).
        l2 : float
            Ridge penalty above 0, in units of the mean eigenvalue of ``V'V``, so that it means
            the same whatever the scale of scores. Shrinkage is towards adding nothing.

        Returns
        -------
        numpy.ndarray
            Shape (width + 1, n_users): weights to add.

        Raises
        ------
        ConfigError
            If the penalty is not above 0, or all embeddings are 0.
        """
        width = len(self._gram) - 1
        unit = float(np.trace(self._gram[:width, :width])) / width
        if not (0 < l2 < np.inf and unit > 0):
            raise ConfigError(
                expected="l2 above 0, and embeddings that are not all 0",
                came=f"l2 = {l2!r}, mean square {unit / len(self.sizes):.3g}",
                do="Choose for example l2 = 1.",
            )
        shape = (len(self.sizes), self.scores.shape[0])
        sparse = csr_array((added, self.users, self.ends), shape=shape)
        penalty = np.full(width + 1, l2 * unit)
        penalty[-1] = _FREE * len(self.sizes)
        wanted = (sparse.T @ self._design.astype(np.float64)).T
        solved: NDArray[np.float64] = np.linalg.solve(self._gram + np.diag(penalty), wanted)
        return solved
