"""What the columns of a model's feature matrix are, and in which order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from causal_ranker.columns import Columns as C
from causal_ranker.errors import SchemaError

__all__ = ["Feature", "FeatureGroup", "FeatureSchema"]

FeatureGroup = Literal["user", "item", "pair", "moment", "base"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix.

    Parameters
    ----------
    name : str
        The column's name, as the model was trained with it.
    group : {"user", "item", "pair", "moment", "base"}
        Where the value comes from at serving: the user's row, the item's row, the history of the
        pair, the moment of the request, or the base recommender (`base_score`, `base_rank`).
    levels : tuple of str or int, optional
        Levels of a categorical feature; the code of a level is its place in this tuple, as with
        the codes of a pandas categorical. ``None`` for a number.

    Raises
    ------
    SchemaError
        If the name is empty, the group unknown, a level repeated, or a feature of the group
        "base" is neither the base score nor the base rank.
    """

    name: str
    group: FeatureGroup
    levels: tuple[str | int, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise _refuse("a feature name", repr(self.name), "Name every feature.")
        if self.group not in get_args(FeatureGroup):
            raise _refuse(
                f"a group of {', '.join(get_args(FeatureGroup))} for '{self.name}'",
                repr(self.group),
                "Say where the feature comes from.",
            )
        if self.group == "base" and self.name not in (C.BASE_SCORE, C.BASE_RANK):
            raise _refuse(
                f"'{C.BASE_SCORE}' or '{C.BASE_RANK}' in the group 'base'",
                repr(self.name),
                "Give the feature another group.",
            )
        if self.levels is not None:
            if not all(type(level) in (str, int) for level in self.levels):
                raise _refuse(
                    f"levels of '{self.name}' that are strings or integers",
                    repr(self.levels[:5]),
                    "Convert the levels.",
                )
            if len(set(self.levels)) != len(self.levels):
                raise _refuse(
                    f"each level of '{self.name}' once",
                    repr(self.levels[:5]),
                    "Remove the repeated levels.",
                )

    def code(self, value: float | str) -> float:
        """Encode one raw value as the model saw it in training.

        Parameters
        ----------
        value : float or str
            A level of a categorical feature, or a number.

        Returns
        -------
        float
            The level's code, or the number; NaN (the model's missing path) for a level that
            training never saw.

        Raises
        ------
        SchemaError
            If the feature is a number and the value is not.
        """
        if self.levels is not None:
            return float(self.levels.index(value)) if value in self.levels else math.nan
        if isinstance(value, str):
            raise _refuse(f"a number for '{self.name}'", repr(value), "Send a number.")
        return float(value)


@dataclass(frozen=True, slots=True)
class FeatureSchema:
    """The ordered features of one model.

    Parameters
    ----------
    features : tuple of Feature
        The columns of the feature matrix, first to last.

    Raises
    ------
    SchemaError
        If there is no feature, or a name comes twice.
    """

    features: tuple[Feature, ...]

    def __post_init__(self) -> None:
        if not self.features:
            raise _refuse("at least one feature", "none", "List the model's features.")
        names = self.names
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise _refuse("each feature name once", f"{twice[:5]} twice", "Rename the features.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(feature.name for feature in self.features)

    def to_dict(self) -> dict[str, Any]:
        """Describe the schema as a JSON object.

        Returns
        -------
        dict
            ``{"features": [{"name", "group", "levels"}, ...]}``.
        """
        return {
            "features": [
                {
                    "name": feature.name,
                    "group": feature.group,
                    "levels": None if feature.levels is None else list(feature.levels),
                }
                for feature in self.features
            ]
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Self:
        """Build a schema from its JSON object.

        Parameters
        ----------
        description : Mapping
            What :meth:`to_dict` gave.

        Returns
        -------
        FeatureSchema
            The schema.

        Raises
        ------
        SchemaError
            If a key is missing, unknown, or holds an impossible value.
        """
        try:
            if set(description) != {"features"}:
                raise KeyError(f"keys {sorted(description)}")
            features = tuple(
                Feature(
                    **{**row, "levels": None if row["levels"] is None else tuple(row["levels"])}
                )
                for row in description["features"]
            )
        except (KeyError, TypeError) as error:
            raise _refuse(
                "a schema written by FeatureSchema.to_dict",
                f"{type(error).__name__}: {error}",
                "Write the schema again with this version of the package.",
            ) from None
        return cls(features)


def _refuse(expected: str, came: str, do: str) -> SchemaError:
    return SchemaError(expected=expected, came=came, do=do)
