"""Every signal of every column, decided together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.drift.days import Calendar, DayChance, further_than_days
from causal_ranker.drift.family import false_discoveries_controlled
from causal_ranker.drift.histograms import coarse, jensen_shannon, psi, wasserstein
from causal_ranker.drift.profiles import Categories, Numbers, Profile
from causal_ranker.drift.protocol import Decision
from causal_ranker.drift.signals import Kind, chance_of_rows, effect_sizes, measure
from causal_ranker.stats._arrays import Array

__all__ = ["AlertLevel", "ColumnDrift", "Levels", "Signal", "Track", "compare_columns"]

AlertLevel = Literal["quiet", "watch", "alarm"]
_Effect = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Levels(FrozenConfig):
    """From which effect size a kind of signal is watched.

    A shift of a normal variable by 0.2 standard deviations is one of the mean by 0.2, of the
    distribution by .08 and of the median's share by .08.

    Parameters
    ----------
    distribution : float
        Kolmogorov-Smirnov distance, or Cramér's V; of all columns at once, too.
    mean : float
        In standard deviations of the reference.
    spread : float
        Of the log of the standard deviation.
    quantile : float
        Of the share of values up to the reference's 5 %, 50 % or 95 % quantile.
    missing : float
        Of the share of missing values.
    new_categories : float
        Share of values in categories that the reference does not have.
    discrepancy : float
        Of all columns at once: distance of kernel means beyond chance, in [0, sqrt(2)]; a shift of
        one of eight columns by 0.1 standard deviations is one of about .02.
    area : float
        Area under the ROC curve, beyond one half, by which a classifier tells the window.
    share : float
        Of lists that changed or fell back, or of organic plays.
    residual : float
        Of outcomes, or arms, against their predicted chances, in probability; and of the rate
        that a proxy foretells.
    loss : float
        Of the expected log-loss, in nats.
    overlap : float
        Share of the rows' worth for estimating effects that was lost.
    effect : float
        Of a group's mean effect, in plays per impression.
    alarm : float
        An alarm is an effect this many times as large.
    """

    distribution: _Effect = 0.05
    mean: _Effect = 0.1
    spread: _Effect = 0.1
    quantile: _Effect = 0.05
    missing: _Effect = 0.02
    new_categories: _Effect = 0.01
    discrepancy: _Effect = 0.02
    area: _Effect = 0.02
    share: _Effect = 0.02
    residual: _Effect = 0.02
    loss: _Effect = 0.02
    overlap: _Effect = 0.1
    effect: _Effect = 0.01
    alarm: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 3.0

    def least(self, kind: Kind) -> float:
        """Return the effect from which a signal is watched.

        Parameters
        ----------
        kind : str
            The signal.

        Returns
        -------
        float
            The effect size.
        """
        named = "quantile" if kind in {"low", "median", "high"} else kind
        value: float = getattr(self, named)
        return value


@dataclass(frozen=True)
class Signal:
    """One signal of one column.

    Parameters
    ----------
    kind : str
        What was looked at.
    level : {"quiet", "watch", "alarm"}
        "quiet" unless it is more than chance among rows (false discoveries controlled over all
        signals), more than chance among days where days are known, and large enough to matter.
    before, now : float or None
        The statistic in the column's unit (or a share); None for a distribution.
    decision : Decision
        Effect size and p-value, of days where they are known and else of rows. The statistic is
        in units of the chance it was judged by; above the threshold no signal of any column goes
        without drift, at the level.
    """

    kind: Kind
    level: AlertLevel
    before: float | None
    now: float | None
    decision: Decision


@dataclass(frozen=True)
class Track:
    """How a column went over time, for drawing.

    Parameters
    ----------
    reference, window : tuple of float or None
        Mean of numbers, or share of the reference's most frequent category, by day.
    what : str
        What the values are.
    """

    reference: tuple[float | None, ...]
    window: tuple[float | None, ...]
    what: str


@dataclass(frozen=True)
class ColumnDrift:
    """How one column moved, in all rows or in those of a segment.

    Parameters
    ----------
    column : str
        The column.
    segment : str or None
        The segment; None for all rows.
    level : {"quiet", "watch", "alarm"}
        The gravest level of its signals.
    signals : tuple of Signal
        All of them.
    distances : dict of str to float
        For reading beside others' numbers: ``psi`` and ``jensen_shannon`` over 20 cells, and
        ``wasserstein`` in standard deviations of the reference.
    resolution : float
        By how much the distance of the distribution may fall short of the exact one.
    new_categories : tuple of str
        The most frequent categories that the reference does not have, at most ten.
    missing_now : float
        Share of missing values in the window.
    track : Track
        How it went by day.
    """

    column: str
    segment: str | None
    level: AlertLevel
    signals: tuple[Signal, ...]
    distances: dict[str, float]
    resolution: float
    new_categories: tuple[str, ...]
    missing_now: float
    track: Track = field(repr=False)

    def signal(self, kind: Kind) -> Signal:
        """Return one of its signals.

        Parameters
        ----------
        kind : str
            Which.

        Returns
        -------
        Signal
            The signal.
        """
        return next(each for each in self.signals if each.kind == kind)


@dataclass(frozen=True, eq=False)
class _Material:
    """One column of one segment, with all that its signals are judged by."""

    column: str
    segment: str | None
    now: Profile
    before: Profile
    effects: dict[Kind, float]
    p_values: dict[Kind, float]
    null: list[tuple[Array, Array]]
    seen: list[tuple[Array, Array]]
    track: Track
    distances: dict[str, float]


def compare_columns(
    reference: Mapping[tuple[str, str | None], Profile],
    window: Mapping[tuple[str, str | None], Profile],
    *,
    calendar: Calendar,
    level: float,
    levels: Levels,
    seed: int,
    raised: Mapping[tuple[str, str | None, str], float],
) -> tuple[list[ColumnDrift], DayChance | None]:
    """Judge every column of every segment as one family.

    Parameters
    ----------
    reference, window : mapping of (column, segment) to Numbers or Categories
        Profiles by day with common cells; segments without a row on either side are left to the
        caller.
    calendar : Calendar
        Which days are compared.
    level : float
        Expected share of false alarms.
    levels : Levels
        Which effects matter.
    seed : int
        Decides the draws, where the window has several days.
    raised : mapping of (column, segment, signal) to float
        Effects from which a signal is told, where verdicts ask for more than `levels`.

    Returns
    -------
    columns : list of ColumnDrift
        In the order of the reference.
    chance : DayChance or None
        What the days taught; None where the reference has no two comparable days.
    """
    material = [
        _gather(key, reference[key], window[key], calendar) for key in reference if key in window
    ]
    if not material:
        return [], None
    p_rows = np.array([p for each in material for p in each.p_values.values()])
    beyond = false_discoveries_controlled(p_rows, level=level)
    days, _ = calendar.beside_reference()
    chance: DayChance | None = None
    if days.size:
        null, null_chance, seen, seen_chance = (
            np.column_stack([pair[side] for each in material for pair in getattr(each, part)])
            for part in ("null", "seen")
            for side in (0, 1)
        )
        chance = further_than_days(
            null,
            null_chance,
            window_change=seen,
            window_chance=seen_chance,
            level=level,
            seed=seed,
            widening=calendar.widening(),
        )
        beyond = beyond & (chance.score > chance.threshold)
    found, at = [], 0
    for each in material:
        some = slice(at, at + len(each.p_values))
        at += len(each.p_values)
        least = {
            kind: max(levels.least(kind), raised.get((each.column, each.segment, kind), 0.0))
            for kind in each.p_values
        }
        found.append(
            _decided(each, beyond[some], chance, some, level=level, levels=levels, least=least)
        )
    return found, chance


def _gather(
    key: tuple[str, str | None], reference: Profile, window: Profile, calendar: Calendar
) -> _Material:
    rows = [side.rows + side.missing for side in (reference, window)]
    whole = reference.mixed(np.ones((1, len(rows[0]))))
    now = window.mixed(np.ones((1, len(rows[1]))))
    before = reference.mixed(calendar.mixture(*rows))
    # chance among rows knows the size of a mixture from its counts
    days, others = calendar.beside_reference()
    null = measure(reference.days(days), reference.mixed(others), whole=whole)
    seen = measure(window, reference.mixed(calendar.beside_window()), whole=whole)
    return _Material(
        column=key[0],
        segment=key[1],
        now=now,
        before=before,
        effects=effect_sizes(now, before, whole=whole),
        p_values=(p_values := chance_of_rows(now, before, whole=whole)),
        null=[(null[kind].change, null[kind].chance) for kind in p_values],
        seen=[(seen[kind].change, seen[kind].chance) for kind in p_values],
        track=_track(reference, window),
        distances=_distances(now, before, whole),
    )


def _decided(
    each: _Material,
    beyond: NDArray[np.bool_],
    chance: DayChance | None,
    some: slice,
    *,
    level: float,
    levels: Levels,
    least: Mapping[Kind, float],
) -> ColumnDrift:
    signals = []
    for k, (kind, p) in enumerate(each.p_values.items()):
        effect = each.effects[kind]
        drifted = bool(beyond[k]) and effect >= least[kind]
        if chance is None:
            statistic, threshold = -np.log10(max(p, 1e-300)), -np.log10(level)
        else:
            p = float(chance.p_value[some][k])
            statistic, threshold = float(chance.score[some][k]), chance.threshold
        alert: AlertLevel = "quiet"
        if drifted:
            alert = "alarm" if effect >= levels.alarm * levels.least(kind) else "watch"
        decision = Decision(float(statistic), float(threshold), float(p), effect, drifted)
        values = [_value(kind, side, each.before) for side in (each.before, each.now)]
        signals.append(Signal(kind, alert, values[0], values[1], decision))
    numbers = isinstance(each.now, Numbers) and isinstance(each.before, Numbers)
    missing = _value("missing", each.now, each.before)
    return ColumnDrift(
        column=each.column,
        segment=each.segment,
        level=max((signal.level for signal in signals), key=_GRAVITY.index),
        signals=tuple(signals),
        distances=each.distances,
        resolution=each.now.resolution(each.before) if numbers else 0.0,  # type: ignore[union-attr, arg-type]
        new_categories=each.now.new_examples if isinstance(each.now, Categories) else (),
        missing_now=0.0 if missing is None else missing,
        track=each.track,
    )


_GRAVITY: Final[tuple[AlertLevel, ...]] = ("quiet", "watch", "alarm")
_AT: Final[dict[Kind, float]] = {"low": 0.05, "median": 0.5, "high": 0.95}


def _value(kind: Kind, side: Profile, before: Profile) -> float | None:
    """Return a statistic in the column's own unit."""
    rows = float(side.rows[0])
    value: float = np.nan
    if kind == "missing":
        value = float(side.missing[0]) / max(rows + float(side.missing[0]), 1)
    elif kind == "new_categories":
        value = float(side.counts[0, -1]) / max(rows, 1)
    elif isinstance(side, Numbers) and rows > 0:
        if kind == "mean":
            value = float(side.mean[0]) * side.unit + side.centre
        elif kind == "spread":
            value = float(side.spread()[0])
        elif kind in _AT:
            value = float(side.quantile(_AT[kind])[0])
    return value if np.isfinite(value) else None


def _distances(now: Profile, before: Profile, whole: Profile) -> dict[str, float]:
    if not isinstance(now, Numbers) or not isinstance(before, Numbers):
        return {}
    if not isinstance(whole, Numbers) or not now.rows[0] or not before.rows[0]:
        return {}
    sides = [coarse(side.counts, whole=whole.counts[0]) for side in (now, before)]
    found = {
        "psi": float(psi(*sides)[0]),
        "jensen_shannon": float(jensen_shannon(*sides)[0]),
    }
    unit = float(whole.spread()[0])
    if np.isfinite(unit) and unit > 0 and np.isfinite(now.low):
        low, high = min(now.low, before.low), max(now.high, before.high)
        away = wasserstein(now.counts, before.counts, edges=now.edges, low=low, high=high)[0]
        found["wasserstein"] = float(away) / unit
    return found


def _track(reference: Profile, window: Profile) -> Track:
    if isinstance(reference, Numbers) and isinstance(window, Numbers):
        sides = [side.mean * side.unit + side.centre for side in (reference, window)]
        what = "mean"
    else:
        top = int(np.argmax(reference.counts.sum(axis=0)))
        labels = reference.labels if isinstance(reference, Categories) else ()
        sides = [side.counts[:, top] / np.maximum(side.rows, 1) for side in (reference, window)]
        what = f"share of {labels[top]}" if top < len(labels) else "share"
    values = [tuple(float(v) if np.isfinite(v) else None for v in side) for side in sides]
    return Track(values[0], values[1], what)
