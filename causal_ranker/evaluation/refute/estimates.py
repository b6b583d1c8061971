"""The estimates that refuters try: linear in the doubly robust scores, so each is one line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import EmptyError
from causal_ranker.evaluation.refute.check import Unit
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.seeds import stage_rng
from causal_ranker.stats.bands import half_sample_bands
from causal_ranker.stats.intervals import Interval, clustered_mean, clustered_ratio
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, NuisanceValues
from causal_ranker.uplift.overlap import inside

__all__ = ["AUTOC", "Judged", "Target", "area", "gap", "judge", "targets"]

Array = NDArray[np.float64]

AUTOC = "AUTOC of predicted uplift"
_DRAWS = 200


@dataclass(frozen=True)
class Judged:
    """Rows with their nuisances and scores.

    Attributes
    ----------
    values : NuisanceValues
        Nuisances out of fold.
    kept : numpy.ndarray
        True for rows with overlap, shape (n_rows,).
    gamma : numpy.ndarray
        Doubly robust scores; 0 where the row is not kept.
    """

    values: NuisanceValues
    kept: NDArray[np.bool_]
    gamma: Array

    @classmethod
    def of(
        cls,
        values: NuisanceValues,
        rows: Rows,
        *,
        lowest: float,
        among: NDArray[np.bool_] | None = None,
    ) -> Judged:
        """Score the rows that have overlap.

        Parameters
        ----------
        values : NuisanceValues
            Nuisances of the rows.
        rows : Rows
            T and Y.
        lowest : float
            The overlap band is [lowest, 1 - lowest].
        among : numpy.ndarray, optional
            Rows that may be kept; all by default.

        Returns
        -------
        Judged
            The rows, judged.

        Raises
        ------
        EmptyError
            If no row has overlap.
        """
        kept = inside(values.propensity, lowest=lowest)
        if among is not None:
            kept = kept & among
        if not kept.any():
            raise EmptyError(
                expected=f"rows with a propensity in [{lowest:g}, {1 - lowest:g}]",
                came=f"none among {len(rows)}",
                do="Explore: show what is shown with some chance, and log its propensity.",
            )
        gamma = np.zeros(len(rows))
        gamma[kept] = values.take(kept).scores(rows.treatment[kept], rows.outcome[kept])
        return cls(values=values, kept=kept, gamma=gamma)


def judge(
    material: Material, *, rows: Rows | None = None, config: NuisanceConfig | None = None
) -> Judged:
    """Fit nuisances on the even sample and judge every row out of its fold.

    Parameters
    ----------
    material : Material
        Rows and settings.
    rows : Rows, optional
        Other features of the same rows.
    config : NuisanceConfig, optional
        Other settings.

    Returns
    -------
    Judged
        Scores of all rows.

    Raises
    ------
    DataError
        If an arm lacks rows.
    """
    rows = material.rows if rows is None else rows
    fitted = Nuisances(config=config or material.nuisance, seed=material.seed)
    fitted.fit(rows if material.sampled.all() else rows.take(material.sampled))
    return Judged.of(fitted.cross_fitted(rows), rows, lowest=material.lowest_propensity)


@dataclass(frozen=True)
class Target:
    """An estimate ``sum(a gamma) / sum(b)`` over rows with overlap.

    Attributes
    ----------
    name : str
        What it is called.
    unit : {"per exposure", "per slot"}
        Plays per what.
    factor : numpy.ndarray
        a, shape (n_rows,); 0 where the row does not count.
    base : numpy.ndarray or None
        b, shape (n_rows,); None for a mean over rows, where b is a.
    weight : numpy.ndarray
        What a row stands for, where a is not 0, shape (n_rows,).
    """

    name: str
    unit: Unit
    factor: Array
    base: Array | None
    weight: Array

    def parts(self, judged: Judged) -> tuple[Array, Array]:
        """Return what each row adds above and below the line.

        Parameters
        ----------
        judged : Judged
            Scores of the rows.

        Returns
        -------
        above, below : numpy.ndarray
            Shape (n_rows,).
        """
        factor = np.where(judged.kept, self.factor, 0.0)
        return factor * judged.gamma, factor if self.base is None else self.base

    def counted(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the rows with overlap that count.

        Parameters
        ----------
        kept : numpy.ndarray
            True for rows with overlap, shape (n_rows,).

        Returns
        -------
        numpy.ndarray
            Positions.

        Raises
        ------
        EmptyError
            If there are none.
        """
        at = np.flatnonzero(kept & (self.factor != 0))
        if not at.size:
            raise EmptyError(
                expected=f"rows with overlap that count for {self.name!r}",
                came=f"none among {len(kept)} rows",
                do="Give more rows, or look at the overlap of the arms.",
            )
        return at

    def estimate(self, judged: Judged, material: Material, *, level: float) -> Interval:
        """Return the estimate with its interval.

        Parameters
        ----------
        judged : Judged
            Scores of the rows.
        material : Material
            Clusters of the same rows.
        level : float
            Probability that the interval holds the truth.

        Returns
        -------
        Interval
            Clustered by user and unit of assignment.

        Raises
        ------
        EmptyError, RowError
            If no row counts, or those of one user only.
        """
        self.counted(judged.kept)
        above, below = self.parts(judged)
        at = np.flatnonzero(below if self.base is None else np.ones_like(below))
        units = material.second_cluster
        return clustered_ratio(
            above[at],
            below[at],
            material.rows.user[at],
            second_cluster=None if units is None else units[at],
            level=level,
        )


def targets(material: Material) -> list[Target]:
    """Return the estimates in question.

    Parameters
    ----------
    material : Material
        Rows.

    Returns
    -------
    list of Target
        The average effect and, where lists are compared and differ, their difference in uplift@k.
    """
    weight = np.where(material.sampled, material.rows.weight, 0.0)
    found = [Target("average effect", "per exposure", weight, None, material.rows.weight)]
    if material.gain is not None and material.gain.any():
        even = np.ones(len(material.rows))
        found.append(
            Target(
                material.gain_name,
                "per slot",
                material.gain,
                material.request_share,
                even,
            )
        )
    return found


def area(judged: Judged, material: Material, *, level: float) -> Interval:
    """Return AUTOC of the predicted uplift.

    Parameters
    ----------
    judged : Judged
        Scores of the rows.
    material : Material
        Has the predicted uplift.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        In plays per exposure, from half-samples of users and units.
    """
    assert material.score is not None
    at = np.flatnonzero(judged.kept & material.sampled)
    units = material.second_cluster
    return half_sample_bands(
        material.score[at],
        judged.gamma[at],
        material.rows.user[at],
        second_cluster=None if units is None else units[at],
        draws=_DRAWS,
        rng=stage_rng(material.seed, "refute-area"),
        grid=[1.0],
        weights=material.rows.weight[at],
        level=level,
    ).autoc_interval


def gap(
    first: NDArray[np.bool_], *, above: Array, below: Array, material: Material, level: float
) -> Interval:
    """Compare an estimate between two parts of the rows.

    Parameters
    ----------
    first : numpy.ndarray
        True for rows of the first part, shape (n_rows,).
    above, below : numpy.ndarray
        What each row adds to its own part's estimate (see `Target.parts`).
    material : Material
        Clusters of the rows.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    Interval
        First minus second. Parts that share units of assignment are not taken for independent.
    """
    share, points = np.zeros(len(first)), []
    for sign, part in ((1.0, first), (-1.0, ~first)):
        total = below[part].sum()
        points.append(above[part].sum() / total)
        share[part] = sign * (above[part] - points[-1] * below[part]) / total
    # A mean of n times the shares has their sum's error, and is 0.
    spread = clustered_mean(
        len(first) * share,
        material.rows.user,
        second_cluster=material.second_cluster,
        level=level,
    )
    point = float(points[0] - points[1])
    return Interval(point, point + spread.low, point + spread.high, spread.standard_error)
