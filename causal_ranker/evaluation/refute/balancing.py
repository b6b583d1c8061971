"""Whether weighting makes the arms alike in what is known of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.balance import Balance, difference_interval
from causal_ranker.evaluation.refute.check import Check, Verdict, not_run
from causal_ranker.evaluation.refute.estimates import Judged
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
        Rows. Where it has the report's own balance, of more rows, that is judged.
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
    reported = material.reported
    if reported is not None and reported.balance is not None:
        return [_line(reported.balance, reported.largest_difference, others="")]
    balance, figure = _of_rows(material, base, level=level)
    categorical = len(material.rows.names) - len(balance.names)
    others = f"{categorical} categorical ones have no means. " if categorical else ""
    return [_line(balance, figure, others=others)]


def _line(balance: Balance, figure: Interval | None, *, others: str) -> Check:
    if balance.worst is None or figure is None:
        why = f"Of {len(balance.names)} numeric covariates none varies and is known in both arms."
        return not_run(_BALANCE, "average effect", why=why)
    before, after = balance.before, balance.after
    most, size = balance.worst, abs(figure.point)
    nearest = 0.0 if figure.low <= 0 <= figure.high else min(abs(figure.low), abs(figure.high))
    verdict: Verdict = (
        "passed" if size <= _TOLERABLE else "failed" if nearest > _TOLERABLE else "cannot tell"
    )
    off, still = (int((np.abs(each) > _TOLERABLE).sum()) for each in (before, after))
    idle = len(balance.names) - int(balance.judged.sum())
    left_out = (
        f" {idle} could not be compared: they are the same in every row, or unknown in an arm."
        if idle
        else ""
    )
    return Check(
        _BALANCE,
        "average effect",
        # What is constant in each arm, and not the same, is any number of deviations apart.
        figure if np.isfinite(size) else None,
        "standard deviations",
        f"at most {_TOLERABLE:g} either way",
        verdict,
        f"{off} of {len(balance.names)} covariates differ between the arms by more than "
        f"{_TOLERABLE:g} standard deviations before weighting, {still} after; most "
        f"{balance.names[most]}, from {before[most]:+.2f} to {after[most]:+.2f}."
        f"{left_out} {others}".rstrip(),
    )


def _of_rows(material: Material, base: Judged, *, level: float) -> tuple[Balance, Interval | None]:
    """Return the balance of these rows, with the interval of the largest difference left."""
    rows, propensity, kept = material.rows, base.values.propensity, base.kept
    if material.weighed_by is not None:
        propensity = material.weighed_by
        kept = inside(propensity, lowest=material.lowest_propensity)
    at = np.flatnonzero(kept & material.sampled)
    places = [place for place, name in enumerate(rows.names) if name not in rows.categorical]
    treated = rows.treatment[at] == 1
    e, weight = propensity[at], rows.weight[at]
    balancing = weight * np.where(treated, 1 / e, 1 / (1 - e))

    def differences(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        # One column at a time: a copy of the table may be the largest thing in memory.
        columns = (rows.features[at, place][:, None] for place in places)
        found = [
            standardised_mean_differences(column, treated, weights=weights) for column in columns
        ]
        return np.concatenate(found) if found else np.empty(0)

    balance = Balance(
        names=tuple(rows.names[place] for place in places),
        before=differences(weight),
        after=differences(balancing),
    )
    if balance.worst is None:
        return balance, None
    units = material.second_cluster
    figure = difference_interval(
        rows.features[at, places[balance.worst]].astype(np.float64),
        treated,
        difference=float(balance.after[balance.worst]),
        weights=balancing,
        user=rows.user[at],
        second_cluster=None if units is None else units[at],
        level=1 - (1 - level) / int(balance.judged.sum()),
    )
    return balance, figure
