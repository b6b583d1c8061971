"""Drift of the effect itself, which no look at features can see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import PrivateAttr

from causal_ranker.drift.protocol import Decision, DetectorConfig, decide, fitted
from causal_ranker.drift.windows import columns_of
from causal_ranker.errors import SchemaError
from causal_ranker.stats._arrays import Array, float_vector
from causal_ranker.stats._codes import whole_numbers
from causal_ranker.stats._student import two_sided_quantile
from causal_ranker.stats.intervals import Interval
from causal_ranker.stats.two_windows import change_covariance, shared_clusters, wald_test

__all__ = ["EffectDrift", "GroupChange"]


@dataclass(frozen=True)
class GroupChange:
    """How the mean effect of one group moved between two matured windows.

    Parameters
    ----------
    group : int
        The group.
    rows : tuple of int
        Rows of the reference and of the window.
    before, now : float
        Mean AIPW scores, in plays per impression.
    change : Interval
        Their difference; the intervals of all groups hold at once with probability 1 - level.
    """

    group: int
    rows: tuple[int, int]
    before: float
    now: float
    change: Interval


@dataclass(frozen=True)
class _Scores:
    score: Array
    group: NDArray[np.int64]
    clusters: NDArray[np.generic] | None


@dataclass(frozen=True)
class _Compared:
    groups: NDArray[np.int64]
    rows: tuple[NDArray[np.int64], NDArray[np.int64]]
    means: tuple[Array, Array]
    covariance: Array
    degrees: int

    @property
    def change(self) -> Array:
        return self.means[1] - self.means[0]


class EffectDrift(DetectorConfig):
    """Test whether mean effects moved, by group, rows of one user taken together.

    Values are AIPW scores (`causal_ranker.stats.aipw`) of rows whose horizon has ended, with
    nuisances of the window itself or of earlier rows: then a group's mean score is its mean
    effect, whatever else moved (Robins, Rotnitzky and Zhao, 1994). Groups are decided by what was
    known before t0, and alike in both windows: predicted uplift by quantiles of the reference,
    a genre, new users. The same change in two halves of opposite sign is one that an overall mean
    cannot see.

    The effect size is the largest absolute change of a group, in plays per impression.

    Parameters
    ----------
    level : float
        Rate of false alarms.
    least_effect : float
        Smallest change that matters.
    """

    _reference: _Scores | None = PrivateAttr(default=None)

    def fit(self, reference: ArrayLike, *, clusters: ArrayLike | None = None) -> Self:
        """Keep the reference.

        Parameters
        ----------
        reference : array_like, shape (n,) or (n, 2)
            AIPW scores, and beside them each row's group as a whole number; one group by default.
        clusters : array_like of int or str, shape (n,), optional
            The user of each row; each row by itself by default. An id that is in the window, too,
            is the same user.

        Returns
        -------
        EffectDrift
            Itself.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the columns are not scores and groups.
        """
        score, group = _scores(reference, name="reference")
        self._reference = _Scores(
            score.copy(), group, None if clusters is None else np.array(clusters)
        )
        return self

    def predict(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> Decision:
        """Test the groups' changes together.

        Parameters
        ----------
        window : array_like, shape (m,) or (m, 2)
            As in `fit`.
        clusters : array_like of int or str, shape (m,), optional
            The user of each row, where the reference has them.

        Returns
        -------
        Decision
            The statistic is Hotelling's F over the groups that both windows have rows of.

        Raises
        ------
        EmptyError, RowError, SchemaError
            If the columns are not scores and groups, or there are too few clusters.
        """
        found = self._compare(window, clusters)
        test = wald_test(found.change, found.covariance, degrees=found.degrees, level=self.level)
        return decide(
            self,
            test.statistic,
            threshold=test.threshold,
            p_value=test.p_value,
            effect_size=float(np.abs(found.change).max()),
        )

    def changes(self, window: ArrayLike, *, clusters: ArrayLike | None = None) -> list[GroupChange]:
        """Show which groups moved, and how far.

        Parameters
        ----------
        window : array_like, shape (m,) or (m, 2)
            As in `fit`.
        clusters : array_like of int or str, shape (m,), optional
            As in `predict`.

        Returns
        -------
        list of GroupChange
            One for each group that both windows have rows of; by Sidak (1967) their intervals
            hold at once at least as often as they say.
        """
        found = self._compare(window, clusters)
        inside = (1 - self.level) ** (1 / found.groups.size)
        quantile = two_sided_quantile(inside, degrees=found.degrees)
        errors = np.sqrt(np.diag(found.covariance))
        return [
            GroupChange(
                int(group),
                (int(found.rows[0][at]), int(found.rows[1][at])),
                float(found.means[0][at]),
                float(found.means[1][at]),
                Interval.around(
                    float(found.change[at]), error=float(errors[at]), quantile=quantile
                ),
            )
            for at, group in enumerate(found.groups)
        ]

    def _compare(self, window: ArrayLike, clusters: ArrayLike | None) -> _Compared:
        before = fitted(self._reference, detector=self)
        now = _Scores(*_scores(window, name="window"), None)
        sizes = before.score.size, now.score.size
        shared = shared_clusters(before.clusters, clusters, rows=sizes)
        groups = np.intersect1d(before.group, now.group)
        if not groups.size:
            raise SchemaError(
                expected="a group that reference and window both have",
                came=f"{np.unique(before.group)[:5].tolist()} and "
                f"{np.unique(now.group)[:5].tolist()}",
                do="Form the groups alike in both.",
            )
        rows, means, sums = [], [], []
        for at, side in enumerate((before, now)):
            member = side.group[:, None] == groups
            count = member.sum(axis=0)
            # A shift by one value makes a constant exactly constant.
            shifted = side.score - before.score[0]
            mean = member.T @ shifted / count
            sums.append(shared.sums(member * (shifted[:, None] - mean) / count, at))
            rows.append(count)
            means.append(mean + before.score[0])
        return _Compared(
            groups,
            (rows[0], rows[1]),
            (means[0], means[1]),
            change_covariance(sums[0], sums[1]),
            shared.degrees,
        )


def _scores(values: ArrayLike, *, name: str) -> tuple[Array, NDArray[np.int64]]:
    if np.ndim(values) == 2:
        score, group = columns_of(values, names=("score", "group"), table=name)
        return score, whole_numbers(group, name="group")
    score = float_vector(values, name=name)
    return score, np.zeros(score.size, dtype=np.int64)
