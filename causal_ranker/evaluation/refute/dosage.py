"""More exposure has to have more of an effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from causal_ranker.evaluation.refute.check import Check, Verdict, not_run
from causal_ranker.evaluation.refute.estimates import judge, targets
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.stats.intervals import Interval

__all__ = ["dose_response"]

_DOSE: Final = "dose"


def dose_response(material: Material, *, level: float) -> list[Check]:
    """Compare treated rows that got more with treated rows that got less.

    Among treated rows a large dose is a treatment, with a propensity and outcome models of its own.
    Nobody logs the chance of a dose, so it is estimated from all features.

    Parameters
    ----------
    material : Material
        Rows, and their doses where there are any.
    level : float
        Probability that the interval holds the truth.

    Returns
    -------
    list of Check
        One line: passed where more does more, failed where more does less.
    """
    if material.dose is None:
        why = (
            "It needs to know how much of the treatment a shown row got, e.g. impressions with a "
            "position."
        )
        return [not_run(_DOSE, "average effect", why=why)]
    amount = material.dose.amount
    known = (material.rows.treatment == 1) & ~np.isnan(amount) & material.sampled
    values = amount[known]
    cut = np.median(values) if known.any() else np.nan
    if known.any() and cut == values.max():
        cut = values[values < cut].max(initial=-np.inf)
    large = values > cut
    if not 0 < int(large.sum()) < len(large):
        why = f"No two of {len(large)} shown rows differ in {material.dose.name}."
        return [not_run(_DOSE, "average effect", why=why)]
    rows = material.rows.take(known)
    request = np.unique(material.request[known], return_inverse=True)[1].astype(np.int64)
    among = replace(
        material,
        rows=replace(rows, treatment=large.astype(np.int8), propensity=np.full(len(rows), np.nan)),
        sampled=np.ones(len(rows), dtype=bool),
        request=request,
        nuisance=material.nuisance.model_copy(update={"propensity_features": None}),
        score=None,
        gain=None,
        weighed_by=None,
        earlier=None,
        controls=None,
        dose=None,
        reported=None,
    )
    average = targets(among)[0]
    figure = average.estimate(judge(among), among, level=level)
    said = (
        f"By {material.dose.name}: {int(large.sum()):,} shown rows that got more against "
        f"{int((~large).sum()):,} that got less."
    )
    if figure.low > 0:
        return [_line(figure, "passed", f"{said} More does more.")]
    if figure.high < 0:
        why = f"{said} More does less, which an effect of being seen cannot."
        return [_line(figure, "failed", why)]
    return [_line(figure, "cannot tell", f"{said} The interval holds no difference, too.")]


def _line(figure: Interval, verdict: Verdict, why: str) -> Check:
    return Check(_DOSE, "average effect", figure, "per exposure", "above 0", verdict, why)
