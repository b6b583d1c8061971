"""Which detector looks at what of a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from causal_ranker.drift.arriving import ArrivingResiduals
from causal_ranker.drift.calibration import CalibrationDrift, ResidualBin
from causal_ranker.drift.delays import DelayDrift
from causal_ranker.drift.distribution import DistributionDrift
from causal_ranker.drift.effect import EffectDrift
from causal_ranker.drift.health.roles import Rows, Sides
from causal_ranker.drift.label_free import LabelFree
from causal_ranker.drift.means import MeanDrift
from causal_ranker.drift.overlap import OverlapDecay
from causal_ranker.drift.protocol import Decision, DetectorConfig
from causal_ranker.drift.proxies import Proxy
from causal_ranker.stats._arrays import Array
from causal_ranker.stats.distances import kolmogorov_smirnov
from causal_ranker.stats.intervals import clustered_mean

__all__ = ["Judge", "judges_of"]

_LATEST_DAYS: Final = 7
#: Of the interval that a mean effect must be below 0 in before serving stops.
_SURE: Final = 0.998
_PREDICTIONS: Final = ("base_score", "score", "uplift", "chance", "propensity")


@dataclass(frozen=True)
class Judge:
    """A detector and what it looks at.

    Parameters
    ----------
    name : str
        What is judged.
    needs : tuple of str
        Values that rows must have; the mean of the first is told beside the decision.
    effect : str
        The field of `causal_ranker.drift.columns.Levels` that says which effect matters.
    decide : callable
        From reference, window, and what is asked of a detector, to its decision.
    known_before, known_now : tuple of str, optional
        Values without which a row of the reference, or of the window, is left out; all of `needs`
        by default.
    learned : bool
        Whether the detector learns from days itself.
    more : callable, optional
        From reference and window to what is worth telling beside the decision.
    distance : callable, optional
        From reference and window to an effect size, where a decision's costs much more, or is 0
        for all that chance explains.
    """

    name: str
    needs: tuple[str, ...]
    effect: str
    decide: Callable[[Rows, Rows, DetectorConfig], Decision]
    known_before: tuple[str, ...] | None = None
    known_now: tuple[str, ...] | None = None
    learned: bool = False
    more: Callable[[Rows, Rows], dict[str, Any]] | None = None
    distance: Callable[[Rows, Rows], float] | None = None

    def sides(self, sides: Sides) -> Sides:
        """Take the rows that it can look at.

        Parameters
        ----------
        sides : Sides
            All of them.

        Returns
        -------
        Sides
            Those whose values are known.
        """
        before, now = (
            self.needs if each is None else each for each in (self.known_before, self.known_now)
        )
        return Sides(sides.before.known(*before), sides.now.known(*now), sides.source)


def judges_of(sides: Sides, *, within: float) -> list[Judge]:
    """List who can judge rows with such values.

    Parameters
    ----------
    sides : Sides
        The rows.
    within : float
        Longest delay compared, in hours.

    Returns
    -------
    list of Judge
        In a fixed order: predictions, labels, causes.
    """
    both = [sides.before, sides.now]
    there = sides.before.values.keys() & sides.now.values.keys()
    timed = all(each.user is not None and each.day is not None for each in both)
    found = [
        *(_spread(role) for role in _PREDICTIONS),
        *(
            _missing(role)
            for role in _PREDICTIONS
            if role in there and any(np.isnan(each.values[role]).any() for each in both)
        ),
        *(_mean(role) for role in ("changed", "fallback", "organic")),
        Judge(
            "label_free",
            ("chance", "outcome"),
            "loss",
            _label_free,
            known_now=("chance",),
            more=_trust,
        ),
        Judge(
            "outcome_residuals",
            ("chance", "outcome"),
            "residual",
            _residuals,
            distance=_residuals_apart,
        ),
        Judge(
            "propensity_residuals",
            ("propensity", "treatment"),
            "residual",
            _policy,
            distance=_policy_apart,
        ),
        Judge(
            "overlap",
            ("propensity",),
            "overlap",
            _overlap,
            more=_overlap_shares,
            distance=_overlap_apart,
        ),
        _effect(grouped="group" in there),
        _delay(within),
    ]
    if timed:
        found.append(Judge("arriving_residuals", ("chance", "outcome"), "residual", _arriving))
        found += [_proxy(role) for role in sides.before.values if role.startswith("proxy ")]
    return [judge for judge in found if there >= set(judge.needs)]


def _spread(role: str) -> Judge:
    def decide(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
        judge = DistributionDrift(**asked.model_dump())
        return judge.fit(before.values[role], clusters=before.user).predict(
            now.values[role], clusters=now.user
        )

    def distance(before: Rows, now: Rows) -> float:
        return kolmogorov_smirnov(before.values[role], now.values[role])

    return Judge(role, (role,), "distribution", decide, distance=distance)


def _missing(role: str) -> Judge:
    def shares(rows: Rows) -> Array:
        return np.isnan(rows.values[role]).astype(np.float64)

    def decide(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
        judge = MeanDrift(**asked.model_dump())
        return judge.fit(shares(before), clusters=before.user).predict(
            shares(now), clusters=now.user
        )

    def more(before: Rows, now: Rows) -> dict[str, Any]:
        sides = [float(shares(side).mean()) for side in (before, now)]
        return {"missing_before": sides[0], "missing_now": sides[1]}

    def distance(before: Rows, now: Rows) -> float:
        return abs(float(shares(now).mean() - shares(before).mean()))

    return Judge(
        f"missing {role}",
        (role,),
        "missing",
        decide,
        known_before=(),
        known_now=(),
        more=more,
        distance=distance,
    )


def _mean(role: str) -> Judge:
    def decide(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
        judge = MeanDrift(**asked.model_dump())
        return judge.fit(before.values[role], clusters=before.user).predict(
            now.values[role], clusters=now.user
        )

    def distance(before: Rows, now: Rows) -> float:
        return abs(float(now.values[role].mean() - before.values[role].mean()))

    return Judge(role, (role,), "share", decide, distance=distance)


def _label_free(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
    judge = LabelFree(**asked.model_dump())
    judge.fit(_pairs(before, "chance", "outcome"), clusters=before.user)
    return judge.predict(now.values["chance"], clusters=now.user)


def _trust(before: Rows, now: Rows) -> dict[str, Any]:
    """Estimate the loss, and ask the latest labels whether it can be believed."""
    labelled = now.known("outcome")
    if labelled.size < 2 and before.day is not None:  # no label of the window has come
        late = before.day > before.day.max() - _LATEST_DAYS
        before, labelled = before.some(~late), before.some(late)
    if min(_units(before), _units(labelled)) < 2:
        return {"trusted": False, "reasons": ["no labels later than those it was learned from"]}
    judge = LabelFree().fit(_pairs(before, "chance", "outcome"), clusters=before.user)
    said = judge.estimate(now.values["chance"])
    trust = judge.trust(
        now.values["chance"],
        matured=_pairs(labelled, "chance", "outcome"),
        clusters=labelled.user,
    )
    return {
        "metric": judge.metric,
        "estimate": said.point,
        "low": said.low,
        "high": said.high,
        "trusted": trust.trusted,
        "reasons": list(trust.reasons),
    }


def _residuals(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
    judge = CalibrationDrift(**asked.model_dump())
    judge.fit(_pairs(before, "chance", "outcome"), clusters=before.user)
    return judge.predict(_pairs(now, "chance", "outcome"), clusters=now.user)


def _policy(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
    judge = CalibrationDrift(**asked.model_dump(), against="chance")
    judge.fit(_pairs(before, "propensity", "treatment"))
    return judge.predict(_pairs(now, "propensity", "treatment"), clusters=now.user)


def _residuals_apart(before: Rows, now: Rows) -> float:
    judge = CalibrationDrift().fit(_pairs(before, "chance", "outcome"))
    return _apart(judge.residuals(_pairs(now, "chance", "outcome")))


def _policy_apart(before: Rows, now: Rows) -> float:
    judge = CalibrationDrift(against="chance").fit(_pairs(before, "propensity", "treatment"))
    return _apart(judge.residuals(_pairs(now, "propensity", "treatment")))


def _apart(bins: Sequence[ResidualBin]) -> float:
    """Root mean square change of residuals, with what chance adds to it."""
    rows = sum(each.rows for each in bins)
    squares = sum(each.rows * (each.residual - each.expected) ** 2 for each in bins)
    return float(np.sqrt(squares / max(rows, 1)))


def _arriving(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
    assert before.user is not None
    assert now.day is not None
    judge = ArrivingResiduals(**asked.model_dump())
    judge.fit(_pairs(before, "chance", "outcome"), clusters=before.user)
    # a day of one user alone has no spread, and waits for the next
    days, first = np.unique(now.day), None
    found = Decision(0.0, 1.0, np.nan, 0.0, False)
    for day in days:
        first = day if first is None else first
        since = now.some((now.day >= first) & (now.day <= day))
        if _units(since) < 2:
            continue
        assert since.user is not None
        found, first = judge.add(_pairs(since, "chance", "outcome"), clusters=since.user), None
        if found.drifted:  # the level is that of any look
            break
    return found


def _overlap(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
    judge = OverlapDecay(**asked.model_dump())
    return judge.fit(before.values["propensity"], clusters=before.user).predict(
        now.values["propensity"], clusters=now.user
    )


def _overlap_apart(before: Rows, now: Rows) -> float:
    was, is_ = (OverlapDecay().share(side.values["propensity"]).effective for side in (before, now))
    return abs(1 - is_ / was) if was else 0.0


def _overlap_shares(before: Rows, now: Rows) -> dict[str, Any]:
    shares = [OverlapDecay().share(side.values["propensity"]) for side in (before, now)]
    return {
        "effective_before": shares[0].effective,
        "effective_now": shares[1].effective,
        "outside_now": shares[1].outside,
    }


def _effect(*, grouped: bool) -> Judge:
    roles = ("aipw", "group") if grouped else ("aipw",)

    def table(rows: Rows) -> Array:
        return _pairs(rows, *roles) if grouped else rows.values["aipw"]

    def decide(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
        judge = EffectDrift(**asked.model_dump())
        return judge.fit(table(before), clusters=before.user).predict(table(now), clusters=now.user)

    def more(before: Rows, now: Rows) -> dict[str, Any]:
        judge = EffectDrift().fit(table(before), clusters=before.user)
        units = np.arange(now.size) if now.user is None else now.user
        mean = clustered_mean(now.values["aipw"], units)
        surely = clustered_mean(now.values["aipw"], units, level=_SURE)
        return {
            "low": mean.low,
            "high": mean.high,
            "harms": surely.high < 0,
            "groups": [
                {
                    "group": each.group,
                    "before": each.before,
                    "now": each.now,
                    "low": each.change.low,
                    "high": each.change.high,
                }
                for each in judge.changes(table(now), clusters=now.user)
            ],
        }

    return Judge("effect", roles, "effect", decide, more=more)


def _delay(within: float) -> Judge:
    def table(rows: Rows) -> Array:
        return _pairs(rows, "delay", "followed")

    def decide(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
        judge = DelayDrift(**asked.model_dump(), within=within)
        return judge.fit(table(before), clusters=before.user).predict(table(now), clusters=now.user)

    def more(before: Rows, now: Rows) -> dict[str, Any]:
        judge = DelayDrift(within=within)
        sides = [judge.rows(table(side)) for side in (before, now)]
        return {
            "median_before": sides[0].median,
            "median_now": sides[1].median,
            "too_young": sides[1].too_young,
        }

    def distance(before: Rows, now: Rows) -> float:
        sides = [
            delay[(followed >= within) & (delay <= within)]
            for delay, followed in (table(side).T for side in (before, now))
        ]
        return kolmogorov_smirnov(*sides) if min(each.size for each in sides) else 0.0

    there = ("followed",)  # a row without a play has no delay
    return Judge(
        "delay",
        ("delay", "followed"),
        "distribution",
        decide,
        known_before=there,
        known_now=there,
        more=more,
        distance=distance,
    )


def _proxy(role: str) -> Judge:
    def fitted(before: Rows, proxy: Proxy) -> Proxy:
        assert before.user is not None
        assert before.day is not None
        return proxy.fit(
            before.values[role],
            outcome=before.values["outcome"],
            period=before.day.astype(np.int64),
            clusters=before.user,
        )

    def decide(before: Rows, now: Rows, asked: DetectorConfig) -> Decision:
        return fitted(before, Proxy(**asked.model_dump())).predict(now.values[role])

    def more(before: Rows, now: Rows) -> dict[str, Any]:
        said = fitted(before, Proxy()).read(now.values[role])
        rate = said.rate
        return {
            "weight": said.weight.point,
            "weight_low": said.weight.low,
            "weight_high": said.weight.high,
            "refusal": said.refusal,
            "rate_before": said.before,
            "rate": None if rate is None else [rate.point, rate.low, rate.high],
        }

    return Judge(
        role,
        (role, "outcome"),
        "residual",
        decide,
        known_before=("outcome",),  # a missing value says something, too
        known_now=(),
        learned=True,
        more=more,
    )


def _pairs(rows: Rows, *roles: str) -> Array:
    return np.column_stack([rows.values[role] for role in roles])


def _units(rows: Rows) -> int:
    return rows.size if rows.user is None else int(np.unique(rows.user).size)
