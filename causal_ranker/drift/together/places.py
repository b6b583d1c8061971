"""Numbers of all kinds of values: the place of each among the reference's values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from causal_ranker.drift.profiles import Categories, Profile
from causal_ranker.stats._arrays import Array

__all__ = ["Places"]


@dataclass(frozen=True, eq=False)
class Places:
    """Where a value lies among the reference's, by their cells.

    The place of a number is the share of the reference's values in the cells below its own, and
    half of its own: whatever increasing transform a column has gone through, and however large its
    values, it is the same. Categories stand in the order of how frequent they are in the reference;
    one that it does not have is at 1.

    Parameters
    ----------
    profiles : dict of str to Numbers or Categories
        The reference's columns, all days together.
    """

    profiles: Mapping[str, Profile]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self.profiles)

    def of(self, values: Mapping[str, pa.ChunkedArray]) -> Array:
        """Find the places of rows.

        Parameters
        ----------
        values : mapping of str to ChunkedArray
            Every column: doubles or text, null where missing.

        Returns
        -------
        ndarray of float64, shape (n, n_columns)
            In [0, 1]; NaN where missing.
        """
        return np.column_stack(
            [_places(profile, values[name]) for name, profile in self.profiles.items()]
        )


def _places(profile: Profile, values: pa.ChunkedArray) -> Array:
    counts = profile.counts.sum(axis=0).astype(np.float64)
    if isinstance(profile, Categories):
        middles = np.ones(counts.size)  # the last cell is for what the reference does not have
        order = np.argsort(-counts[:-1], kind="stable")
        middles[order] = _middles(counts[order])
        cell_of: dict[Any, int] = {label: k for k, label in enumerate(profile.labels)}
        cell_of[None] = counts.size
        cell = np.array([cell_of.get(v, counts.size - 1) for v in values.to_pylist()], np.int64)
    else:
        middles = _middles(counts)
        numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy()
        cell = np.searchsorted(profile.edges, numbers, side="left")
        cell = np.where(np.isnan(numbers), counts.size, cell)
    places: Array = np.append(middles, np.nan)[cell]
    return places


def _middles(counts: Array) -> Array:
    middles: Array = (np.cumsum(counts) - counts / 2) / max(float(counts.sum()), 1.0)
    return middles
