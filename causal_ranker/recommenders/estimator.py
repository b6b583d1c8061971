"""A scikit-learn or LightGBM model that scores rows of features, as a base recommender."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.recommenders.answers import answer_of
from causal_ranker.recommenders.checks import check_moment, check_question, check_trained_until
from causal_ranker.recommenders.ids import Ids

__all__ = ["EstimatorRecommender", "RowFeatures"]

#: The features of rows: their user ids and item ids, of one length, and the moment of the request.
RowFeatures = Callable[[NDArray[Any], NDArray[Any], datetime], Any]

_METHODS: Final = ("predict_proba", "decision_function", "predict")


class EstimatorRecommender:
    """Every item of a catalogue, scored by a fitted model.

    Features and scores of at most `batch_rows` rows exist at a time, and with `k` no more than
    the first k of each user are kept. The order of near-equal scores is as exact as the model: a
    product of matrices may differ in its last bits with the number of rows.

    Parameters
    ----------
    estimator : object
        A fitted classifier of two classes, regressor, ranker, pipeline of these, or LightGBM
        booster.
    features : callable
        ``features(users, items, at)``: arrays of ids, one pair per row, and the moment; returns
        one row of features per pair, in this order, from what was known strictly before `at`. A
        table goes to the model as it is, so that categories stay categories.
    users, items : iterable of int or str
        Users whom the model can serve, and the catalogue; equal scores keep the catalogue's order.
    trained_until : datetime
        The model knows nothing from this moment on; earlier requests are refused.
    method : {"predict_proba", "decision_function", "predict"}, optional
        What scores; by default the first of them that the model has. Of two classes the second
        (``classes_[1]``) is the one that is wanted.
    batch_rows : int
        Rows per call of `features` and of the model.

    Raises
    ------
    ConfigError
        If the model has no such method, the catalogue is empty, or a setting cannot be.
    RowError
        If an id comes twice, or is neither a whole number nor text.
    """

    def __init__(
        self,
        estimator: Any,
        *,
        features: RowFeatures,
        users: Iterable[int | str],
        items: Iterable[int | str],
        trained_until: datetime,
        method: Literal["predict_proba", "decision_function", "predict"] | None = None,
        batch_rows: int = 100_000,
    ) -> None:
        methods = _METHODS if method is None else (method,)
        found = [name for name in methods if callable(getattr(estimator, name, None))]
        if not found or isinstance(estimator, type):
            raise ConfigError(
                expected=f"a fitted model with the method {' or '.join(methods)}",
                came=repr(estimator),
                do="Pass a fitted model, or name a method that it has.",
            )
        if batch_rows < 1:
            raise ConfigError(
                expected="batch_rows of 1 or more", came=str(batch_rows), do="Raise it."
            )
        if trained_until is None:
            raise ConfigError(
                expected="the moment up to which the model was trained",
                came="None",
                do="Set trained_until: without it, past requests would be scored from the future.",
            )
        self._estimator, self._method = estimator, found[0]
        self._features, self._batch_rows = features, batch_rows
        self._users, self._items = Ids(users, name="users"), Ids(items, name="items")
        self.trained_until = check_trained_until(trained_until)

    def candidates(
        self, users: Iterable[int | str], *, at: datetime, k: int | None = None
    ) -> pd.DataFrame:
        """Return the candidates of some users, best first.

        Parameters
        ----------
        users : iterable of int or str
            Users to serve, each once.
        at : datetime
            The moment of the request, with a time zone.
        k : int, optional
            Longest list per user, at least 1; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score (see `causal_ranker.recommenders.base`).

        Raises
        ------
        ConfigError, RowError
            If the question cannot be.
        NotFittedError
            If the model is from after `at`.
        SchemaError
            If the features are not those that the model was fitted on, or it cannot score them.
        RowError
            If a score is not finite.
        """
        asked = check_question(users, at=at, k=k)
        check_moment(at, trained_until=self.trained_until)
        known = self._users.rows(asked)
        known = known[known >= 0]
        n_items = len(self._items.ids)
        kept = n_items if k is None else min(int(k), n_items)
        group = max(1, self._batch_rows // n_items)
        item = np.empty((known.size, kept), dtype=np.int64)
        score = np.empty((known.size, kept))
        for start in range(0, known.size, group):
            some = known[start : start + group]
            all_scores = self._score(some, at).reshape(some.size, n_items)
            order = np.argsort(-all_scores, axis=1, kind="stable")[:, :kept]
            item[start : start + group] = order
            score[start : start + group] = np.take_along_axis(all_scores, order, axis=1)
        if not known.size:
            return answer_of([], [], [])
        return pd.DataFrame(
            {
                C.USER: pd.Series(self._users.ids[np.repeat(known, kept)]),
                C.ITEM: pd.Series(self._items.ids[item.ravel()]),
                C.BASE_SCORE: score.ravel(),
            }
        )

    def _score(self, users: NDArray[np.int64], at: datetime) -> NDArray[np.float64]:
        """Score every item for some users, user by user, in batches of rows."""
        n_items = len(self._items.ids)
        total = users.size * n_items
        score = np.empty(total)
        for start in range(0, total, self._batch_rows):
            rows = np.arange(start, min(start + self._batch_rows, total))
            user, item = users[rows // n_items], rows % n_items
            table = self._features(self._users.ids[user], self._items.ids[item], at)
            self._check_features(table, rows=rows.size)
            said = self._ask(table)
            bad = ~np.isfinite(said)
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise RowError(
                    expected="finite scores from the model",
                    came=f"{int(bad.sum())} others of {rows.size}, e.g. {said[row]} for user "
                    f"{self._users.name(user[row])} and item {self._items.name(item[row])}",
                    do="Look at the features of those rows.",
                )
            score[rows] = said
        return score

    def _check_features(self, table: Any, *, rows: int) -> None:
        shape = getattr(table, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != rows:
            raise SchemaError(
                expected=f"a table of features with {rows} rows, one per pair of user and item",
                came=type(table).__name__ + ("" if shape is None else f" of shape {shape}"),
                do="Return a row of features for each pair, in the order of the pairs.",
            )
        # LightGBM takes columns by their place and would score them in a wrong order, unasked.
        fitted, came = _fitted_names(self._estimator), _names(getattr(table, "columns", ()))
        if fitted and came and fitted != came:
            raise SchemaError(
                expected=f"the features that the model was fitted on, in order: "
                f"{', '.join(fitted)}",
                came=", ".join(came),
                do="Return these columns, in this order.",
            )

    def _ask(self, table: Any) -> NDArray[np.float64]:
        try:
            said = np.asarray(getattr(self._estimator, self._method)(table))
        except Exception as error:
            raise SchemaError(
                expected=f"features that {self._method} of {type(self._estimator).__name__} takes",
                came=f"{type(error).__name__}: {error}",
                do="Return the features that it was fitted on, or fit it.",
            ) from error
        if self._method == "predict_proba" and said.shape == (len(table), 2):
            said = said[:, 1]
        if said.shape != (len(table),) or said.dtype.kind not in "biuf":
            raise SchemaError(
                expected="one number per row from the model, or the chances of two classes",
                came=f"{said.dtype} of shape {said.shape} for {len(table)} rows",
                do="Wrap a ranker, a regressor, or a classifier of two classes.",
            )
        return said.astype(np.float64)


def _fitted_names(estimator: Any) -> list[str]:
    """Names of the columns that a model was fitted on; none where it was fitted on arrays."""
    booster = getattr(estimator, "feature_name", None)  # of a booster, a method
    names = getattr(estimator, "feature_names_in_", booster() if callable(booster) else ())
    found = _names(names)
    # LightGBM makes names up where there were none.
    return [] if found == [f"Column_{place}" for place in range(len(found))] else found


def _names(columns: Iterable[Any]) -> list[str]:
    return [str(name).replace(" ", "_") for name in columns]  # as LightGBM writes them
