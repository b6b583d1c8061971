"""Metadata alignment in closed form, after the idea of MARec (Monteil et al., RecSys 2024).

A linear item-to-item model needs co-plays, which a new item lacks. Likeness of content is aligned
with co-plays of warm items, and then stands in for them. What is simpler here than in the paper:
content is one block of columns with a non-negative weight each, and its interactions of second
order are the square of the likeness, not features of their own; the padding weighs every user
alike; the item-to-item model is fitted to warm items only, so that a new item needs no new fit;
and its diagonal is free, because a new item cannot predict itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import nnls
from scipy.sparse import csr_array

from causal_ranker.coldstart.model import ColdStartConfig, ColdStartModel, State, Training
from causal_ranker.coldstart.ranking import rows_at_once

__all__ = ["MetadataAlignment", "MetadataAlignmentConfig"]

# Of the mean diagonal: keeps the normal equations of the alignment regular.
_JITTER = 1e-6


class MetadataAlignmentConfig(ColdStartConfig):
    """Settings of the alignment.

    Parameters
    ----------
    padding : float
        Weight of what likeness says of an item beside what users did.
    likeness_l2 : float
        Penalty of the step from likeness to a new item's place among the warm ones, above 0.
    l2 : float
        Penalty of the item-to-item model, above 0.
    without_content : {"raise", "mean"}
        As in `ColdStartConfig`.
    seed : int
        As there.
    """

    padding: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    likeness_l2: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    l2: float = Field(default=500.0, gt=0, allow_inf_nan=False)


class MetadataAlignment(ColdStartModel[MetadataAlignmentConfig]):
    """Likeness of content, aligned with co-plays, in an item-to-item model.

    With X the positives and S the cosines of their columns, weights ``a >= 0`` of the columns of
    content minimise ``sum_{i != j} (S_ij - sum_k a_k c_ik c_jk)^2``. The likeness G is the square
    of the cosine of content so weighted, and ``A = (G + likeness_l2 I)^-1``. Each user's row is
    padded, ``Z = X + padding X A G``, and an item with likeness g to the warm ones scores
    ``z_u (Z'Z + l2 I)^-1 Z'X A g``. Its embedding is g: as wide as there are warm items.
    """

    settings = MetadataAlignmentConfig

    def _learn(self, training: Training) -> State:
        config = self._config
        played = training.interactions.matrix
        aligned = _alignment(training.interactions.matrix, training.content.astype(np.float64))
        known = _directions(training.content, aligned)
        likeness = np.square(known.astype(np.float64) @ known.T)
        # Z = X B and X A are never built: all that is solved for is as wide as the warm items.
        count = len(likeness)
        placed = np.linalg.solve(_raised(likeness, config.likeness_l2), np.eye(count))
        padded = np.eye(count) + config.padding * (placed @ likeness)
        together = padded.T @ (played.T @ played).toarray()
        passed = np.linalg.solve(_raised(together @ padded, config.l2), together @ placed)
        return {
            "users": _product(played, padded @ passed),
            "known": known,
            "alignment": aligned.astype(np.float32),
        }

    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        likeness = _directions(content, state["alignment"]) @ state["known"].T
        return np.asarray(np.square(likeness))


def _product(played: csr_array, weights: NDArray[np.float64]) -> NDArray[np.float32]:
    product = np.empty((played.shape[0], weights.shape[1]), dtype=np.float32)
    step = rows_at_once(weights.shape[1])
    for start in range(0, len(product), step):
        product[start : start + step] = played[start : start + step] @ weights
    return product


def _alignment(played: csr_array, content: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve for the weights of columns; the sums leave out pairs of an item with itself."""
    lengths = np.sqrt(np.asarray(played.sum(axis=0), dtype=np.float64).ravel())
    cosines = (played.T @ played).toarray() / np.maximum(np.outer(lengths, lengths), 1.0)
    np.fill_diagonal(cosines, 0.0)
    squares = np.square(content)
    gram = np.square(content.T @ content) - squares.T @ squares
    right = np.einsum("ik,ik->k", content, cosines @ content)
    gram += _JITTER * np.trace(np.square(content.T @ content)) / len(gram) * np.eye(len(gram))
    half = np.linalg.cholesky(gram)
    weights, _ = nnls(half.T, np.linalg.solve(half, right))
    return np.asarray(weights, dtype=np.float64)


def _directions(
    content: NDArray[np.float32], alignment: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Scale rows of weighted content to length 1; 0 where no column with a weight says anything."""
    weighted = content * np.sqrt(alignment)
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    rows = np.zeros(content.shape, dtype=np.float32)
    np.divide(weighted, lengths, out=rows, where=lengths > 0, casting="same_kind")
    return rows


def _raised(gram: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    return gram + l2 * np.eye(len(gram))
