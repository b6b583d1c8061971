"""What a user plays in all within a horizon, predicted without looking at the arm.

An effect on the total is small beside what users differ in anyway. Taking the prediction off before
weighting removes much of that noise, and what the logged arm depends on besides. One model serves
both arms: its mistakes enter both alike, so that with right propensities the weighted remainder is
unbiased whatever the model says, and with a right model it is 0 where the effect is, whatever the
propensities are (the score of the R-learner: Nie and Wager, 2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import predict_trees
from causal_ranker.errors import EmptyError, NotFittedError
from causal_ranker.stats.aipw import aipw_scores
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.nuisance import NuisanceConfig

if TYPE_CHECKING:
    import lightgbm

__all__ = ["TotalOutcome"]

#: Rows of one request have one total: more rows than these teach no more, and take their time.
_ENOUGH: Final = 200_000


class TotalOutcome:
    """Total plays given X, by models of other users.

    Parameters
    ----------
    config : NuisanceConfig
        Folds, and the trees of outcome models.
    seed : int
        Decides folds and feature draws.
    """

    def __init__(self, *, config: NuisanceConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._models: list[lightgbm.Booster] = []

    def fit(self, rows: Rows, total: NDArray[np.float64]) -> TotalOutcome:
        """Fit a model for each fold of users, on the rows of the others.

        Parameters
        ----------
        rows : Rows
            Training rows of both arms.
        total : numpy.ndarray
            Total plays of each row's user in its horizon, shape (n_rows,).

        Returns
        -------
        TotalOutcome
            Itself.

        Raises
        ------
        EmptyError
            If a fold has no row of other users.
        """
        fold = self._fold(rows.user)
        self._models = []
        for f in range(self._config.folds):
            seen = np.flatnonzero(fold != f)
            if not seen.size:
                raise EmptyError(
                    expected=f"rows of users outside fold {f}",
                    came=f"none among {len(rows)} rows",
                    do="Give logs of more users.",
                )
            self._models.append(
                rows.binned(self._config.outcome).fit(
                    total,
                    rows=seen[:: max(1, -(-seen.size // _ENOUGH))],
                    weight=rows.weight,
                    objective="regression",
                    config=self._config.outcome,
                    seed=self._seed,
                )
            )
        return self

    def scores(
        self,
        features: NDArray[np.float32],
        user: NDArray[Any],
        *,
        total: NDArray[np.float64],
        treatment: NDArray[Any],
        propensity: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return one unbiased, noisy effect on the total per row.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        user : numpy.ndarray
            User ids, shape (n_rows,); a row is judged by models that did not see its user.
        total, treatment, propensity : numpy.ndarray
            Total plays, T and P(T = 1 | X), strictly between 0 and 1, shape (n_rows,).

        Returns
        -------
        numpy.ndarray
            ``(T - e) / (e (1 - e)) (Z - E[Z | X])``, in plays per exposure, shape (n_rows,).

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        if not self._models:
            raise NotFittedError(
                expected="a fitted model of total plays", came="none", do="Call fit first."
            )
        fold = self._fold(user)
        expected = np.empty(len(user))
        for f, model in enumerate(self._models):
            chosen = np.flatnonzero(fold == f)
            expected[chosen] = predict_trees(model, features, rows=chosen)
        return aipw_scores(total, treatment, propensity=propensity, mu0=expected, mu1=expected)

    def _fold(self, user: NDArray[Any]) -> NDArray[np.int64]:
        return user_fold(user, self._config.folds, seed=self._seed)
