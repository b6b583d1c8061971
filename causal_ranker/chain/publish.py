"""From trained models and the latest state to a bundle that serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.chain.train import Trained
from causal_ranker.columns import Columns as C
from causal_ranker.features.config import DAY_OF_WEEK, HOUR_OF_DAY, FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.serving.bundle import BundleContents
from causal_ranker.serving.candidates import CandidateSource
from causal_ranker.serving.model import ModelPart
from causal_ranker.serving.moment import ClockFeature
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable
from causal_ranker.serving.width import WidthPart

if TYPE_CHECKING:
    import lightgbm

__all__ = ["bundle_contents"]

_GOLDEN_ROWS = 20


def bundle_contents(
    trained: Trained,
    latest: FeatureBlock,
    *,
    config: FeatureConfig,
    evaluation: Mapping[str, Any],
) -> BundleContents:
    """Collect what a bundle holds.

    Parameters
    ----------
    trained : Trained
        Models and policy.
    latest : FeatureBlock
        The candidates of each user's next request, with their features as of now.
    config : FeatureConfig
        Names of the features.
    evaluation : mapping
        Summary for the manifest.

    Returns
    -------
    BundleContents
        Ready to be published.
    """
    learner = trained.scorer.learner.model_
    users, user_row = np.unique(latest.user, return_inverse=True)
    items, item_row = np.unique(latest.item, return_inverse=True)
    groups = _groups(latest, config, user_row=user_row, item_row=item_row)
    levels = trained.levels.by_feature
    values = {name: latest.features[:, place] for place, name in enumerate(config.names)}
    of_requests = {name for name in _context(config) if groups[name] == "moment"}
    by_group = {
        group: tuple(
            name
            for name in config.names
            # Unless a request says otherwise, a user's last one goes on.
            if groups[name] == group or (group == "user" and name in of_requests)
        )
        for group in ("user", "item", "pair")
    }

    def table(group: str, ids: NDArray[Any], row: NDArray[np.int64]) -> FeatureTable:
        # Any row of the key will do: the values are equal, that is how the group was found.
        some = np.zeros(len(ids), dtype=np.int64)
        some[row] = np.arange(len(row))
        columns = [values[name][some] for name in by_group[group]]
        matrix = np.stack(columns, axis=1) if columns else np.empty((len(ids), 0))
        return FeatureTable(ids=ids, names=by_group[group], values=matrix.astype(np.float64))

    pairs = _pairs(by_group["pair"], values, user_row, item_row, n_users=len(users))
    one_row = np.unique(user_row, return_index=True)[1]  # of each request
    clock: dict[str, ClockFeature] = {HOUR_OF_DAY: "hour_of_day", DAY_OF_WEEK: "day_of_week"}
    snapshot = FeatureSnapshot(
        users=table("user", users, user_row),
        items=table("item", items, item_row),
        pairs=pairs,
        moment={
            name: _default(values[name][one_row], levels.get(name)) for name in sorted(of_requests)
        },
        clock={name: clock[name] for name in config.clock_names},
    )
    features = tuple(
        Feature(name=name, group=groups[name], levels=levels.get(name)) for name in config.names
    )
    golden = latest.features[:_GOLDEN_ROWS].astype(np.float64)
    recommender = trained.recommender
    base = None
    if recommender is not None:
        model = recommender.model_at(int(latest.t0.max()))
        if model is not None:
            base = _part(model, features[:-2], golden[:, :-2])
    width = None
    if trained.width is not None:
        width = WidthPart(_part(trained.width.model_, features, golden), trained.width.level)
    return BundleContents(
        uplift=_part(learner, features, golden),
        policy=trained.policy,
        snapshot=snapshot,
        base=base,
        candidates=CandidateSource.from_rows(user_row, item_row, n_users=len(users)),
        training_window=trained.window,
        evaluation=evaluation,
        width=width,
    )


def _part(
    model: lightgbm.Booster, features: tuple[Feature, ...], golden: NDArray[np.float64]
) -> ModelPart:
    return ModelPart(
        text=model.model_to_string(),
        schema=FeatureSchema(features),
        golden_features=golden,
        golden_expected=np.asarray(model.predict(golden, num_threads=1), dtype=np.float64),
    )


def _groups(
    latest: FeatureBlock,
    config: FeatureConfig,
    *,
    user_row: NDArray[np.int64],
    item_row: NDArray[np.int64],
) -> dict[str, Any]:
    """Keep a feature with the user or the item where it depends on nothing else.

    What the log says of each request, and the same for all its candidates, is of the moment: the
    next request may say otherwise.
    """
    groups: dict[str, Any] = {}
    context = _context(config)
    for place, name in enumerate(config.names):
        column = latest.features[:, place]
        if name in (C.BASE_SCORE, C.BASE_RANK):
            groups[name] = "base"
        elif name in config.clock_names:
            groups[name] = "moment"
        elif _depends_only_on(user_row, column):
            # The block holds one request of each user.
            groups[name] = "moment" if name in context else "user"
        elif _depends_only_on(item_row, column):
            groups[name] = "item"
        else:
            groups[name] = "pair"
    return groups


def _context(config: FeatureConfig) -> tuple[str, ...]:
    """Name what a request says of itself, in the log."""
    return (*config.row_numbers, *config.row_categories)


def _depends_only_on(row: NDArray[np.int64], column: NDArray[np.float32]) -> bool:
    some = np.zeros(int(row.max()) + 1, dtype=column.dtype)
    some[row] = column
    return bool(np.array_equal(some[row], column, equal_nan=True))


def _pairs(
    names: tuple[str, ...],
    values: Mapping[str, NDArray[np.float32]],
    user_row: NDArray[np.int64],
    item_row: NDArray[np.int64],
    *,
    n_users: int,
) -> PairTable:
    """Store the pairs that differ from a pair nothing is known of."""
    if names:
        matrix = np.stack([values[name] for name in names], axis=1).astype(np.float64)
    else:
        matrix = np.empty((len(user_row), 0))
    default = np.array([_commonest(values[name]) for name in names], dtype=np.float64)
    same = (matrix == default) | (np.isnan(matrix) & np.isnan(default))
    told = ~same.all(axis=1)
    return PairTable.from_rows(
        user_row[told],
        item_row[told],
        names=names,
        values=matrix[told],
        default=default,
        n_users=n_users,
    )


def _default(column: NDArray[np.float32], levels: tuple[Any, ...] | None) -> float | str | None:
    """Say what most requests say, as a request would; None where most say nothing."""
    value = _commonest(column)
    if not np.isfinite(value):
        return None
    return value if levels is None else levels[int(value)]


def _commonest(column: NDArray[np.float32]) -> float:
    found, counts = np.unique(column, return_counts=True)
    return float(found[np.argmax(counts)])
