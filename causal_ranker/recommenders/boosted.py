"""A purchase- or play-probability ranker: LightGBM on as-of history.

The base recommender of the demonstration, and a fair opponent: it sees the same features as the
causal layer and is tuned with the same number of trials. Its scores for a moment come from trees
that were trained on rows whose horizon had ended by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, fit_trees, predict_trees
from causal_ranker.columns import Columns as C
from causal_ranker.errors import NotFittedError
from causal_ranker.recommenders.checks import check_question

if TYPE_CHECKING:
    import lightgbm

__all__ = ["BoostedRecommender", "CandidateRows"]

#: Rows of some users at a moment: their user ids, item ids, and feature matrix.
CandidateRows = Callable[
    [Sequence[Any], datetime], tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]
]


class BoostedRecommender:
    """P(play within the horizon | what was known before t0), whatever is shown.

    Parameters
    ----------
    rows : callable
        Gives the candidate rows of some users at a moment, as features known before it.
    names, categorical : sequence of str
        Names of the features, and of the categorical ones.
    seed : int
        Seed of the models.
    """

    def __init__(
        self,
        rows: CandidateRows,
        *,
        names: Sequence[str],
        categorical: Sequence[str],
        seed: int,
    ) -> None:
        self._rows = rows
        self._names = list(names)
        self._categorical = list(categorical)
        self._seed = seed
        self._models: list[tuple[int, lightgbm.Booster]] = []

    def train(
        self,
        features: NDArray[np.float32],
        outcome: NDArray[Any],
        *,
        rows: NDArray[np.int64] | None = None,
        weight: NDArray[np.float64],
        config: BoostConfig,
    ) -> lightgbm.Booster:
        """Fit one model, without keeping it.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        outcome : numpy.ndarray
            Y, shape (n_rows,).
        rows : numpy.ndarray, optional
            Positions of the rows to learn from; all by default.
        weight : numpy.ndarray
            Analysis weights, shape (n_rows,).
        config : BoostConfig
            Trees.

        Returns
        -------
        lightgbm.Booster
            The model.
        """
        return fit_trees(
            features,
            np.asarray(outcome, dtype=np.float64),
            rows=rows,
            weight=weight,
            objective="binary",
            config=config,
            names=self._names,
            categorical=self._categorical,
            seed=self._seed,
        )

    def add(self, model: lightgbm.Booster, *, valid_from: int) -> None:
        """Use a model for moments from a time on, until a later one takes over.

        Parameters
        ----------
        model : lightgbm.Booster
            A model trained on rows whose horizon had ended by then.
        valid_from : int
            Microseconds since 1970 UTC.
        """
        self._models.append((valid_from, model))
        self._models.sort(key=lambda entry: entry[0])

    @property
    def turns(self) -> NDArray[np.int64]:
        """Moments from which each model is in force, ascending, microseconds since 1970 UTC."""
        return np.array([valid_from for valid_from, _ in self._models], dtype=np.int64)

    def model_at(self, moment: int) -> lightgbm.Booster | None:
        """Return the model in force at a moment.

        Parameters
        ----------
        moment : int
            Microseconds since 1970 UTC.

        Returns
        -------
        lightgbm.Booster or None
            None before the first model.
        """
        in_force = [model for valid_from, model in self._models if valid_from <= moment]
        return in_force[-1] if in_force else None

    def score(self, features: NDArray[np.float32], *, moment: int) -> NDArray[np.float64]:
        """Score rows by the model in force.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        moment : int
            Microseconds since 1970 UTC.

        Returns
        -------
        numpy.ndarray
            P(play), shape (n_rows,).

        Raises
        ------
        NotFittedError
            If no model is in force yet.
        """
        model = self.model_at(moment)
        if model is None:
            raise NotFittedError(
                expected="a base model in force at the time of the request",
                came="none whose training rows had ended by then",
                do="Ask for a later moment, or fit on earlier logs.",
            )
        return predict_trees(model, features)

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
            Longest list per user; all candidates by default.

        Returns
        -------
        pandas.DataFrame
            Columns user_id, item_id and base_score (see `causal_ranker.recommenders.base`).

        Raises
        ------
        NotFittedError
            If no model is in force at that moment.
        """
        asked = check_question(users, at=at, k=k)
        user, item, features = self._rows(asked, at)
        score = self.score(features, moment=round(at.timestamp() * 1_000_000))
        table = pd.DataFrame({C.USER: user, C.ITEM: item, C.BASE_SCORE: score})
        place = table[C.USER].map({key: place for place, key in enumerate(asked)})
        order = np.lexsort((item, -score, place.to_numpy()))
        table = table.iloc[order].reset_index(drop=True)
        if k is None:
            return table
        kept = table.groupby(C.USER, sort=False).cumcount() < k
        return table[kept].reset_index(drop=True)
