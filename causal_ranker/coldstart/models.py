"""Embeddings for items without logs, from their content.

All models stand behind one door: `fit` on warm items, `item_embeddings` for any content, and
`score` as the product with user embeddings.
"""

from __future__ import annotations

from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.coldstart.ranking import checked_embeddings
from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError

__all__ = ["ColdStartModel", "DeepMusicRidge", "NearestNeighbours"]

_BLOCK = 1024


class ColdStartModel(Protocol):
    """What every cold-start model can do."""

    def fit(
        self, warm_embeddings: NDArray[np.floating], content: NDArray[np.floating]
    ) -> ColdStartModel:
        """Learn from warm items.

        Parameters
        ----------
        warm_embeddings : numpy.ndarray
            Shape (n_warm, width): what collaborative filtering learned of them.
        content : numpy.ndarray
            Shape (n_warm, n_content): what is known of them without logs.

        Returns
        -------
        ColdStartModel
            Itself.
        """
        ...

    def item_embeddings(self, content: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embed items by their content.

        Parameters
        ----------
        content : numpy.ndarray
            Shape (n_items, n_content).

        Returns
        -------
        numpy.ndarray
            Shape (n_items, width).
        """
        ...


class NearestNeighbours:
    """The mean embedding of the warm items whose content is nearest, by cosine.

    Parameters
    ----------
    neighbours : int
        How many warm items to average; ties go to the earlier warm item.
    """

    def __init__(self, *, neighbours: int = 20) -> None:
        self.neighbours = neighbours

    def fit(self, warm_embeddings: NDArray[np.floating], content: NDArray[np.floating]) -> Self:
        """Keep the warm items.

        Parameters
        ----------
        warm_embeddings : numpy.ndarray
            Shape (n_warm, width).
        content : numpy.ndarray
            Shape (n_warm, n_content).

        Returns
        -------
        NearestNeighbours
            Itself.

        Raises
        ------
        ConfigError
            If there are fewer warm items than neighbours.
        SchemaError, RowError
            If the arrays do not fit, or an item has no content (all zeros).
        """
        vectors, described = _warm(warm_embeddings, content)
        if not 1 <= self.neighbours <= len(vectors):
            raise ConfigError(
                expected=f"neighbours from 1 to {len(vectors)}, the number of warm items",
                came=str(self.neighbours),
                do="Ask for fewer neighbours.",
            )
        self._vectors, self._content = vectors, _directions(described)
        return self

    def item_embeddings(self, content: NDArray[np.floating]) -> NDArray[np.float32]:
        """Average the embeddings of the nearest warm items.

        Parameters
        ----------
        content : numpy.ndarray
            Shape (n_items, n_content).

        Returns
        -------
        numpy.ndarray
            Shape (n_items, width).

        Raises
        ------
        NotFittedError
            Before `fit`.
        SchemaError, RowError
            If the content's width changed, or an item has none.
        """
        known = _fitted(self, "_content")
        wanted = _directions(_same_width(content, known.shape[1]))
        parts = []
        for start in range(0, len(wanted), _BLOCK):
            likeness = wanted[start : start + _BLOCK] @ known.T
            nearest = np.argsort(-likeness, axis=1, kind="stable")[:, : self.neighbours]
            parts.append(self._vectors[nearest].mean(axis=1, dtype=np.float64))
        return np.concatenate(parts).astype(np.float32)


class DeepMusicRidge:
    """Embeddings regressed on content by ridge: DeepMusic (van den Oord et al., 2013), linear.

    ``min_W sum_i |v_i - W c_i - b|^2 + l2 |W|^2``; the intercept b is not penalised.

    Parameters
    ----------
    l2 : float
        Penalty, above 0.
    """

    def __init__(self, *, l2: float = 10.0) -> None:
        self.l2 = l2

    def fit(self, warm_embeddings: NDArray[np.floating], content: NDArray[np.floating]) -> Self:
        """Solve the ridge regression.

        Parameters
        ----------
        warm_embeddings : numpy.ndarray
            Shape (n_warm, width).
        content : numpy.ndarray
            Shape (n_warm, n_content).

        Returns
        -------
        DeepMusicRidge
            Itself.

        Raises
        ------
        ConfigError
            If the penalty is not above 0.
        SchemaError, RowError
            If the arrays do not fit, or an item has no content (all zeros).
        """
        if not self.l2 > 0:
            raise ConfigError(
                expected="a penalty l2 above 0",
                came=f"l2 = {self.l2!r}",
                do="Choose for example 10.",
            )
        vectors, described = (part.astype(np.float64) for part in _warm(warm_embeddings, content))
        _directions(described)
        self._center, self._mean = described.mean(axis=0), vectors.mean(axis=0)
        centered = described - self._center
        gram = centered.T @ centered + self.l2 * np.eye(centered.shape[1])
        self._weights = np.linalg.solve(gram, centered.T @ (vectors - self._mean))
        return self

    def item_embeddings(self, content: NDArray[np.floating]) -> NDArray[np.float32]:
        """Predict embeddings from content.

        Parameters
        ----------
        content : numpy.ndarray
            Shape (n_items, n_content).

        Returns
        -------
        numpy.ndarray
            Shape (n_items, width).

        Raises
        ------
        NotFittedError
            Before `fit`.
        SchemaError, RowError
            If the content's width changed, or an item has none.
        """
        weights = _fitted(self, "_weights")
        wanted = _same_width(content, weights.shape[0])
        _directions(wanted)
        return np.asarray((wanted - self._center) @ weights + self._mean, dtype=np.float32)


def _warm(
    vectors: NDArray[np.floating], content: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    checked = checked_embeddings(vectors, name="warm_embeddings")
    described = checked_embeddings(content, name="content")
    if len(checked) != len(described):
        raise SchemaError(
            expected=f"content of {len(checked)} warm items, one row for each embedding",
            came=f"{len(described)} rows",
            do="Pass both in the same order.",
        )
    return checked, described


def _same_width(content: NDArray[np.floating], width: int) -> NDArray[np.float32]:
    described = checked_embeddings(content, name="content")
    if described.shape[1] != width:
        raise SchemaError(
            expected=f"{width} columns of content, as in fit",
            came=f"{described.shape[1]} columns",
            do="Encode new items with the encoder of the warm ones.",
        )
    return described


def _directions(content: NDArray[np.floating]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(content, axis=1, keepdims=True)
    bare = np.flatnonzero(lengths[:, 0] == 0)
    if bare.size:
        raise RowError(
            expected="some content for every item",
            came=f"{bare.size} of {len(content)} items with none (all zeros), e.g. rows "
            f"{bare[:3].tolist()}",
            do="Leave them out, or add a column for 'unknown'.",
        )
    return np.asarray(content / lengths, dtype=np.float32)


def _fitted(model: object, name: str) -> NDArray[np.float32]:
    if not hasattr(model, name):
        raise NotFittedError(
            expected=f"a fitted {type(model).__name__}", came="one before fit", do="Call fit first."
        )
    value: NDArray[np.float32] = getattr(model, name)
    return value
