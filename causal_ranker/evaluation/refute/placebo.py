"""Effects that cannot be: of a treatment somebody else's request got, and on what came before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.refute.check import Check, must_be_zero, not_run
from causal_ranker.evaluation.refute.estimates import AUTOC, Judged, area, targets
from causal_ranker.evaluation.refute.material import Material
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances

__all__ = ["negative_controls", "placebo_outcome", "placebo_treatment"]

_TREATMENT: Final = "placebo treatment"
_BEFORE: Final = "outcome before t0"
_CONTROLS: Final = "items that cannot be affected"


def placebo_treatment(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Give each row the treatment of a row of another request of its user.

    T moves within the user together with the chance it had and the unit it was assigned to; the
    outcome models are fitted again. What one request was shown cannot have caused the plays after
    another one, so the effect is 0, unless what makes a user see more makes the user play more and
    neither the propensities nor the features know of it, or plays carry over: an item bought once
    is not needed again, and horizons that overlap share plays. A row never keeps its own T, nor
    gets that of its own slate: both would carry a part of the true effect.

    Parameters
    ----------
    material : Material
        Rows and estimates.
    base : Judged
        The rows as they are.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    list of Check
        A line for each estimate, and one for AUTOC where there is a predicted uplift.
    """
    names = [target.name for target in targets(material)]
    names += [] if material.score is None else [AUTOC]
    giver = _givers(material)
    given = giver >= 0
    if not given.any():
        why = "No user has two requests. Longer logs would have some."
        return [not_run(_TREATMENT, name, why=why) for name in names]
    giver = np.where(given, giver, np.arange(len(giver)))
    moved = replace(
        material.rows,
        treatment=material.rows.treatment[giver],
        unit=material.rows.unit[giver],
        propensity=base.values.propensity[giver],
    )
    placebo = replace(material, rows=moved)
    fitted = _outcomes(moved, among=material.sampled & given, config=material.nuisance, of=material)
    values = fitted.predict(moved.features, moved.user, propensity=moved.propensity)
    judged = Judged.of(values, moved, lowest=material.lowest_propensity, among=given)
    failure = (
        "What one request was shown seems to change the plays after another one of the same user: "
        "some users are shown more and play more for a reason that the features do not hold, or "
        "plays carry over from one request to the next (stocking up, overlapping horizons)."
    )
    checks = [
        must_be_zero(
            _TREATMENT,
            target.name,
            figure=target.estimate(judged, placebo, level=level),
            unit=target.unit,
            refuted=target.estimate(base, material, level=level).point,
            failure=failure,
        )
        for target in targets(placebo)
    ]
    if material.score is not None:
        checks.append(
            must_be_zero(
                _TREATMENT,
                AUTOC,
                figure=area(judged, placebo, level=level),
                unit="per exposure",
                refuted=area(base, material, level=level).point,
                failure=failure,
            )
        )
    return checks


def _givers(material: Material) -> NDArray[np.int64]:
    """Return the row whose treatment each row gets; -1 where its user has no other request."""
    rng = stage_rng(material.seed, "placebo-treatment")
    request = material.request
    n = len(request)
    user = np.unique(material.rows.user, return_inverse=True)[1]
    # Users together, their requests in random order, and rows within these as well.
    order = np.lexsort((rng.random(n), rng.random(int(request.max()) + 1)[request], user))
    owner = user[order]
    size = np.bincount(user)
    start = np.cumsum(size) - size
    of_request = np.bincount(request)
    largest = np.zeros(len(size), dtype=np.int64)
    np.maximum.at(largest, user, of_request[request])
    # A turn by at least the largest request, from either side, leaves no row in its own request.
    room = np.maximum(size - 2 * largest, 0)
    turn = np.where(room > 0, largest + rng.integers(0, room + 1), size // 2)
    place = np.arange(n) - start[owner]
    giver = np.empty(n, dtype=np.int64)
    giver[order] = order[start[owner] + (place + turn[owner]) % size[owner]]
    return np.where(request[giver] == request, -1, giver)


def placebo_outcome(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Put an outcome of the time before t0 in the place of Y.

    The chances of T stay as they are, and outcome models are fitted anew without the features
    that read the same plays. A propensity that was estimated from such features has seen the
    outcome: then nothing could fail, and it is not run. Nor could it be run with a propensity
    without these features: what was shown at t0 depends on earlier plays, so the arms would differ
    in these, however well the features of the analysis account for that.

    Parameters
    ----------
    material : Material
        Rows, and the outcome before t0 where there is one.
    base : Judged
        The rows as they are.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    list of Check
        A line for each estimate.
    """
    named = targets(material)
    if material.earlier is None:
        why = "It needs an outcome of the time before t0 for each row."
        return [not_run(_BEFORE, target.name, why=why) for target in named]
    read = set(material.earlier.read_by)
    allowed = material.nuisance.propensity_features
    seen = read if allowed is None else read & set(allowed)
    if not material.logged and seen:
        why = (
            f"The propensities are estimated from {len(seen)} features that count the very plays "
            "before t0, so this could not fail; without these, it would fail wherever earlier "
            "plays decide what is shown. More rows change nothing: log the propensities, or give "
            "an outcome that no feature reads."
        )
        return [not_run(_BEFORE, target.name, why=why) for target in named]
    outcome = material.earlier.outcome
    if (outcome == outcome[0]).all():
        why = f"The outcome before t0 is {outcome[0]:g} in every row."
        return [not_run(_BEFORE, target.name, why=why) for target in named]
    blind = [place for place, name in enumerate(material.rows.names) if name not in read]
    features = material.rows.features[:, blind]
    if not blind:  # every feature counts plays: a mean for each arm is left to learn
        features = np.zeros((len(outcome), 1), dtype=np.float32)
    rows = replace(
        material.rows,
        features=np.asfortranarray(features),
        names=tuple(material.rows.names[place] for place in blind) or ("nothing",),
        categorical=tuple(name for name in material.rows.categorical if name not in read),
        outcome=outcome,
    )
    fitted = _outcomes(rows, among=material.sampled, config=material.nuisance, of=material)
    values = fitted.predict(rows.features, rows.user, propensity=base.values.propensity)
    judged = Judged.of(values, rows, lowest=material.lowest_propensity)
    return [
        must_be_zero(
            _BEFORE,
            target.name,
            figure=target.estimate(judged, material, level=level),
            unit=target.unit,
            refuted=target.estimate(base, material, level=level).point,
            failure="What was shown at t0 goes with plays before t0: the arms differed already.",
        )
        for target in named
    ]


def negative_controls(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Look for an effect on items that could not be affected.

    Parameters
    ----------
    material : Material
        Rows, and which of them are negative controls.
    base : Judged
        The rows as they are.
    level : float
        Probability that an interval holds the truth.

    Returns
    -------
    list of Check
        One line.
    """
    average = targets(material)[0]
    if material.controls is None:
        why = (
            "It needs a column of the item table that is true for items whose plays an impression "
            "cannot change, named in the setting refute.negative_controls."
        )
        return [not_run(_CONTROLS, average.name, why=why)]
    chosen = material.controls & base.kept & material.sampled
    if not 0 < int(material.rows.treatment[chosen].sum()) < int(chosen.sum()):
        why = f"Among {int(chosen.sum())} rows of such items there are not both arms."
        return [not_run(_CONTROLS, average.name, why=why)]
    only = replace(average, factor=np.where(chosen, average.factor, 0.0))
    return [
        must_be_zero(
            _CONTROLS,
            average.name,
            figure=only.estimate(base, material, level=level),
            unit=average.unit,
            refuted=average.estimate(base, material, level=level).point,
            failure="Items that an impression cannot change seem to change with it.",
        )
    ]


def _outcomes(
    rows: Rows, *, among: NDArray[Any], config: NuisanceConfig, of: Material
) -> Nuisances:
    fitted = Nuisances(config=config, seed=of.seed)
    return fitted.fit_outcomes(rows if among.all() else rows.take(among))
