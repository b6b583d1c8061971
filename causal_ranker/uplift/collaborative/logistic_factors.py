"""A low-rank logistic model of a matrix of zeros and ones, all of whose cells count.

``logit P(T_ui = 1) = level + b_u + c_i + p_u . q_i`` with normal priors on b, c, p and q. The
posteriors of each user's numbers and of each item's are normal ones, found in turn by Newton steps:
while one side is looked for, the other side's uncertainty acts as a penalty of its own (mean-field
variational Bayes with a quadratic expansion of the loss around the mean). The precision of each
factor's prior is learned from the posteriors, so that factors which the data do not need fade and
are dropped (automatic relevance determination: MacKay, 1994; Bishop, "Variational principal
components", ICANN 1999), and nothing has to be tuned. A step is as long as is sure to come nearer
for losses that bend as the logistic one does (Sun and Tran-Dinh, Mathematical Programming 178,
2019).

Time grows as users times items times the square of factors; cells come in blocks, and are never in
memory all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Cells", "LogisticFactors", "start_factors"]

Floats = NDArray[np.float32]

_CELLS: Final = 2**20  # looked at in one go
_SPREAD: Final = 0.1  # of the factors to start from
_ENOUGH: Final = 5e-3  # mean change of log odds after which another sweep changes nothing
_FADED: Final = 1 / 400  # variance of the log odds that is not worth a factor
_PATIENCE: Final = 5  # sweeps in which a factor may grow


@dataclass
class _Side:
    """Users or items: an intercept and factors of each, with their uncertainty and prior."""

    mean: Floats  # (n, 1 + k)
    covariance: Floats  # (n, 1 + k, 1 + k)
    precision: Floats  # (1 + k,)

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        self.mean, self.precision = self.mean[:, chosen], self.precision[chosen]
        self.covariance = self.covariance[:, chosen][:, :, chosen]

    def as_design(self) -> tuple[Floats, Floats]:
        """Return what the other side's numbers are multiplied by, and how uncertain that is."""
        design, unsure = self.mean.copy(), self.covariance.copy()
        design[:, 0] = 1
        unsure[:, 0] = unsure[:, :, 0] = 0
        return design, unsure

    def learn_precision(self) -> None:
        seconds = np.square(self.mean).sum(axis=0) + np.einsum("nkk->k", self.covariance)
        self.precision = (len(self.mean) / seconds).astype(np.float32)


@dataclass
class LogisticFactors:
    """The model, from `start_factors`.

    Parameters
    ----------
    level : float
        Log odds of an average pair.
    users, items : object
        Intercept and factors of each, with their uncertainty.
    """

    level: float
    users: _Side
    items: _Side

    def fit(self, cells: Cells, *, sweeps: int, advance: Callable[[], None]) -> None:
        """Fit in place, until a sweep through users and items changes nothing any more.

        Parameters
        ----------
        cells : Cells
            What to fit.
        sweeps : int
            At most.
        advance : callable
            Called after each.
        """
        by_item = cells.turned()
        for sweep in range(sweeps):
            changed = _step(self.users, self.items, cells, level=self.level)
            changed += _step(self.items, self.users, by_item, level=self.level)
            for side in (self.users, self.items):
                middle = side.mean[:, 0].mean(dtype=np.float64)
                side.mean[:, 0] -= np.float32(middle)
                self.level += float(middle)
            advance()
            if sweep < _PATIENCE:
                continue
            self._drop_faded()
            if changed < _ENOUGH:
                break

    def _drop_faded(self) -> None:
        spread = 1 / (self.users.precision * self.items.precision)
        spread[0] = np.inf  # the intercepts
        for side in (self.users, self.items):
            side.keep(spread > _FADED)


def start_factors(
    n_users: int, n_items: int, *, level: float, factors: int, rng: np.random.Generator
) -> LogisticFactors:
    """Draw small factors to start from.

    Parameters
    ----------
    n_users, n_items : int
        How many there are.
    level : float
        Log odds of an average pair.
    factors : int
        How many at most.
    rng : numpy.random.Generator
        Decides the draw.

    Returns
    -------
    LogisticFactors
        To be fitted in place.
    """
    users, items = (
        _Side(
            mean=np.hstack(
                [
                    np.zeros((n, 1), dtype=np.float32),
                    np.float32(_SPREAD) * rng.standard_normal((n, factors), dtype=np.float32),
                ]
            ),
            covariance=np.zeros((n, factors + 1, factors + 1), dtype=np.float32),
            precision=np.ones(factors + 1, dtype=np.float32),
        )
        for n in (n_users, n_items)
    )
    return LogisticFactors(level, users, items)


@dataclass(frozen=True)
class Cells:
    """A matrix of zeros and ones, by user and by item.

    Parameters
    ----------
    ones : scipy.sparse.csr_array
        1 in the cells that are 1, shape (n_users, n_items).
    left_out : scipy.sparse.csr_array, optional
        1 in the cells that do not count.
    """

    ones: csr_array
    left_out: csr_array | None = None

    def turned(self) -> Cells:
        """Return the cells by item.

        Returns
        -------
        Cells
            The transposes.
        """
        left_out = self.left_out
        return Cells(self.ones.T.tocsr(), None if left_out is None else left_out.T.tocsr())

    def block(self, rows: slice) -> tuple[Floats, Floats | None]:
        """Write out some rows.

        Parameters
        ----------
        rows : slice
            Which.

        Returns
        -------
        ones : ndarray of float32, shape (n, n_columns)
            The cells.
        counts : ndarray of float32, shape (n, n_columns), optional
            0 in those that do not count.
        """
        left_out = self.left_out
        return self.ones[rows].toarray(), None if left_out is None else 1 - left_out[rows].toarray()


def _step(own: _Side, other: _Side, cells: Cells, *, level: float) -> float:
    """Take a Newton step for each row of `own`; return the mean change of the log odds."""
    design, unsure = other.as_design()
    k = design.shape[1]
    squares = design[:, :, None] * design[:, None, :] + unsure
    both = np.hstack([squares.reshape(-1, k * k), unsure.reshape(-1, k * k)])
    offset = other.mean[:, 0] + np.float32(level)
    changed, block = 0.0, max(1, _CELLS // len(design))
    for start in range(0, len(own.mean), block):
        rows = slice(start, start + block)
        mean = own.mean[rows]
        chance = 1 / (1 + np.exp(-(mean @ design.T + offset)))
        ones, counts = cells.block(rows)
        weight, error = chance * (1 - chance), ones - chance
        if counts is not None:
            weight, error = weight * counts, error * counts
        curves = (weight @ both).reshape(-1, 2, k, k)
        slope = error @ design - own.precision * mean
        slope -= np.einsum("nkl,nl->nk", curves[:, 1], mean)
        covariance = np.linalg.inv(curves[:, 0] + np.diag(own.precision))
        move = np.einsum("nkl,nl->nk", covariance, slope)
        moved = np.abs(move @ design.T)
        farthest = np.maximum(moved.max(axis=1), np.float32(1e-6))
        short = np.log1p(farthest) / farthest
        own.mean[rows] = mean + short[:, None] * move
        own.covariance[rows] = covariance
        changed += float(short @ moved.mean(axis=1))
    own.learn_precision()
    return changed / len(own.mean)
