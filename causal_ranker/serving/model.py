"""A LightGBM model read from its text, for predictions of one request at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker._extras import needs_openmp
from causal_ranker.errors import BundleError
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.schema import FeatureSchema
from causal_ranker.serving.trees import check_trees

__all__ = ["ModelPart", "Scorer", "TextModel"]

# Text and predictions survive a round trip exactly; this leaves room for another CPU's rounding.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True, eq=False)
class ModelPart:
    """One model as it goes into a bundle.

    Parameters
    ----------
    text : str
        LightGBM's own text (``booster.model_to_string()``).
    schema : FeatureSchema
        The model's features, in the order of its columns.
    golden_features : ndarray of float64, shape (m, features)
        A few rows, m >= 1, that every load scores again.
    golden_expected : ndarray of float64, shape (m,)
        What the model in memory predicted for them (plays per impression for the uplift model,
        the base score for the base model).
    """

    text: str
    schema: FeatureSchema
    golden_features: NDArray[np.float64]
    golden_expected: NDArray[np.float64]


class TextModel:
    """A LightGBM model read from its text.

    The library is imported here and not before, and predicts on one thread: for one request two
    threads cost more than they save, and the sum over trees keeps its order. It reads nothing that
    :func:`~causal_ranker.serving.trees.check_trees` has not passed.

    Parameters
    ----------
    part : ModelPart
        Text, features and golden rows of the model.
    name : str
        What to call the model in messages.

    Raises
    ------
    BundleError
        If the text is no model or contradicts itself, its features are not those of the schema, or
        it does not predict what the golden rows say.
    """

    def __init__(self, part: ModelPart, *, name: str) -> None:
        with needs_openmp():
            import lightgbm

        check_trees(part.text, n_features=len(part.schema.features), name=name)
        try:
            self._booster = lightgbm.Booster(model_str=part.text)
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise BundleError(
                expected=f"the text of a LightGBM model in {name}",
                came=" ".join(str(error).split()),
                do="Publish the bundle again.",
            ) from None
        self._check_features(part.schema, name)
        self._check_golden(part, name)

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict on one thread.

        Parameters
        ----------
        X : ndarray of float64, shape (n, features)
            Features in the order of the schema.

        Returns
        -------
        ndarray of float64, shape (n,)
            The model's predictions.
        """
        return np.asarray(self._booster.predict(X, num_threads=1), dtype=np.float64)

    def _check_features(self, schema: FeatureSchema, name: str) -> None:
        names = self._booster.feature_name()
        # A model trained on a bare array calls its features Column_0, Column_1, ...
        anonymous = all(re.fullmatch(r"Column_\d+", n) for n in names)
        # LightGBM writes spaces in names as underscores.
        wanted = [re.sub(r"\s", "_", n) for n in schema.names]
        if len(names) != len(wanted) or not (anonymous or names == wanted):
            differ = [f"{a} for {b}" for a, b in zip(names, wanted, strict=False) if a != b]
            raise BundleError(
                expected=f"the {len(wanted)} features of the schema in {name}",
                came=f"{len(names)} features" + (f", {', '.join(differ[:3])}" if differ else ""),
                do="Publish the model with the schema it was trained with.",
            )

    def _check_golden(self, part: ModelPart, name: str) -> None:
        X = np.asarray(part.golden_features, dtype=np.float64)
        expected = np.asarray(part.golden_expected, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(part.schema.features) or expected.shape != X.shape[:1]:
            raise BundleError(
                expected=f"golden rows of {len(part.schema.features)} features for {name}",
                came=f"features of shape {X.shape} and predictions of shape {expected.shape}",
                do="Give one prediction for each golden row.",
            )
        if not X.shape[0] or not np.isfinite(expected).all():
            raise BundleError(
                expected=f"at least one golden row for {name}, with finite predictions",
                came=f"{X.shape[0]} rows, {int((~np.isfinite(expected)).sum())} not finite",
                do="Give a few rows of the training data and what the model says of them.",
            )
        got = self.predict(X)
        if got.shape != expected.shape or not np.allclose(
            got, expected, rtol=_RELATIVE, atol=_ABSOLUTE
        ):
            raise BundleError(
                expected=f"the golden predictions of {name}",
                came="others from the model that was read",
                do="Publish the bundle again from the trained model.",
            )


@dataclass(frozen=True, eq=False)
class Scorer:
    """A model and where its features come from.

    Parameters
    ----------
    model : TextModel
        The model.
    plan : FeaturePlan
        Assembles the model's feature matrix.
    """

    model: TextModel
    plan: FeaturePlan

    def score(
        self,
        user_row: int,
        item_rows: NDArray[np.int64],
        *,
        base_score: NDArray[np.float64] | None = None,
        base_rank: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Score one user's items.

        Parameters
        ----------
        user_row : int
            Row of the snapshot's user table, -1 for a user who is not known.
        item_rows : ndarray of int64, shape (n,)
            Rows of the item table, -1 for an item that is not known.
        base_score : ndarray of float64, shape (n,), optional
            The base recommender's scores.
        base_rank : ndarray of int64, shape (n,), optional
            Ranks of those scores, from 1.

        Returns
        -------
        ndarray of float64, shape (n,)
            The model's predictions.
        """
        X = self.plan.matrix(user_row, item_rows, base_score=base_score, base_rank=base_rank)
        return self.model.predict(X)
