"""scikit-learn scorers for effects: AUTOC, QINI, and doubly robust and R-loss.

The doubly robust scores of the rows reach the scorer by metadata routing, and come from models of
the training rows alone:

>>> import numpy as np
>>> from sklearn import config_context
>>> from sklearn.model_selection import GridSearchCV, GroupKFold
>>> from causal_ranker import UpliftEstimator
>>> from causal_ranker.evaluation.scorers import UpliftScorer
>>> from causal_ranker.uplift.held_out import held_out_scores
>>> rng = np.random.default_rng(0)
>>> user = np.repeat(np.arange(1_000), 4)
>>> X = rng.normal(size=(4_000, 2))
>>> shown = rng.integers(0, 2, 4_000)
>>> y = (rng.random(4_000) < 0.3 + 0.2 * shown * np.sign(X[:, 0])).astype(int)
>>> fit = {"treatment": shown, "user": user, "propensity": np.full(4_000, 0.5)}
>>> folds = list(GroupKFold(2).split(X, y, groups=user))
>>> held_out = held_out_scores(X, y, folds=folds, **fit)
>>> with config_context(enable_metadata_routing=True):
...     model = UpliftEstimator().set_fit_request(treatment=True, user=True, propensity=True)
...     search = GridSearchCV(
...         model,
...         {"learner": ["constant", "dr"]},
...         scoring=UpliftScorer("autoc"),
...         cv=folds,
...         error_score="raise",
...     )
...     found = search.fit(X, y, **fit, **held_out.metadata)
>>> found.best_params_
{'learner': 'dr'}

Without ``**held_out.metadata`` the scorer makes pure IPW scores of ``treatment`` and
``propensity``, which needs no model, but propensities that were logged. Where none was, leave
``propensity`` out: `held_out_scores` and the learner estimate their own. A metric of your own takes
the same scores: ``make_scorer(mine).set_score_request(gamma=True)`` calls it as
``mine(y, tau, gamma=...)``.

Nothing is divided by the average effect, so scores are finite and keep their sign where it is
near 0. Without ``error_score="raise"`` scikit-learn turns a refusal into a warning and NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.metadata_routing import MetadataRequest

from causal_ranker.errors import ConfigError
from causal_ranker.stats._arrays import binary_vector, float_vector, same_size, weight_vector
from causal_ranker.stats.aipw import ipw_scores
from causal_ranker.stats.curves import autoc, qini
from causal_ranker.uplift.held_out import require_new_users

__all__ = ["Metric", "UpliftScorer"]

Array = NDArray[np.float64]

#: Names of the scorers.
Metric = Literal["autoc", "qini", "dr_loss", "r_loss"]

_METADATA: Final = (
    "gamma",
    "treatment",
    "propensity",
    "held_out_propensity",
    "held_out_outcome",
    "sample_weight",
    "user",
)


class UpliftScorer:
    """Score a fitted effect estimator on held-out rows; higher is better for every metric.

    Called as ``scorer(estimator, X, y, gamma=..., user=...)``, by hand or by scikit-learn, which
    routes what is in `params` to the scorer where metadata routing is enabled: all metadata below
    are requested, and `set_score_request` changes that.

    Parameters
    ----------
    metric : {"autoc", "qini", "dr_loss", "r_loss"}
        Area under the TOC or the Qini curve; minus the mean of ``(gamma - tau)^2``; or minus the
        R-loss, the mean of ``((Y - E[Y | X]) - (T - e) tau)^2`` (Nie and Wager, 2021). The areas
        judge the order of rows alone, the losses the size of effects as well.
    """

    def __init__(self, metric: Metric = "autoc") -> None:
        if metric not in get_args(Metric):
            raise ConfigError(
                expected=f"a metric among {', '.join(get_args(Metric))}",
                came=repr(metric),
                do="Name one of them.",
            )
        self.metric = metric
        self._requests: dict[str, bool | str | None] = dict.fromkeys(_METADATA, True)

    def __repr__(self) -> str:
        return f"UpliftScorer({self.metric!r})"

    def __call__(self, estimator: Any, X: Any, y: Any, **metadata: Any) -> float:
        """Score an estimator.

        Parameters
        ----------
        estimator : object
            With `predict`, fitted; a pipeline or a search may stand around it.
        X : table or array of n_rows rows
            Held-out rows.
        y : array-like
            Their outcome, shape (n_rows,).
        **metadata
            ``gamma``, doubly robust scores of models that saw no user of these rows; or
            ``treatment`` and the logged ``propensity``, for pure IPW scores. For the R-loss
            ``treatment``, ``held_out_propensity`` and ``held_out_outcome`` instead. Analysis
            weights as ``sample_weight``. ``user``, where the estimator was fitted with users: it
            is then checked that it knows none of them. Each of shape (n_rows,).

        Returns
        -------
        float
            The score, in plays per exposure (AUTOC), per row (QINI), or minus their square.

        Raises
        ------
        ConfigError
            If metadata are missing or unknown.
        RowError
            If a user was in training, or a value is not finite.
        SchemaError
            If arrays differ in length, or there is a column of effects for each of several levels.
        """
        given = {name: value for name, value in metadata.items() if value is not None}
        self._check_names(given)
        _check_users(estimator, given.get("user"))
        tau = float_vector(estimator.predict(X), name="predicted uplift")
        same_size(tau.size, user=np.asarray(given.get("user", tau)))
        weights = weight_vector(given.get("sample_weight"), size=tau.size)
        if self.metric == "r_loss":
            return -_r_loss(tau, y, given, weights=weights)
        gamma = float_vector(_gamma(y, given), name="gamma")
        same_size(tau.size, gamma=gamma)
        if self.metric == "dr_loss":
            return -float(np.average(np.square(gamma - tau), weights=weights))
        return _AREAS[self.metric](tau, gamma, weights=weights)

    def set_score_request(self, **requests: bool | str | None) -> Self:
        """Say which metadata scikit-learn shall route to the scorer, and under which name.

        Parameters
        ----------
        **requests
            For each name True, False, None, or another name that it is passed under.

        Returns
        -------
        UpliftScorer
            Itself.

        Raises
        ------
        ConfigError
            If a name is unknown.
        """
        self._check_names(requests)
        self._requests.update(requests)
        return self

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell scikit-learn what to route.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRequest
            The requests.
        """
        routing = MetadataRequest(owner=self)
        for name, alias in self._requests.items():
            routing.score.add_request(param=name, alias=alias)
        return routing

    def _check_names(self, given: dict[str, Any]) -> None:
        unknown = sorted(set(given) - set(_METADATA))
        if unknown:
            raise ConfigError(
                expected=f"metadata among {', '.join(_METADATA)}",
                came=", ".join(unknown),
                do="Pass to the scorer what it takes.",
            )


_AREAS: Final[dict[str, Callable[..., float]]] = {"autoc": autoc, "qini": qini}


def _gamma(y: Any, given: dict[str, Any]) -> Any:
    if "gamma" in given:
        return given["gamma"]
    _require(given, "treatment", "propensity", instead="gamma (see held_out_scores), or ")
    return ipw_scores(y, given["treatment"], propensity=given["propensity"])


def _r_loss(tau: Array, y: Any, given: dict[str, Any], *, weights: Array) -> float:
    needed = ("treatment", "held_out_propensity", "held_out_outcome")
    _require(given, *needed)
    outcome = float_vector(y, name="y")
    treated = binary_vector(given["treatment"], name="treatment")
    e, mean = (float_vector(given[name], name=name) for name in needed[1:])
    same_size(tau.size, y=outcome, treatment=treated, held_out_propensity=e, held_out_outcome=mean)
    return float(np.average(np.square(outcome - mean - (treated - e) * tau), weights=weights))


def _require(given: dict[str, Any], *names: str, instead: str = "") -> None:
    missing = [name for name in names if name not in given]
    if missing:
        raise ConfigError(
            expected=f"{instead}{' and '.join(names)} as metadata of the scorer",
            came=f"no {' and no '.join(missing)}",
            do="Enable metadata routing, and pass them with the other params.",
        )


def _check_users(estimator: Any, user: Any) -> None:
    """Refuse to judge an estimator by users that it was fitted on."""
    last = estimator
    while hasattr(last, "best_estimator_") or hasattr(last, "steps"):
        last = last.best_estimator_ if hasattr(last, "best_estimator_") else last.steps[-1][1]
    if not hasattr(last, "seen_users"):
        return
    users = np.zeros(0, dtype=np.int64) if user is None else np.asarray(user)
    seen = last.seen_users(users)
    if seen is None:
        return
    if user is None:
        raise ConfigError(
            expected="user as metadata of the scorer, as the estimator was fitted with users",
            came="none",
            do="Pass user= with the other params, and make folds by user.",
        )
    require_new_users(users, seen=seen)
