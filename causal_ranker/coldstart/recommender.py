"""A cold-start model together with what it reads: from tables of items to embeddings with ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.coldstart.choice import held_out
from causal_ranker.coldstart.content import Content, ContentConfig, ContentEncoder
from causal_ranker.coldstart.deepmusic import DeepMusic, DeepMusicRidge
from causal_ranker.coldstart.dropoutnet import DropoutNet
from causal_ranker.coldstart.factors import FactorConfig, factorise
from causal_ranker.coldstart.heater import Heater
from causal_ranker.coldstart.knn import NearestNeighbours
from causal_ranker.coldstart.marec import MetadataAlignment
from causal_ranker.coldstart.metrics import ListMetrics, evaluate_embeddings
from causal_ranker.coldstart.model import ColdStartModel, Validation, WarmEmbeddings
from causal_ranker.coldstart.named import NamedScores, audience_of
from causal_ranker.coldstart.scores import FactoredScores
from causal_ranker.coldstart.storage import (
    load_encoder,
    load_model,
    read_part,
    save_encoder,
    save_model,
    write_part,
)
from causal_ranker.coldstart.tables import ContentColumns
from causal_ranker.columns import Columns as C
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.recommenders.ids import Ids

__all__ = ["MODELS", "ColdStartRecommender", "FitConfig", "Fitted", "fit_recommender"]

#: By the names that the command line knows.
MODELS: Final[Mapping[str, type[ColdStartModel[Any]]]] = {
    "knn": NearestNeighbours,
    "deepmusic": DeepMusic,
    "deepmusic_ridge": DeepMusicRidge,
    "dropoutnet": DropoutNet,
    "heater": Heater,
    "metadata_alignment": MetadataAlignment,
}
_PART: Final = "reader"
_JUDGED_AT: Final = (15, 30)


class FitConfig(FrozenConfig):
    """How a model is fitted to tables.

    Parameters
    ----------
    validation_share : float
        Share of the warm items that is held out, to stop training by and to judge the model on.
    width : int
        Of the embeddings that are factorised from the pairs, where none are given.
    without_content : {"raise", "mean"}
        What becomes of an item of which nothing is known: an error; or a warm one is left out, and
        a new one gets the mean embedding, both counted.
    text_width : int
        Columns that text becomes.
    text_weight : float
        As in `ContentConfig`.
    seed : int
        Decides what is held out, and the encoder's start.
    """

    validation_share: float = Field(default=0.1, ge=0, lt=1)
    width: int = Field(default=64, ge=1)
    without_content: Literal["raise", "mean"] = "raise"
    text_width: int = Field(default=50, ge=1)
    text_weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class ColdStartRecommender:
    """A fitted model, the encoder of its content, and whose its rows are.

    Parameters
    ----------
    model : ColdStartModel
        Fitted.
    encoder : ContentEncoder
        Fitted on the items of the model.
    columns : ContentColumns
        Which columns of a table of items it reads.
    users : Ids
        In the order of the model's users.
    """

    model: ColdStartModel[Any]
    encoder: ContentEncoder
    columns: ContentColumns
    users: Ids

    def embed(self, items: Ids, content: Content) -> NamedScores:
        """Embed items by their content.

        Parameters
        ----------
        items : Ids
            Of the items.
        content : Content
            What is known of them.

        Returns
        -------
        NamedScores
            Scores of all users for these items.

        Raises
        ------
        DataError
            If the content has other parts than in the fit, or an item has none and the model was
            fitted to refuse that.
        """
        vectors = self.model.item_embeddings(self.encoder.transform(content))
        return NamedScores(FactoredScores(self.model.user_embeddings(), vectors), self.users, items)

    def save(self, folder: Path) -> None:
        """Write it to a folder, without pickles.

        Parameters
        ----------
        folder : Path
            Made if it is not there.
        """
        save_model(self.model, folder)
        save_encoder(self.encoder, folder)
        told = {"columns": self.columns.model_dump(mode="json"), "users": self.users.ids.tolist()}
        write_part(folder, _PART, told=told, arrays={})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read one that `save` wrote.

        Parameters
        ----------
        folder : Path
            Where it lies.

        Returns
        -------
        ColdStartRecommender
            As it was saved.

        Raises
        ------
        BundleError
            If a file is missing or damaged, or was written by another version.
        """
        with read_part(folder, _PART) as (told, _):
            columns = ContentColumns(**told["columns"])
            users = Ids(told["users"], name=C.USER)
        return cls(load_model(folder), load_encoder(folder), columns, users)


@dataclass(frozen=True)
class Fitted:
    """A recommender, and what it was fitted on.

    Parameters
    ----------
    recommender : ColdStartRecommender
        The recommender.
    counts : dict of str to int
        Users and items by what became of them.
    held_out : ListMetrics or None
        What its ranking of the held-out items is worth; None where none were held out.
    """

    recommender: ColdStartRecommender
    counts: dict[str, int]
    held_out: ListMetrics | None


def fit_recommender(
    model: ColdStartModel[Any],
    pairs: pd.DataFrame,
    *,
    items: Ids,
    content: Content,
    columns: ContentColumns,
    embeddings: NamedScores | None = None,
    config: FitConfig | None = None,
) -> Fitted:
    """Fit a model to a table of pairs and a table of items.

    Parameters
    ----------
    model : ColdStartModel
        Not yet fitted.
    pairs : pandas.DataFrame
        Who liked what, ``user_id`` and ``item_id``. Items without a pair are cold.
    items : Ids
        Of the items of which something is known.
    content : Content
        What is known of them, in this order.
    columns : ContentColumns
        The columns it was read from.
    embeddings : NamedScores, optional
        Of users and warm items, products of embeddings; factorised from the pairs by default.
    config : FitConfig, optional
        What is held out, and so on.

    Returns
    -------
    Fitted
        The fitted recommender.

    Raises
    ------
    EmptyError
        If no item of the table has a pair, or all that have one are held out.
    DataError
        If the tables do not fit each other, or a warm item has no content.
    """
    config = config or FitConfig()
    users = embeddings.users if embeddings else Ids(pairs[C.USER].unique().tolist(), name=C.USER)
    heard = audience_of(pairs, users=users, items=items)
    liked = heard.audience.of_each_item() > 0
    if embeddings is not None:
        given = _factors(embeddings)
        liked &= embeddings.items.rows(items.ids.tolist()) >= 0
    warm = np.flatnonzero(liked)
    train, held = held_out(warm, share=config.validation_share, seed=config.seed)
    if not train.size:
        raise EmptyError(
            expected="items that have content, pairs and, where given, embeddings",
            came=f"{len(warm)} of {len(items.ids)}, {len(held)} of them held out",
            do="Check that ids are the same in all tables.",
        )
    encoder, encoded = _encoded(content, train, config=config)
    bare = np.flatnonzero(~encoded.any(axis=1))
    train, held = (np.setdiff1d(side, bare) for side in (train, held))
    known = heard.audience.of_items(train)
    if embeddings is None:
        start = factorise(known, config=FactorConfig(width=config.width, seed=config.seed))
    else:
        of_train = embeddings.items.rows(items.ids[train].tolist())
        start = WarmEmbeddings(given.users, given.items[of_train])
    later = Validation(encoded[held], heard.audience.of_items(held)) if held.size else None
    model.fit(start, encoded[train], known, validation=later)
    recommender = ColdStartRecommender(model, encoder, columns, users)
    counts = {
        "users": len(users.ids),
        "users_without_positives": model.users_without_positives_,
        "warm_items": len(train),
        "held_out_items": len(held),
        "cold_items": int((~liked).sum()),
        "warm_items_without_content": len(np.intersect1d(warm, bare)),
        "pairs_of_other_users": heard.of_other_users,
        "pairs_of_other_items": heard.of_other_items,
    }
    return Fitted(recommender, counts, _judged(model, later))


def _encoded(
    content: Content, train: NDArray[np.int64], *, config: FitConfig
) -> tuple[ContentEncoder, NDArray[np.float32]]:
    """Learn from the items that are trained on, and encode all."""
    settings = ContentConfig(
        text_width=config.text_width,
        text_weight=config.text_weight,
        without_content="raise" if config.without_content == "raise" else "zeros",
        seed=config.seed,
    )
    encoder = ContentEncoder(settings).fit(content.of_items(train))
    return encoder, encoder.transform(content)


def _factors(embeddings: NamedScores) -> FactoredScores:
    if not isinstance(embeddings.scores, FactoredScores):
        raise SchemaError(
            expected="embeddings of users and items",
            came="a matrix of scores",
            do="Leave them out: embeddings are then factorised from the pairs.",
        )
    return embeddings.scores


def _judged(model: ColdStartModel[Any], held_out: Validation | None) -> ListMetrics | None:
    if held_out is None or not held_out.audience.matrix.nnz:
        return None
    count = held_out.audience.matrix.shape[1]
    return evaluate_embeddings(
        model.user_embeddings(),
        model.item_embeddings(held_out.content),
        audience=held_out.audience,
        lengths=[k for k in _JUDGED_AT if k <= count] or [count],
    )
