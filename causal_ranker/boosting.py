"""Gradient-boosted trees on plain arrays: one config, one fit, one predict.

The base recommender, the nuisances and the effect model all train through here, so that they
differ only in what the caller can see: objective, rounds, leaves, rows a leaf.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from causal_ranker._extras import needs_openmp
from causal_ranker.config import FrozenConfig
from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    import lightgbm

# Between two parallel sections GNU OpenMP's threads spin for milliseconds by default. On a machine
# whose cores are shared, the thread that waits then takes the core from the one it waits for, and
# a fit takes ten times as long. The runtime reads this when LightGBM loads it.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__all__ = [
    "BinnedFeatures",
    "BoostConfig",
    "Objective",
    "first_trees",
    "fit_trees",
    "predict_trees",
]

#: What trees minimise: log-loss, Poisson loss, or squared error.
Objective = Literal["binary", "poisson", "regression"]

_IN_MEMORY = 2**30
_BATCH = 2**20


class BoostConfig(FrozenConfig):
    """Settings of one LightGBM model.

    Parameters
    ----------
    rounds : int
        Number of trees.
    learning_rate : float
        Shrinkage of each tree.
    leaves : int
        Most leaves of one tree.
    min_rows_leaf : int
        Fewest rows of one leaf.
    feature_share : float
        Share of the features each tree may use.
    l2 : float
        Ridge penalty on leaf values.
    bins : int
        Histogram bins of a numeric feature.
    category_l2, category_smoothing : float
        Penalty on splits by category, and rows of overall behaviour mixed into each category:
        without them many-valued categories are learned by heart.
    linear : bool
        Leaves are linear in the numeric features their branch splits on (Shi et al., 2019,
        "Gradient boosting with piece-wise linear regression trees", IJCAI): few leaves follow a
        smooth surface. Costs the memory of a copy of the features as long as their bins are kept
        (see `BinnedFeatures`), and has no SHAP values.
    linear_l2 : float
        Ridge penalty on the coefficients of such leaves.
    monotone : dict of str to {-1, 1}
        Features along which predictions may only rise (1) or only fall (-1), all else equal;
        missing values stand outside the order. Every feature named must be among those that the
        model is fitted on, and not categorical. Not with linear leaves, which do not keep it.
    """

    rounds: Annotated[int, Field(ge=1)] = 100
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    leaves: Annotated[int, Field(ge=2)] = 31
    min_rows_leaf: Annotated[int, Field(ge=1)] = 200
    feature_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    l2: Annotated[float, Field(ge=0)] = 0.0
    bins: Annotated[int, Field(ge=3, le=65535)] = 127
    category_l2: Annotated[float, Field(ge=0)] = 200.0
    category_smoothing: Annotated[float, Field(ge=0)] = 200.0
    linear: bool = False
    linear_l2: Annotated[float, Field(ge=0)] = 0.0
    monotone: dict[str, Literal[-1, 1]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_monotone(self) -> BoostConfig:
        if self.linear and self.monotone:
            raise ConfigError(
                expected="monotone features or linear leaves, whose slopes no constraint holds",
                came=f"both, with monotone = {self.monotone}",
                do="Drop one of the two.",
            )
        return self


class BinnedFeatures:
    """Features whose histogram bins are computed once, for any number of fits on any of the rows.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features); NaN is missing. Not kept. Above a gigabyte rows are handed over
        in batches, so that a matrix that lies in a file is never copied into memory as a whole.
    names : sequence of str
        Names of the columns of `features`.
    categorical : sequence of str
        Columns whose values are category codes.
    config : BoostConfig
        Of the fits that follow; they may differ in anything but ``bins`` and ``linear``.
    rows : numpy.ndarray, optional
        Positions of the rows to keep; all by default.
    columns : sequence of int, optional
        Columns to keep; all by default.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        *,
        names: Sequence[str],
        categorical: Sequence[str],
        config: BoostConfig,
        rows: NDArray[np.int64] | None = None,
        columns: Sequence[int] | None = None,
    ) -> None:
        with needs_openmp():
            import lightgbm

        kept = list(names) if columns is None else [names[place] for place in columns]
        chosen = np.arange(len(features)) if rows is None else rows
        large = len(chosen) * len(kept) * features.itemsize > _IN_MEMORY
        self._size = len(chosen)
        self._names = kept
        self._categorical = frozenset(categorical) & frozenset(kept)
        self._shared = _shared(config)
        self._data = lightgbm.Dataset(
            _batches(features, chosen, columns) if large else _some(features, rows, columns),
            np.zeros(self._size),
            feature_name=_writable(kept),
            categorical_feature=[place for place, name in enumerate(kept) if name in categorical],
            params=self._shared,
        ).construct()

    def fit(
        self,
        target: NDArray[np.float64],
        *,
        rows: NDArray[np.int64] | None = None,
        weight: NDArray[np.float64],
        objective: Objective,
        config: BoostConfig,
        seed: int,
    ) -> lightgbm.Booster:
        """Fit one model; equal input and seed give equal trees.

        Parameters
        ----------
        target : numpy.ndarray
            Shape (n_rows,); 0 or 1 for the binary objective, not negative for the Poisson one.
        rows : numpy.ndarray, optional
            Ascending positions of the rows to fit on; all by default.
        weight : numpy.ndarray
            Shape (n_rows,), non-negative.
        objective : {"binary", "poisson", "regression"}
            Log-loss, Poisson loss or squared error.
        config : BoostConfig
            Trees and shrinkage.
        seed : int
            Decides the feature draws.

        Returns
        -------
        lightgbm.Booster
            The fitted model.

        Raises
        ------
        ConfigError
            If a monotone feature is categorical, or not among the features.
        """
        import lightgbm

        assert _shared(config) == self._shared
        data = self._data
        if rows is not None and len(rows) < self._size:
            # LightGBM takes arrays too: a list of millions of positions would be a detour.
            data = data.subset(rows).construct()  # type: ignore[arg-type]
            target, weight = target[rows], weight[rows]
        data.set_label(target)
        # Weights of an earlier fit would stay where the new ones are all 1.
        data.set_field("weight", None)
        data.set_weight(weight)
        parameters = self._shared | {
            "objective": objective,
            "learning_rate": config.learning_rate,
            "num_leaves": config.leaves,
            "min_data_in_leaf": config.min_rows_leaf,
            "feature_fraction": config.feature_share,
            "lambda_l2": config.l2,
            "cat_l2": config.category_l2,
            "cat_smooth": config.category_smoothing,
            "linear_lambda": config.linear_l2,
            "seed": seed,
            "deterministic": True,
            "force_col_wise": True,
            **self._monotone(config.monotone),
        }
        return lightgbm.train(parameters, data, num_boost_round=config.rounds)

    def _monotone(self, directions: Mapping[str, int]) -> dict[str, list[int]]:
        """Put the directions into the order of the features; nothing where there are none."""
        unknown = sorted(directions.keys() - set(self._names))
        if unknown:
            raise ConfigError(
                expected=f"monotone features among those the model is fitted on: "
                f"{', '.join(self._names)}",
                came=", ".join(map(repr, unknown)),
                do="Correct the names in monotone, or leave them out for this model.",
            )
        unordered = sorted(directions.keys() & self._categorical)
        if unordered:
            raise ConfigError(
                expected="monotone features whose values have an order",
                came=f"{', '.join(map(repr, unordered))}, which hold category codes",
                do="Leave them out of monotone, or out of the categorical features.",
            )
        if not directions:
            return {}
        return {"monotone_constraints": [directions.get(name, 0) for name in self._names]}


def _shared(config: BoostConfig) -> dict[str, Any]:
    """Return what models must agree on to share bins: not the smallest leaf, so no pre-filter."""
    return {
        "max_bin": config.bins,
        "linear_tree": config.linear,
        "feature_pre_filter": False,
        # LightGBM 4.7 packs sparse features into one histogram; in a subset of the rows it then
        # finds splits with nothing on one side, and writes where it must not.
        "enable_bundle": False,
        "verbose": -1,
    }


def _writable(names: list[str]) -> list[str]:
    """Return the names, or bare numbers where LightGBM cannot write them or tell them apart."""
    written = {re.sub(r"\s", "_", name) for name in names}
    if len(written) < len(names) or any(set(name) & set('[]{}",:') for name in names):
        return [f"Column_{place}" for place in range(len(names))]
    return names


def fit_trees(
    features: NDArray[np.float32],
    target: NDArray[np.float64],
    *,
    rows: NDArray[np.int64] | None = None,
    weight: NDArray[np.float64],
    objective: Objective,
    config: BoostConfig,
    names: Sequence[str],
    categorical: Sequence[str],
    seed: int,
) -> lightgbm.Booster:
    """Fit one model on features that no other model shares.

    Parameters
    ----------
    features : numpy.ndarray
        Shape (n_rows, n_features); NaN is missing.
    target : numpy.ndarray
        Shape (n_rows,).
    rows : numpy.ndarray, optional
        Positions of the rows to fit on; all by default.
    weight : numpy.ndarray
        Shape (n_rows,), non-negative.
    objective : {"binary", "poisson", "regression"}
        As in `BinnedFeatures.fit`.
    config : BoostConfig
        Trees and shrinkage.
    names : sequence of str
        Names of the columns.
    categorical : sequence of str
        Columns whose values are category codes.
    seed : int
        Decides the feature draws.

    Returns
    -------
    lightgbm.Booster
        The fitted model.

    Raises
    ------
    ConfigError
        If a monotone feature is categorical, or not among the features.
    """
    binned = BinnedFeatures(
        features, names=names, categorical=categorical, config=config, rows=rows
    )
    chosen = slice(None) if rows is None else rows
    return binned.fit(
        target[chosen], weight=weight[chosen], objective=objective, config=config, seed=seed
    )


def _some(
    features: NDArray[np.float32],
    rows: NDArray[np.int64] | None,
    columns: Sequence[int] | None,
) -> NDArray[np.float32]:
    """Copy some rows and columns, without a copy of all rows or of all columns on the way."""
    if columns is None:
        return features if rows is None else features[rows]
    # Column by column, which is how the trees read them.
    count = len(features) if rows is None else len(rows)
    some = np.empty((count, len(columns)), dtype=features.dtype, order="F")
    for place, column in enumerate(columns):
        some[:, place] = features[:, column] if rows is None else features[rows, column]
    return some


def _batches(
    features: NDArray[np.float32], rows: NDArray[np.int64], columns: Sequence[int] | None
) -> lightgbm.Sequence:
    """Give LightGBM rows of a matrix in batches."""
    import lightgbm

    class Batches(lightgbm.Sequence):
        batch_size = _BATCH

        def __getitem__(self, index: Any) -> NDArray[np.float64]:
            at = rows[index]
            some = _some(features, np.atleast_1d(at), columns)
            batch = np.ascontiguousarray(some, dtype=np.float64)
            return batch[0] if np.ndim(at) == 0 else batch

        def __len__(self) -> int:
            return len(rows)

    return Batches()


def first_trees(model: lightgbm.Booster, rounds: int) -> lightgbm.Booster:
    """Return the model as it was after its first rounds.

    Parameters
    ----------
    model : lightgbm.Booster
        A fitted model of at least so many rounds.
    rounds : int
        Trees to keep, at least 1.

    Returns
    -------
    lightgbm.Booster
        What `fit_trees` gives for as many rounds, as trees are never changed by later ones.
    """
    with needs_openmp():
        import lightgbm

    return lightgbm.Booster(model_str=model.model_to_string(num_iteration=rounds))


def predict_trees(
    model: lightgbm.Booster,
    features: NDArray[np.float32],
    *,
    rows: NDArray[np.int64] | None = None,
    columns: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Predict with one model.

    Parameters
    ----------
    model : lightgbm.Booster
        The fitted model.
    features : numpy.ndarray
        Shape (n_rows, n_features).
    rows : numpy.ndarray, optional
        Positions of the rows to predict, taken batch by batch; all by default.
    columns : sequence of int, optional
        Columns that the model was fitted on; all by default.

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), or that of `rows`: a probability for the binary objective, else a mean in
        the target's unit.
    """
    if rows is None and columns is None:
        return (
            np.asarray(model.predict(features), dtype=np.float64) if len(features) else np.empty(0)
        )
    chosen = np.arange(len(features)) if rows is None else rows
    predicted = np.empty(len(chosen))
    for start in range(0, len(chosen), _BATCH):
        batch = slice(start, start + _BATCH)
        predicted[batch] = model.predict(_some(features, chosen[batch], columns))
    return predicted
