"""The rows an evaluation reads: scored candidates, as plain arrays of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError

__all__ = ["EvaluationRows"]

Array = NDArray[np.float64]
IntArray = NDArray[np.integer[Any]]

_FLOATS = (
    "treatment",
    "outcome",
    "propensity",
    "gamma",
    "sample_weight",
    "uplift",
    "base_score",
)
_ROWS_SHOWN = 3


@dataclass(frozen=True)
class EvaluationRows:
    """Candidates of the evaluation's requests, each array of shape (n,).

    Two kinds of rows are needed, and a row may be both: every row that some policy ranks among
    its first k, and a uniform sample of *all* candidates for the curves. Others may be left
    out. A request's primary candidate set, its rows with overlap, is the same for every policy;
    ranks count within it. A sampled row outside it has rank 0 under every policy: it is shown
    in the overlap figure, counts in the share left out, and enters nothing else.

    Parameters
    ----------
    user : ndarray of int or str
        Ids of the users.
    unit : ndarray of int or str
        The unit at which the treatment was assigned; the user ids where it was assigned per
        user or per request.
    request : ndarray of int
        Codes 0 .. requests-1, each with a row.
    treatment : ndarray of float64
        T, 1 where the item was placed in the slate.
    outcome : ndarray of float64
        Y, plays of the item within the horizon on any surface.
    propensity : ndarray of float64
        e = P(T = 1 | X); strictly between 0 and 1 in the primary set.
    gamma : ndarray of float64
        Doubly robust scores, in plays per exposure; anything, NaN included, at rank 0.
    rank : mapping of str to ndarray of int
        For each policy the rank within the request's primary set, from 1; 0 outside it. Rows
        behind the first k may share one larger rank.
    sample_weight : ndarray of float64
        Weight of the row in the uniform sample; 0 if it is kept for some policy's list only.
    uplift : ndarray of float64
        Predicted uplift, in plays per exposure.
    base_score : ndarray of float64
        Score of the base recommender, in its own unit.
    requests : int
        Number of requests in the evaluation.
    total_gamma : ndarray of float64, optional
        Scores of the effect on the user's total plays, in plays per exposure; anything, NaN
        included, at rank 0.

    Raises
    ------
    SchemaError
        If an array is not a vector of the length and type it should be.
    RowError
        If a value is out of its range, a request has no row, or the policies disagree on the
        primary set.
    ConfigError
        If there is no policy, or the number of requests is not a positive integer.
    EmptyError
        If there is no row, or none that is in the primary set and in the sample.
    """

    user: NDArray[Any]
    unit: NDArray[Any]
    request: IntArray
    treatment: Array
    outcome: Array
    propensity: Array
    gamma: Array
    rank: Mapping[str, IntArray]
    sample_weight: Array
    uplift: Array
    base_score: Array
    requests: int
    total_gamma: Array | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_requests()
        self._check_values()

    @cached_property
    def primary(self) -> NDArray[np.bool_]:
        """True for the rows of the primary candidate sets, shape (n,)."""
        inside: NDArray[np.bool_] = next(iter(self.rank.values())) > 0
        return inside

    @cached_property
    def sampled(self) -> NDArray[np.int64]:
        """Row numbers of the uniform sample, rows without overlap included, shape (s,)."""
        return np.flatnonzero(self.sample_weight)

    @cached_property
    def curve_rows(self) -> NDArray[np.int64]:
        """Row numbers of the uniform sample inside the primary candidate sets, shape (m,)."""
        return self.sampled[self.primary[self.sampled]]

    @cached_property
    def second_cluster(self) -> NDArray[Any] | None:
        """The assignment units, or None where they are the users: one clustering then does."""
        return None if np.array_equal(self.user, self.unit) else self.unit

    def _check_shapes(self) -> None:
        if not self.rank:
            raise ConfigError(
                expected="the ranks of at least one policy",
                came="an empty mapping",
                do="Pass rank={'base': ..., ...}.",
            )
        size = np.size(self.request)
        if size == 0:
            raise EmptyError(
                expected="at least one row to evaluate",
                came="none",
                do="Check the filters that ran before.",
            )
        for name in ("user", "unit"):
            _check_vector(getattr(self, name), name=name, size=size, kinds="iuUTO")
        for name in _FLOATS:
            _check_vector(getattr(self, name), name=name, size=size, kinds="f")
        if self.total_gamma is not None:
            _check_vector(self.total_gamma, name="total_gamma", size=size, kinds="f")
        _check_vector(self.request, name="request", size=size, kinds="iu")
        for policy, ranks in self.rank.items():
            _check_vector(ranks, name=f"rank[{policy!r}]", size=size, kinds="iu")

    def _check_requests(self) -> None:
        if not isinstance(self.requests, int | np.integer) or self.requests < 1:
            raise ConfigError(
                expected="a whole number of requests, at least 1",
                came=f"requests = {self.requests!r}",
                do="Pass the number of requests in the evaluation.",
            )
        _reject(
            (self.request < 0) | (self.request >= self.requests),
            self.request,
            name="request",
            expected=f"request codes in 0 .. {self.requests - 1}",
            do="Code the requests with np.unique(..., return_inverse=True).",
        )
        without = int((np.bincount(self.request, minlength=self.requests) == 0).sum())
        if without:
            raise RowError(
                expected="at least one row in every request",
                came=f"{without} of {self.requests} requests without a row",
                do="Count only requests with candidates, and keep every policy's first k rows.",
            )

    def _check_values(self) -> None:
        for policy, ranks in self.rank.items():
            _reject(
                ranks < 0,
                ranks,
                name=f"rank[{policy!r}]",
                expected="ranks from 1, or 0 outside the primary candidate set",
                do="Count ranks from 1 within the request.",
            )
            _reject(
                (ranks > 0) != self.primary,
                ranks,
                name=f"rank[{policy!r}]",
                expected="one primary candidate set for every policy (rank 0 outside it)",
                do="Rank the same candidates under every policy.",
            )
        inside = self.primary
        e, t, w = self.propensity, self.treatment, self.sample_weight
        _reject(
            ~((t == 0) | (t == 1)),
            t,
            name="treatment",
            expected="treatments of 0 or 1",
            do="Code the two arms as 0 and 1.",
        )
        _reject(
            ~((e >= 0) & (e <= 1)) | (inside & ~((e > 0) & (e < 1))),
            e,
            name="propensity",
            expected="propensities strictly between 0 and 1 (0 and 1 only at rank 0)",
            do="Leave rows without overlap out of the primary set: give them rank 0.",
        )
        _reject(
            ~(np.isfinite(w) & (w >= 0)),
            w,
            name="sample_weight",
            expected="finite weights of 0 or more",
            do="Give rows outside the uniform sample the weight 0.",
        )
        for name in ("outcome", "gamma", "uplift", "base_score", "total_gamma"):
            values = getattr(self, name)
            if values is None:
                continue
            _reject(
                inside & ~np.isfinite(values),
                values,
                name=name,
                expected=f"finite numbers in '{name}'",
                do="Fill these rows, or take their candidates out of every policy's ranks.",
            )
        if not self.curve_rows.size:
            raise EmptyError(
                expected="sampled rows in the primary candidate sets",
                came=f"{self.sampled.size} sampled rows, none of them with a rank above 0",
                do="Sample the candidates uniformly, and check the overlap.",
            )


def _check_vector(values: object, *, name: str, size: int, kinds: str) -> None:
    if not isinstance(values, np.ndarray) or values.shape != (size,):
        came = f"shape {values.shape}" if isinstance(values, np.ndarray) else f"{type(values)}"
        raise SchemaError(
            expected=f"an array of shape ({size},) in '{name}'",
            came=came,
            do="Pass columns of one table as NumPy arrays.",
        )
    if values.dtype.kind not in kinds or (kinds == "f" and values.dtype != np.float64):
        wanted = {"f": "float64", "iu": "integers"}.get(kinds, "integers or strings")
        raise SchemaError(
            expected=f"{wanted} in '{name}'",
            came=f"type {values.dtype}",
            do="Convert the column with .astype first.",
        )


def _reject(
    bad: NDArray[np.bool_], values: NDArray[Any], *, name: str, expected: str, do: str
) -> None:
    if not bad.any():
        return
    rows = np.flatnonzero(bad)
    shown = ", ".join(f"row {row}: {values[row]!s}" for row in rows[:_ROWS_SHOWN])
    raise RowError(
        expected=expected, came=f"'{name}' with {rows.size} of {bad.size} bad rows ({shown})", do=do
    )
