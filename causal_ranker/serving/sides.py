"""The columns that list rules read, of one user's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.reranking.chained import ListPolicy, check_columns, columns_of
from causal_ranker.reranking.lists import SideColumn
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.schema import FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.store import FeatureRows

__all__ = ["SidePlan"]


class SidePlan:
    """Where the columns that a policy reads come from, worked out once.

    Parameters
    ----------
    policy : Policy or ChainedPolicy
        The policy.
    schema : FeatureSchema
        Features of the uplift model, among which the columns are.
    snapshot : FeatureSnapshot
        The tables that hold them.

    Raises
    ------
    SchemaError
        If a column is no feature of the model.
    ConfigError
        If a floor names a level that its column does not have, or names none of a category.
    """

    def __init__(
        self, policy: ListPolicy, *, schema: FeatureSchema, snapshot: FeatureSnapshot
    ) -> None:
        names = columns_of(policy)
        self._features = {each.name: each for each in schema.features if each.name in names}
        check_columns(policy, {name: each.levels for name, each in self._features.items()})
        self._plan = None
        if self._features:
            self._plan = FeaturePlan(FeatureSchema(tuple(self._features.values())), snapshot)

    def columns(
        self,
        rows: FeatureRows,
        *,
        base_score: NDArray[np.float64],
        base_rank: NDArray[np.int64],
        sent: Mapping[str, NDArray[np.float64]],
    ) -> dict[str, SideColumn]:
        """Read the columns of one user's candidates.

        Parameters
        ----------
        rows : FeatureRows
            What the store knows; an item that is not known has no value (NaN).
        base_score, base_rank : ndarray, shape (n,)
            What the base recommender says.
        sent : mapping of str to ndarray of float64, shape (n,)
            Columns that came with the request, in place of the snapshot's.

        Returns
        -------
        dict of str to SideColumn
            Columns by name.
        """
        if self._plan is None:
            return {}
        found = self._plan.matrix(rows, base_score=base_score, base_rank=base_rank)
        return {
            name: SideColumn(sent.get(name, found[:, place]), feature.levels)
            for place, (name, feature) in enumerate(self._features.items())
        }

    def encode(
        self, sent: Mapping[str, Sequence[float | str | None]], *, n: int, strict: bool
    ) -> dict[str, NDArray[np.float64]]:
        """Encode columns that came with a request.

        Parameters
        ----------
        sent : mapping of str to sequence
            A value for each candidate: a level of a category, or a number; None where it is
            missing.
        n : int
            Candidates.
        strict : bool
            Whether a column that the policy does not read is refused; without it it is left aside.

        Returns
        -------
        dict of str to ndarray of float64, shape (n,)
            Codes and numbers.

        Raises
        ------
        ConfigError
            If `strict` and the policy does not read such a column.
        RowError
            If there is not one value for each candidate, or a value is not one of its column.
        """
        encoded: dict[str, NDArray[np.float64]] = {}
        for name, values in sent.items():
            feature = self._features.get(name)
            if feature is None and strict:
                raise ConfigError(
                    expected="columns that the policy reads: "
                    f"{', '.join(self._features) or 'it reads none'}",
                    came=repr(name),
                    do="Leave the column out.",
                )
            if len(values) != n:
                raise RowError(
                    expected=f"a value of '{name}' for each of {n} candidates",
                    came=str(len(values)),
                    do="Send one for each, in their order; None where there is none.",
                )
            if feature is None:
                continue
            try:
                codes = [np.nan if value is None else feature.code(value) for value in values]
            except (SchemaError, TypeError, ValueError) as error:
                raise RowError(
                    expected=f"values of '{name}'", came=str(error), do="Send a number or None."
                ) from None
            encoded[name] = np.array(codes, dtype=np.float64)
        return encoded
