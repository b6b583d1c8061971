"""Whether weighting makes the arms alike in what is known of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.refute.check import Check, Verdict, not_run
from causal_ranker.evaluation.refute.estimates import Judged, gap
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.stats.intervals import Interval
from causal_ranker.stats.overlap import standardised_mean_differences
from causal_ranker.uplift.overlap import inside

__all__ = ["balance_after_weighting"]

_BALANCE: Final = "balance of the covariates"
_TOLERABLE: Final = 0.1  # standard deviations (Austin, 2011)


def balance_after_weighting(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Compare the arms covariate by covariate, before and after weighting by 1/e and 1/(1 - e).

    Parameters
    ----------
    material : Material
        Rows.
    base : Judged
        Their propensities, where the material does not say by which others it was weighted.
    level : float
        Probability that the intervals of all covariates hold the truth.

    Returns
    -------
    list of Check
        One line: the covariate that differs most after weighting. It passes up to 0.1 standard
        deviations, and fails where its interval leaves out all such differences.
    """
    rows, propensity, kept = material.rows, base.values.propensity, base.kept
    if material.weighed_by is not None:
        propensity = material.weighed_by
        kept = inside(propensity, lowest=material.lowest_propensity)
    at = np.flatnonzero(kept & material.sampled)
    places = [place for place, name in enumerate(rows.names) if name not in rows.categorical]
    if not places:
        return [not_run(_BALANCE, "average effect", why="There is no numeric covariate.")]
    treated = rows.treatment[at] == 1
    e, weight = propensity[at], rows.weight[at]
    balancing = weight * np.where(treated, 1 / e, 1 / (1 - e))

    def differences(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        # One column at a time: a copy of the table may be the largest thing in memory.
        return np.concatenate(
            [
                standardised_mean_differences(
                    rows.features[at, place][:, None], treated, weights=weights
                )
                for place in places
            ]
        )

    before, after = differences(weight), differences(balancing)
    size = np.where(np.isfinite(after), np.abs(after), -1.0)
    worst = int(np.argmax(size))
    figure = _interval(
        rows.features[at, places[worst]].astype(np.float64),
        treated,
        difference=float(after[worst]),
        weight=balancing,
        rows=at,
        material=material,
        level=1 - (1 - level) / len(places),
    )
    nearest = 0.0 if figure.low <= 0 <= figure.high else min(abs(figure.low), abs(figure.high))
    verdict: Verdict = (
        "passed"
        if size[worst] <= _TOLERABLE
        else "failed"
        if nearest > _TOLERABLE
        else "cannot tell"
    )
    off = int((np.abs(before[np.isfinite(before)]) > _TOLERABLE).sum())
    still = int((size > _TOLERABLE).sum())
    return [
        Check(
            _BALANCE,
            "average effect",
            figure,
            "standard deviations",
            f"at most {_TOLERABLE:g} either way",
            verdict,
            f"{off} of {len(places)} covariates differ between the arms by more than "
            f"{_TOLERABLE:g} standard deviations before weighting, {still} after; most "
            f"{rows.names[places[worst]]}, from {before[worst]:+.2f} to {after[worst]:+.2f}.",
        )
    ]


def _interval(
    column: NDArray[np.float64],
    treated: NDArray[np.bool_],
    *,
    difference: float,
    weight: NDArray[np.float64],
    rows: NDArray[np.int64],
    material: Material,
    level: float,
) -> Interval:
    """Put a clustered interval around one covariate's difference of weighted means."""
    known = ~np.isnan(column)
    above, below, first = (np.zeros(len(material.rows)) for _ in range(3))
    above[rows[known]], below[rows[known]] = (weight * column)[known], weight[known]
    first[rows] = treated
    raw = gap(first > 0, above=above, below=below, material=material, level=level)
    ruler = difference / raw.point if raw.point else 0.0
    low, high = sorted((raw.low * ruler, raw.high * ruler))
    return Interval(difference, low, high, raw.standard_error * abs(ruler))
