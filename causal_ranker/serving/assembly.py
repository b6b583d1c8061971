"""From what a store knows to the feature matrix of one request."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import SchemaError
from causal_ranker.serving.schema import FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.store import FeatureRows

__all__ = ["FeaturePlan"]


class FeaturePlan:
    """Where each column of a model's matrix comes from, worked out once.

    Parameters
    ----------
    schema : FeatureSchema
        The model's features, in order.
    snapshot : FeatureSnapshot
        Its layout is that of the rows to come, and its moment fills in what no request says.

    Attributes
    ----------
    schema : FeatureSchema
        The features.

    Raises
    ------
    SchemaError
        If the snapshot does not hold a feature of the schema.
    """

    def __init__(self, schema: FeatureSchema, snapshot: FeatureSnapshot) -> None:
        self.schema = schema
        self._width = len(schema.features)
        layout = snapshot.layout
        tables = {"user": layout.users, "item": layout.items, "pair": layout.pairs}
        self._columns = {group: _columns(schema, group, names) for group, names in tables.items()}
        self._last = _last_moment(schema, layout.users)
        self._moment = np.full(self._width, np.nan)
        self._base: dict[str, int] = {}
        # What a request may say of the moment and of its user.
        self._sendable: dict[str, int] = {}
        for place, feature in enumerate(schema.features):
            if feature.group in ("moment", "user"):
                self._sendable[feature.name] = place
            if feature.group == "moment" and feature.name not in snapshot.clock:
                if feature.name not in snapshot.moment:
                    raise _missing(feature.name, "moment", tuple(snapshot.moment))
                default = snapshot.moment[feature.name]
                self._moment[place] = np.nan if default is None else feature.code(default)
            elif feature.group == "base":
                self._base[feature.name] = place

    def matrix(
        self,
        rows: FeatureRows,
        *,
        base_score: NDArray[np.float64] | None = None,
        base_rank: NDArray[np.int64] | None = None,
        sent: Mapping[str, float | str | None] | None = None,
    ) -> NDArray[np.float64]:
        """Assemble the features of one user with some items.

        Parameters
        ----------
        rows : FeatureRows
            What the store knows of the user and of n items, in the snapshot's layout. A user or an
            item that is not known has NaN (the model's missing path) for its own features.
        base_score : ndarray of float64, shape (n,), optional
            The base recommender's scores, in its own unit; NaN without it.
        base_rank : ndarray of int64, shape (n,), optional
            Ranks of those scores, from 1; NaN without it.
        sent : mapping of str to value, optional
            Features of the moment and of the user by name, raw, in place of what the store
            says; None where a value is missing. Names that the model does not read change nothing.
            What follows the clock is missing unless it is sent.

        Returns
        -------
        ndarray of float64, shape (n, features)
            The matrix, columns in the order of the schema.
        """
        X = np.empty((rows.known.size, self._width))
        X[:] = self._moment
        if rows.user is not None:
            for target, source in (self._columns["user"], self._last):
                X[:, target] = rows.user[source]
        for group, values in (("item", rows.items), ("pair", rows.pairs)):
            target, source = self._columns[group]
            if target.size:
                X[:, target] = values[:, source]
        for name, known in ((C.BASE_SCORE, base_score), (C.BASE_RANK, base_rank)):
            if name in self._base and known is not None:
                X[:, self._base[name]] = known
        for name, value in (sent or {}).items():
            if name in self._sendable:
                place = self._sendable[name]
                X[:, place] = np.nan if value is None else self.schema.features[place].code(value)
        return X

    def count_missing(self, X: NDArray[np.float64]) -> int:
        """Count the values that a matrix lacks, those of pairs without history aside.

        Parameters
        ----------
        X : ndarray of float64, shape (n, features)
            What :meth:`matrix` gave.

        Returns
        -------
        int
            NaN in features of users, items, the moment or the base.
        """
        absent = np.isnan(X)
        pairs = self._columns["pair"][0]
        return int(absent.sum()) - (int(absent[:, pairs].sum()) if pairs.size else 0)


def _columns(
    schema: FeatureSchema, group: str, names: tuple[str, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of a group's features in the matrix, and of the same features in its table."""
    target = [place for place, feature in enumerate(schema.features) if feature.group == group]
    for place in target:
        if schema.features[place].name not in names:
            raise _missing(schema.features[place].name, group, names)
    source = [names.index(schema.features[place].name) for place in target]
    return np.array(target, dtype=np.intp), np.array(source, dtype=np.intp)


def _last_moment(
    schema: FeatureSchema, names: tuple[str, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the features of the moment that the table of users has, too."""
    target = [
        place
        for place, feature in enumerate(schema.features)
        if feature.group == "moment" and feature.name in names
    ]
    source = [names.index(schema.features[place].name) for place in target]
    return np.array(target, dtype=np.intp), np.array(source, dtype=np.intp)


def _missing(name: str, group: str, names: tuple[str, ...]) -> SchemaError:
    return SchemaError(
        expected=f"the {group} feature '{name}' of the schema in the snapshot",
        came=f"{group} features {', '.join(names[:10]) or 'none'}",
        do="Build snapshot and schema from the same features.",
    )
