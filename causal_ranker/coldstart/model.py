"""One door for every cold-start model: `fit` on warm items, then embeddings from content alone.

A model learns arrays, which lie in `state_`: with them and the config it is saved, loaded and
asked, without the library that trained it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.base import BaseEstimator

from causal_ranker.coldstart.ranking import Audience, checked_embeddings
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError, NotFittedError, RowError, SchemaError

__all__ = ["ColdStartConfig", "ColdStartModel", "State", "Training", "Validation", "WarmEmbeddings"]

State = dict[str, NDArray[np.float32]]


class ColdStartConfig(FrozenConfig):
    """What all cold-start models are told.

    Parameters
    ----------
    without_content : {"raise", "mean"}
        What becomes of an item whose content is all zeros: an error, or the mean embedding of the
        warm items, counted in `fallbacks_`.
    seed : int
        Decides everything random.
    """

    without_content: Literal["raise", "mean"] = "raise"
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class WarmEmbeddings:
    """What collaborative filtering learned: a score is the product of two rows.

    Parameters
    ----------
    users : numpy.ndarray
        Shape (n_users, width).
    items : numpy.ndarray
        Shape (n_warm, width): items with logs.
    """

    users: NDArray[np.floating]
    items: NDArray[np.floating]


@dataclass(frozen=True)
class Validation:
    """Cold items on which training decides when to stop.

    Parameters
    ----------
    content : numpy.ndarray
        Shape (n_items, n_content).
    audience : Audience
        Their positives, shape (n_users, n_items).
    """

    content: NDArray[np.floating]
    audience: Audience


@dataclass(frozen=True)
class Training:
    """Checked input of `ColdStartModel.fit`.

    Parameters
    ----------
    users, items, content : numpy.ndarray
        Float32, shapes (n_users, width), (n_warm, width) and (n_warm, n_content).
    interactions : Audience
        Positives, shape (n_users, n_warm).
    validation : Validation or None
        Cold items to stop by.
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    content: NDArray[np.float32]
    interactions: Audience
    validation: Validation | None


_Config = TypeVar("_Config", bound=ColdStartConfig)


class ColdStartModel(BaseEstimator, ABC, Generic[_Config]):  # type: ignore[misc]
    """Base of the cold-start models, in scikit-learn's manner.

    Parameters
    ----------
    config : ColdStartConfig, optional
        Settings of this kind of model; its defaults where left out.
    progress : bool
        Draw a bar on standard error while a model that trains in epochs is fitted.

    Attributes
    ----------
    state_ : dict of str to numpy.ndarray
        What was learned. ``users`` are the embeddings that go with `item_embeddings`.
    n_features_in_ : int
        Columns of content.
    users_without_positives_ : int
        Users who liked none of the warm items: their embedding is only what they came with.
    fallbacks_ : int
        Items without content that got the mean embedding, since `fit`.
    """

    settings: ClassVar[type[ColdStartConfig]]

    def __init__(self, config: _Config | None = None, *, progress: bool = False) -> None:
        self.config = config
        self.progress = progress

    @property
    def _config(self) -> _Config:
        return self.settings() if self.config is None else self.config  # type: ignore[return-value]

    @abstractmethod
    def _learn(self, training: Training) -> State:
        """Return what is learned; the entry ``users`` holds the users' side of a score."""

    @abstractmethod
    def _embed(self, content: NDArray[np.float32], *, state: State) -> NDArray[np.float32]:
        """Embed items that all have content, of the right width."""

    def fit(
        self,
        warm_embeddings: WarmEmbeddings,
        content: NDArray[np.floating],
        interactions: Audience,
        *,
        validation: Validation | None = None,
    ) -> Self:
        """Learn from warm items.

        Parameters
        ----------
        warm_embeddings : WarmEmbeddings
            What collaborative filtering learned of users and warm items.
        content : numpy.ndarray
            Shape (n_warm, n_content): what is known of the items without logs.
        interactions : Audience
            Who liked which warm item, shape (n_users, n_warm).
        validation : Validation, optional
            Cold items, of which nothing else is learned; models that train in epochs stop by them.

        Returns
        -------
        ColdStartModel
            Itself.

        Raises
        ------
        ConfigError
            If a setting does not fit the data.
        SchemaError, RowError
            If shapes do not fit each other, a value is not finite, or an item has no content.
        EmptyError
            If there is no warm item, or nobody likes any.
        MissingExtraError
            If the model needs PyTorch and it is not installed.
        """
        training = _checked(warm_embeddings, content, interactions, validation=validation)
        state = self._learn(training)
        # Stored here, so that a fall-back costs a look-up, and is the same after loading.
        state["fallback"] = self._embed(training.content, state=state).mean(axis=0)
        self.n_features_in_ = training.content.shape[1]
        self.users_without_positives_ = int((np.diff(interactions.matrix.indptr) == 0).sum())
        self.fallbacks_ = 0
        self.state_ = state
        return self

    def item_embeddings(self, content: NDArray[np.floating]) -> NDArray[np.float32]:
        """Embed items by their content.

        Parameters
        ----------
        content : numpy.ndarray
            Shape (n_items, n_content).

        Returns
        -------
        numpy.ndarray
            Shape (n_items, width), for products with `user_embeddings`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        SchemaError, RowError
            If the content's width changed, a value is not finite, or an item has no content and
            ``without_content`` is ``"raise"``.
        """
        state = self._fitted()
        described = _same_width(content, self.n_features_in_)
        bare = _bare(described)
        if not bare.any():
            return self._embed(described, state=state)
        if self._config.without_content == "raise":
            raise _no_content(bare)
        vectors = np.tile(state["fallback"], (len(described), 1))
        if not bare.all():
            vectors[~bare] = self._embed(described[~bare], state=state)
        self.fallbacks_ += int(bare.sum())
        return vectors

    def user_embeddings(self) -> NDArray[np.float32]:
        """Give the users' side of a score.

        Returns
        -------
        numpy.ndarray
            Shape (n_users, width): not what `fit` was given where a model transforms users, too.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        return self._fitted()["users"]

    def score(self, users: NDArray[np.integer], items: NDArray[np.floating]) -> NDArray[np.float32]:
        """Score items for users.

        Parameters
        ----------
        users : numpy.ndarray
            Shape (n_asked,): positions of users, as in the embeddings of `fit`.
        items : numpy.ndarray
            Shape (n_items, width): what `item_embeddings` returned.

        Returns
        -------
        numpy.ndarray
            Shape (n_asked, n_items); higher is better.

        Raises
        ------
        NotFittedError
            Before `fit`.
        SchemaError, RowError
            If there is no such user, or these are not embeddings of this model.
        """
        known = self.user_embeddings()
        vectors = checked_embeddings(items, name="items")
        if vectors.shape[1] != known.shape[1]:
            raise SchemaError(
                expected=f"item embeddings of width {known.shape[1]}",
                came=f"width {vectors.shape[1]}",
                do="Pass what item_embeddings returned.",
            )
        asked = np.asarray(users)
        if asked.ndim != 1 or asked.dtype.kind not in "iu":
            raise SchemaError(
                expected="positions of users, whole numbers of shape (n_asked,)",
                came=f"shape {asked.shape} of type {asked.dtype}",
                do="Number users as the rows of their embeddings.",
            )
        outside = np.flatnonzero((asked < 0) | (asked >= len(known)))
        if outside.size:
            raise RowError(
                expected=f"users from 0 to {len(known) - 1}",
                came=f"{outside.size} of {len(asked)} outside, e.g. {asked[outside[:3]].tolist()}",
                do="Number users as the rows of their embeddings.",
            )
        return known[asked] @ vectors.T

    def _fitted(self) -> State:
        if not hasattr(self, "state_"):
            raise NotFittedError(
                expected=f"a fitted {type(self).__name__}",
                came="one before fit",
                do="Call fit first.",
            )
        state: State = self.state_
        return state


def _checked(
    warm: WarmEmbeddings,
    content: NDArray[np.floating],
    interactions: Audience,
    *,
    validation: Validation | None,
) -> Training:
    if not len(warm.items):
        raise EmptyError(
            expected="at least one warm item to learn from",
            came="none",
            do="Pass items that have logs; without any there is nothing to learn from.",
        )
    users = checked_embeddings(warm.users, name="users of warm_embeddings")
    items = checked_embeddings(warm.items, name="items of warm_embeddings")
    described = checked_embeddings(content, name="content")
    if users.shape[1] != items.shape[1]:
        raise SchemaError(
            expected="embeddings of users and items of one width",
            came=f"widths {users.shape[1]} and {items.shape[1]}",
            do="Pass both sides of one factorisation.",
        )
    if len(items) != len(described):
        raise SchemaError(
            expected=f"content of {len(items)} warm items, one row for each embedding",
            came=f"{len(described)} rows",
            do="Pass both in the same order.",
        )
    if (bare := _bare(described)).any():
        raise _no_content(bare)
    _check_audience(interactions, (len(users), len(items)), name="interactions")
    if not interactions.matrix.nnz:
        raise EmptyError(
            expected="at least one pair of user and warm item",
            came="none",
            do="Check that the pairs are of warm items.",
        )
    if validation is not None:
        cold = _same_width(validation.content, described.shape[1])
        if (bare := _bare(cold)).any():
            raise _no_content(bare)
        _check_audience(validation.audience, (len(users), len(cold)), name="validation")
        validation = Validation(cold, validation.audience)
    return Training(users, items, described, interactions, validation)


def _check_audience(audience: Audience, shape: tuple[int, int], *, name: str) -> None:
    if audience.matrix.shape != shape:
        raise SchemaError(
            expected=f"'{name}' of shape {shape}, users by items",
            came=f"shape {audience.matrix.shape}",
            do="Number users and items as the rows of embeddings and content.",
        )


def _same_width(content: NDArray[np.floating], width: int) -> NDArray[np.float32]:
    described = checked_embeddings(content, name="content")
    if described.shape[1] != width:
        raise SchemaError(
            expected=f"{width} columns of content, as in fit",
            came=f"{described.shape[1]} columns",
            do="Encode new items with the encoder of the warm ones.",
        )
    return described


def _bare(content: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(~content.any(axis=1))


def _no_content(bare: NDArray[np.bool_]) -> RowError:
    rows = np.flatnonzero(bare)
    return RowError(
        expected="some content for every item",
        came=f"{rows.size} of {len(bare)} items with none (all zeros), e.g. rows "
        f"{rows[:3].tolist()}",
        do="Leave them out; of new items, without_content='mean' stands in for them.",
    )
