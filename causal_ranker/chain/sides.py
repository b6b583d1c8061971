"""The columns that list rules read: features of the block, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from causal_ranker.errors import SchemaError
from causal_ranker.features.asof import Levels
from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.reranking.chained import ListPolicy, check_columns, columns_of
from causal_ranker.reranking.lists import SideColumn

__all__ = ["SidePlace", "check_named", "side_columns", "side_places"]


@dataclass(frozen=True)
class SidePlace:
    """Where a column that a rule reads stands.

    Attributes
    ----------
    place : int
        Its place among the features.
    levels : sequence of str, or None
        Levels of a category, in the order of their codes; None for numbers.
    """

    place: int
    levels: Sequence[str] | None


def check_named(policy: ListPolicy, config: FeatureConfig) -> None:
    """Refuse a policy whose rules read what is no feature, before anything is trained.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    config : FeatureConfig
        Names of the features.

    Raises
    ------
    SchemaError
        If there is such a column.
    """
    for name in columns_of(policy):
        if name not in config.names:
            raise SchemaError(
                expected=f"a feature '{name}', which a rule of the policy reads",
                came=f"{len(config.names)} features without it",
                do="Name its column in the settings of the features: columns of the item table "
                "become item_<column>, those of the user table user_<column>, and those of the "
                "candidate log keep their names.",
            )


def side_places(
    policy: ListPolicy, *, config: FeatureConfig, levels: Levels
) -> dict[str, SidePlace]:
    """Find the columns that a policy's rules read.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    config : FeatureConfig
        Names of the features.
    levels : Levels
        Codes of the categorical features.

    Returns
    -------
    dict of str to SidePlace
        Columns by name; empty for a policy without rules that read any.

    Raises
    ------
    SchemaError
        If a column is no feature.
    ConfigError
        If a floor names a level that its column does not have, or names none of a category.
    """
    check_named(policy, config)
    places = {
        name: SidePlace(config.names.index(name), levels.by_feature.get(name))
        for name in columns_of(policy)
    }
    check_columns(policy, {name: side.levels for name, side in places.items()})
    return places


def side_columns(
    block: FeatureBlock, places: Mapping[str, SidePlace], *, rows: NDArray[Any]
) -> dict[str, SideColumn]:
    """Read the columns off some rows of a block.

    Parameters
    ----------
    block : FeatureBlock
        The rows.
    places : mapping of str to SidePlace
        What `side_places` returned.
    rows : numpy.ndarray
        Positions of the rows that are read.

    Returns
    -------
    dict of str to SideColumn
        Columns by name.
    """
    return {
        name: SideColumn(block.features[rows, side.place].astype(float), side.levels)
        for name, side in places.items()
    }
