"""How strong something unobserved would have to be, measured by what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, inf, isfinite, log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.evaluation.refute.check import Check, Verdict, not_run
from causal_ranker.evaluation.refute.estimates import Judged, Target, judge, targets
from causal_ranker.evaluation.refute.material import Material, Reported
from causal_ranker.evaluation.wording import percent
from causal_ranker.stats.confounding import (
    bias_bound,
    e_value,
    robustness_value,
    times_to_explain,
)
from causal_ranker.stats.intervals import Interval, clustered_mean

__all__ = ["unobserved_confounding"]

Array = NDArray[np.float64]

_E_VALUE: Final = "E-value"
_ROBUSTNESS: Final = "unobserved confounder"
_TRIES: Final = 3  # each is a fit
_REPEATS: Final = 0.5  # correlation from which a covariate counts as a repetition of another


def unobserved_confounding(material: Material, base: Judged, *, level: float) -> list[Check]:
    """Say how strong an unobserved confounder would have to be to explain the estimates away.

    The ruler is the strongest observed covariate, with those that repeat it: nuisances are fitted
    again without them, and what they then fail to explain of Y and of T is their strength. The few
    that go most with T and Y, linearly, are tried, and the one that can move an estimate most is
    taken; a line says where none explains both. Where
    propensities were logged nothing unobserved can have decided T, and nothing is computed. The
    estimates are the report's own where the material has them: these rows only give the ruler.

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
        The E-value of the average effect, and for each estimate how many times as strong as the
        strongest observed covariate a confounder has to be, with the robustness value.
    """
    named = targets(material)
    if material.logged:
        why = (
            "The propensities were logged: nothing unobserved decided what was shown, if the log "
            "is right, which placebo treatment and balance put to the test."
        )
        lines = [not_run(_E_VALUE, named[0].name, why=why)]
        return lines + [not_run(_ROBUSTNESS, target.name, why=why) for target in named]
    rulers = _rulers(material, base, named=named)
    if not rulers:
        why = "There are no two covariates of T that do not repeat each other."
        lines = [not_run(_E_VALUE, named[0].name, why=why)]
        return lines + [not_run(_ROBUSTNESS, target.name, why=why) for target in named]
    strongest = {
        each.name: max(rulers, key=lambda ruler: ruler.shares[each.name].moves) for each in named
    }
    return [
        _e_value_line(material, base, strongest[named[0].name], level=level),
        *(
            _robustness_line(each, material, base, strongest[each.name], level=level)
            for each in named
        ),
    ]


@dataclass(frozen=True)
class _Shares:
    """What a covariate explains of what the others leave unexplained, for one estimate."""

    outcome: float
    treatment: float
    scale: float  # S, in the unit of the estimate

    @property
    def moves(self) -> float:
        """How far leaving it out can move the estimate, in its unit; 0 if it is no measure."""
        return bias_bound(self.scale, outcome_share=self.outcome, treatment_share=self.treatment)


@dataclass(frozen=True)
class _Ruler:
    """A covariate, with its repetitions, that confounders are measured by."""

    name: str
    without: Judged
    shares: dict[str, _Shares]


def _rulers(material: Material, base: Judged, *, named: Sequence[Target]) -> list[_Ruler]:
    """Fit without the few covariates that go most with T and Y, one after the other."""
    rows, allowed = material.rows, material.nuisance.propensity_features
    rulers: list[_Ruler] = []
    for group in _candidates(material, base):
        places = [place for place, name in enumerate(rows.names) if name not in group]
        left = {rows.names[place] for place in places}
        if not (left if allowed is None else left & set(allowed)):
            continue
        without = _without(material, places)
        said = group[0] + (f" (and {len(group) - 1} like it)" if len(group) > 1 else "")
        shares = {each.name: _shares(each, base, without, material) for each in named}
        rulers.append(_Ruler(said, without, shares))
        if len(rulers) == _TRIES:
            break
    return rulers


def _candidates(material: Material, base: Judged) -> list[tuple[str, ...]]:
    """Name covariates with their repetitions, first those that go most with T and Y, linearly."""
    rows, at = material.rows, np.flatnonzero(base.kept & material.sampled)
    allowed = material.nuisance.propensity_features
    names = [
        name
        for name in rows.names
        if name not in rows.categorical and (allowed is None or name in allowed)
    ]
    if not names:
        return []
    # Column by column, and in half the width: the table may be the largest thing in memory.
    table = np.empty((at.size, len(names)), dtype=np.float32, order="F")
    for place, name in enumerate(names):
        column = rows.features[at, rows.names.index(name)].astype(np.float64)
        table[:, place] = _standardised(column[:, None], rows.weight[at])[:, 0]
    weight = (rows.weight[at] / rows.weight[at].sum())[:, None]
    arms = np.stack([rows.treatment[at], rows.outcome[at]], axis=1).astype(np.float64)
    both = (weight * _standardised(arms, rows.weight[at])).astype(np.float32)
    with_both = np.abs(table.T @ both)
    groups: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for first in np.argsort(-with_both.prod(axis=1), kind="stable"):
        if names[first] in seen:
            continue
        alike = np.abs(table.T @ (weight[:, 0].astype(np.float32) * table[:, first])) >= _REPEATS
        others = [name for name, same in zip(names, alike, strict=True) if same]
        groups.append((names[first], *(name for name in others if name != names[first])))
        seen.update(groups[-1])
    return groups


def _standardised(table: Array, weight: Array) -> Array:
    """Give columns mean 0 and variance 1; unknown values stand at the mean, constants at 0."""
    share = weight[:, None] / weight.sum()
    known = ~np.isnan(table)
    filled = np.where(known, table, 0.0)
    mean = (share * filled).sum(axis=0) / np.maximum((share * known).sum(axis=0), 1e-300)
    centred = np.where(known, table - mean, 0.0)
    spread = np.sqrt((share * centred**2).sum(axis=0))
    return np.where(spread > 0, centred / np.where(spread > 0, spread, 1.0), 0.0)


def _without(material: Material, places: list[int]) -> Judged:
    rows, config = material.rows, material.nuisance
    names = tuple(rows.names[place] for place in places)
    fewer = replace(
        rows,
        features=np.asfortranarray(rows.features[:, places]),
        names=names,
        categorical=tuple(name for name in rows.categorical if name in names),
    )
    if config.propensity_features is not None:
        allowed = tuple(name for name in config.propensity_features if name in names)
        config = config.model_copy(update={"propensity_features": allowed})
    return judge(material, rows=fewer, config=config)


def _e_value_line(material: Material, base: Judged, ruler: _Ruler, *, level: float) -> Check:
    name, wanted = targets(material)[0].name, "more than what the strongest covariate does"
    own, other = (_risk_ratio(each, material, level=level) for each in (base, ruler.without))
    reported = material.reported
    if reported is not None and not isfinite(reported.average.low + reported.average.high):
        reported = None
    ratio = own if reported is None else _reported_ratio(reported)
    if ratio is None or own is None or other is None:
        why = "A mean outcome is not above 0, so there is no risk ratio."
        return Check(_E_VALUE, name, None, "ratio", wanted, "cannot tell", why)
    # The end that is nearer to no effect; an interval that holds 1 needs no confounder.
    crosses = ratio.low <= 1 <= ratio.high
    end = 1.0 if crosses else ratio.low if ratio.point > 1 else ratio.high
    far = ratio.high if ratio.point > 1 else ratio.low
    value, least, most = (e_value(each) if each > 0 else inf for each in (ratio.point, end, far))
    known = e_value(own.point / other.point)
    verdict: Verdict = (
        "cannot tell"
        if crosses
        else "passed"
        if least > known
        else "failed"
        if value <= known
        else "cannot tell"
    )
    whose, said = "The", ""
    if reported is not None:
        whose, said = "The report's", f"{percent(reported.level)} "
    holds = "its interval holds 1" if crosses else f"{least:.2f} times for its interval"
    why = (
        f"{whose} risk ratio is {ratio.point:.2f} ({said}{ratio.low:.2f} to {ratio.high:.2f}), and "
        "something unobserved could be all of it by making both exposure and outcome "
        f"{value:.2f} times as likely ({holds}). Leaving out {ruler.name} shifts the ratio as much "
        f"as something of {known:.2f} times could."
    )
    figure = Interval(value, least, most, float("nan"))
    return Check(_E_VALUE, name, figure, "ratio", wanted, verdict, why)


def _reported_ratio(reported: Reported) -> Interval | None:
    """Return the report's effect as a ratio, whose interval holds 1 where the effect's holds 0."""
    mean, effect = reported.unexposed, reported.average
    if mean <= 0 or mean + effect.point <= 0:
        return None
    point, low, high = (1 + end / mean for end in (effect.point, effect.low, effect.high))
    return Interval(point, low, high, effect.standard_error / mean)


def _risk_ratio(judged: Judged, material: Material, *, level: float) -> Interval | None:
    rows, values = material.rows, judged.values
    at = np.flatnonzero(judged.kept & material.sampled)
    e, treated = values.propensity[at], rows.treatment[at] == 1
    y = rows.outcome[at].astype(np.float64)
    arms = [
        mu[at] + np.where(mine, (y - mu[at]) / chance, 0.0)
        for mu, mine, chance in (
            (values.outcome_treated, treated, e),
            (values.outcome_control, ~treated, 1 - e),
        )
    ]
    weight = rows.weight[at]
    means = [float((weight * arm).sum() / weight.sum()) for arm in arms]
    if min(means) <= 0:
        return None
    spread = clustered_mean(
        arms[0] / means[0] - arms[1] / means[1],
        rows.user[at],
        second_cluster=None if material.second_cluster is None else material.second_cluster[at],
        weights=weight,
        level=level,
    )
    middle = log(means[0] / means[1])
    return Interval(
        exp(middle), exp(middle + spread.low), exp(middle + spread.high), spread.standard_error
    )


@dataclass(frozen=True)
class _Strength:
    """What an estimate rests on: residual variance of Y, and mean square of alpha."""

    residual: float
    alpha: float


def _strength(
    target: Target, judged: Judged, kept: NDArray[np.bool_], material: Material
) -> _Strength:
    values, rows = judged.values, material.rows
    at = target.counted(kept)
    weight = target.weight[at] / target.weight[at].sum()
    expected = np.where(
        rows.treatment[at] == 1, values.outcome_treated[at], values.outcome_control[at]
    )
    below = target.factor[at] if target.base is None else target.base
    # alpha is a's share of the estimate, per unit of weight, times T/e - (1 - T)/(1 - e), whose
    # mean square given X is 1 / (e (1 - e)).
    scale = target.factor[at] / below.sum() / weight
    e = values.propensity[at]
    return _Strength(
        residual=float((weight * (rows.outcome[at] - expected) ** 2).sum()),
        alpha=float((weight * scale**2 / (e * (1 - e))).sum()),
    )


def _shares(target: Target, base: Judged, without: Judged, material: Material) -> _Shares:
    both = base.kept & without.kept
    whole = _strength(target, base, both, material)
    short = _strength(target, without, both, material)
    # Of what the others leave unexplained (Chernozhukov et al., 2022). What noise makes negative
    # explains nothing; a share is at most 1.
    return _Shares(
        outcome=min(max(short.residual / whole.residual - 1, 0.0), 1.0),
        treatment=max(1 - short.alpha / whole.alpha, 0.0),
        scale=(whole.residual * whole.alpha) ** 0.5,
    )


def _in_question(
    target: Target, material: Material, base: Judged, *, level: float
) -> tuple[Interval, str]:
    """Return the estimate to explain away, and what its interval is called."""
    reported = material.reported
    if reported is not None:
        found = reported.average if target.base is None else reported.gain
        if found is not None and isfinite(found.low + found.high):
            return found, f"the report's {percent(reported.level)} interval"
    return target.estimate(base, material, level=level), "the interval"


def _robustness_line(
    target: Target,
    material: Material,
    base: Judged,
    ruler: _Ruler,
    *,
    level: float,
) -> Check:
    found, said = _in_question(target, material, base, level=level)
    shares = ruler.shares[target.name]
    known = shares.moves > 0
    crosses = found.low <= 0 <= found.high
    nearer = 0.0 if crosses else min(abs(found.low), abs(found.high))
    further = max(abs(found.low), abs(found.high))

    def times(effect: float) -> float:
        return times_to_explain(
            effect / shares.scale, outcome_share=shares.outcome, treatment_share=shares.treatment
        )

    figure = Interval(times(abs(found.point)), times(nearer), times(further), float("nan"))
    value, least = (robustness_value(each / shares.scale) for each in (abs(found.point), nearer))
    verdict: Verdict = (
        "cannot tell"
        if crosses or not known
        else "passed"
        if figure.low > 1
        else "failed"
        if figure.point <= 1
        else "cannot tell"
    )
    why = (
        f"Robustness value {100 * value:.2g} % ({100 * least:.2g} % for {said}): a "
        "confounder that explains as much of what is unexplained in T and in Y undoes this. "
    )
    why += (
        f"{ruler.name} explains {100 * shares.treatment:.2g} % and {100 * shares.outcome:.2g} %."
        if known
        else "There is nothing to measure it by: no observed covariate that was tried explains "
        "something of both T and Y that the others do not."
    )
    if crosses:
        why = "There is nothing to explain away: the interval holds 0. " + why
    return Check(
        _ROBUSTNESS,
        target.name,
        figure if known else None,
        "times",
        "more than 1 time as strong as the strongest covariate",
        verdict,
        why,
    )
