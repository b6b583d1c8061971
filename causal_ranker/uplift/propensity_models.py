"""Kinds of propensity model, ready to be fitted on the rows that a cell of the cross-fit leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.errors import EmptyError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checkpoint import Keep
from causal_ranker.uplift.linear import encode, fit_linear

if TYPE_CHECKING:
    import lightgbm

__all__ = ["PropensityFit", "PropensityKind", "PropensityModel", "propensity_fits"]

#: Trees, and logistic regressions without and with a penalty that keeps noise out.
PropensityKind = Literal["boosted", "logistic", "elastic net"]


class PropensityModel(Protocol):
    """A fitted model of P(T = 1 | X)."""

    def predict(
        self,
        features: NDArray[np.float32],
        *,
        rows: NDArray[np.int64],
        columns: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        """Estimate some rows.

        Parameters
        ----------
        features : numpy.ndarray
            Shape (n_rows, n_features).
        rows : numpy.ndarray
            Positions of the rows.
        columns : sequence of int, optional
            Columns of `features` that the model was fitted on, in that order; all by default.

        Returns
        -------
        numpy.ndarray
            In (0, 1), of the shape of `rows`.
        """
        ...


#: Fits a model on the rows that are not marked, from a boolean array of shape (n_rows,).
PropensityFit = Callable[[NDArray[np.bool_]], PropensityModel]


def propensity_fits(
    rows: Rows,
    *,
    kinds: Sequence[PropensityKind],
    columns: Sequence[int],
    sample: NDArray[np.int64],
    config: BoostConfig,
    seed: int,
    keep: Keep,
) -> dict[PropensityKind, PropensityFit]:
    """Make what all fits of a kind share: bins of the trees, columns of the linear models.

    Parameters
    ----------
    rows : Rows
        Training rows; weights enter the fits.
    kinds : sequence of {"boosted", "logistic", "elastic net"}
        Kinds of model.
    columns : sequence of int
        Features the models may use.
    sample : numpy.ndarray
        Positions of the rows that linear models are fitted on; trees take all.
    config : BoostConfig
        The trees.
    seed : int
        Seed of the trees.
    keep : callable
        Returns each model of trees by name, from an earlier fit where it has it.

    Returns
    -------
    dict of str to callable
        A fit by kind.
    """
    target = np.asarray(rows.treatment, dtype=np.float64)
    fits: dict[PropensityKind, PropensityFit] = {}
    if "boosted" in kinds:
        fits["boosted"] = _boosted(
            rows, target, columns=columns, config=config, seed=seed, keep=keep
        )
    linear = [kind for kind in kinds if kind != "boosted"]
    if linear:
        categorical = [
            place for place, column in enumerate(columns) if rows.names[column] in rows.categorical
        ]
        some = rows.features[sample[:, None], columns]
        encoding = encode(some, categorical=categorical)
        design = encoding(some)

        def fit_of(kind: PropensityKind) -> PropensityFit:
            def fit(held_out: NDArray[np.bool_]) -> PropensityModel:
                seen = ~held_out[sample]
                if not seen.any():
                    raise _no_rows(rows)
                return fit_linear(
                    design[seen],
                    target[sample[seen]],
                    weight=rows.weight[sample[seen]],
                    encoding=encoding,
                    penalty="elastic net" if kind == "elastic net" else "ridge",
                )

            return fit

        fits |= {kind: fit_of(kind) for kind in linear}
    return {kind: fits[kind] for kind in kinds}


@dataclass(frozen=True)
class _Boosted:
    booster: lightgbm.Booster

    def predict(
        self,
        features: NDArray[np.float32],
        *,
        rows: NDArray[np.int64],
        columns: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        return predict_trees(self.booster, features, rows=rows, columns=columns)


def _boosted(
    rows: Rows,
    target: NDArray[np.float64],
    *,
    columns: Sequence[int],
    config: BoostConfig,
    seed: int,
    keep: Keep,
) -> PropensityFit:
    everything = len(columns) == len(rows.names)

    def grown(held_out: NDArray[np.bool_]) -> lightgbm.Booster:
        return rows.binned(config, columns=None if everything else columns).fit(
            target,
            rows=np.flatnonzero(~held_out),
            weight=rows.weight,
            objective="binary",
            config=config,
            seed=seed,
        )

    def fit(held_out: NDArray[np.bool_]) -> PropensityModel:
        if held_out.all():
            raise _no_rows(rows)
        # Called by the rows it does not see: they alone tell the models of one fit apart.
        rest = blake2b(np.packbits(held_out).tobytes(), digest_size=8).hexdigest()
        return _Boosted(keep(f"propensity-{rest}", partial(grown, held_out)))

    return fit


def _no_rows(rows: Rows) -> EmptyError:
    return EmptyError(
        expected="users and assignment units enough to hold some of each out",
        came=f"{len(np.unique(rows.user))} users and {len(np.unique(rows.unit))} units, all in one "
        "fold",
        do="Give longer logs, or log the propensities.",
    )
