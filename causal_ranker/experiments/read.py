"""Read a test of two arms from a table of any length: sizes first, then differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import ibis
from numpy.typing import ArrayLike

from causal_ranker.errors import DataError
from causal_ranker.experiments.balance import Balance, balance
from causal_ranker.experiments.config import Metric, ReadoutConfig
from causal_ranker.experiments.difference import Difference, compare
from causal_ranker.experiments.moments import Ratio
from causal_ranker.experiments.sample_ratio import SampleRatio, sample_ratio
from causal_ranker.experiments.scan import Arms, Scan, scan_units
from causal_ranker.experiments.units import USERS, checked_units
from causal_ranker.stats._arrays import Array
from causal_ranker.stats.heterogeneity import heterogeneity
from causal_ranker.stats.intervals import Interval
from causal_ranker.stats.multiplicity import benjamini_hochberg, holm
from causal_ranker.stats.sequential import always_valid, always_valid_p_value

__all__ = ["GroupLine", "Groups", "Line", "Readout", "read_test"]

_CORRECTIONS: Final[dict[str, Callable[[ArrayLike], Array]]] = {
    "holm": holm,
    "benjamini-hochberg": benjamini_hochberg,
}
_Families = dict[Metric, tuple[Ratio, list[Ratio]]]


@dataclass(frozen=True)
class Line:
    """One metric.

    Parameters
    ----------
    metric : Metric
        Which one.
    difference : Difference
        New arm less control, at one look.
    interval : Interval
        The interval to be read: that of the difference, or a wider one that holds at every look.
    p_value : float
        Of no difference, as the interval.
    adjusted_p : float or None
        That allows for all metrics; None of guardrails, which all have to hold.
    """

    metric: Metric
    difference: Difference
    interval: Interval
    p_value: float
    adjusted_p: float | None


@dataclass(frozen=True)
class GroupLine:
    """The north star in one group.

    Parameters
    ----------
    treated, control : int
        Units in each arm.
    difference : Difference or None
        New arm less control; None where an arm has fewer than two units, or nothing varies.
    everywhere : Interval or None
        A wider interval, which holds in all groups at once.
    """

    treated: int
    control: int
    difference: Difference | None
    everywhere: Interval | None


@dataclass(frozen=True)
class Groups:
    """The north star by group.

    Parameters
    ----------
    lines : dict of str to GroupLine
        By group.
    p_value : float
        Of one effect in all groups (Cochran's Q); NaN where fewer than two can be told.
    """

    lines: dict[str, GroupLine]
    p_value: float


@dataclass(frozen=True)
class Readout:
    """What a test says.

    Parameters
    ----------
    config : ReadoutConfig
        What was read.
    ratio : SampleRatio
        Sizes of the arms.
    triggered : SampleRatio or None
        The same among triggered users; None where all are read.
    balance : Balance or None
        Covariates before the test; None where there are none.
    lines : tuple of Line
        One per metric, the north star first; empty where sizes block.
    groups : Groups or None
        The north star by group, where one was asked for and sizes do not block.
    users : float
        Users of the new arm that were read.
    left_out : int
        Rows of other arms.
    caps, capped : dict of str to float
        By capped metric: the cap, and the share of users above it.
    """

    config: ReadoutConfig
    ratio: SampleRatio
    triggered: SampleRatio | None
    balance: Balance | None
    lines: tuple[Line, ...]
    groups: Groups | None
    users: float
    left_out: int
    caps: dict[str, float]
    capped: dict[str, float]

    @property
    def blocked(self) -> bool:
        """Whether the arms' sizes forbid to read on."""
        return self.ratio.blocks or (self.triggered is not None and self.triggered.blocks)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures.

        Returns
        -------
        dict
            Of plain values, for JSON.
        """
        from dataclasses import asdict

        return {
            "blocked": self.blocked,
            "sizes": asdict(self.ratio),
            "triggered": None if self.triggered is None else asdict(self.triggered),
            "balance": None if self.balance is None else asdict(self.balance),
            "metrics": {
                line.metric.name: {
                    "guardrail": line.metric.margin is not None,
                    **asdict(line.difference),
                    "interval": asdict(line.interval),
                    "p_value": line.p_value,
                    "adjusted_p": line.adjusted_p,
                }
                for line in self.lines
            },
            "groups": None if self.groups is None else asdict(self.groups),
            "users_in_new_arm": self.users,
            "rows_left_out": self.left_out,
            "caps": self.caps,
            "capped": self.capped,
        }


def read_test(table: ibis.Table, config: ReadoutConfig) -> Readout:
    """Read a test of two arms.

    The table is checked, then one pass takes counts, means and covariances; nothing that grows
    with the users is held here.

    Parameters
    ----------
    table : ibis.Table
        One row per user, or many.
    config : ReadoutConfig
        What is read.

    Returns
    -------
    Readout
        Sizes, and the rest if they allow.

    Raises
    ------
    SchemaError
        If a column is absent or of the wrong type.
    RowError
        If users are in both arms, or a value is missing or cannot be.
    EmptyError
        If an arm has no user.
    DataError
        If a metric or a covariate does not vary.
    """
    units = checked_units(table, config)
    per = None if config.cluster is None else USERS
    families = {metric: _family(metric, per) for metric in config.metrics}
    before = [Ratio(name, per) for name in config.past]
    found = scan_units(units.table, [*([one, *past] for one, past in families.values()), before])
    ratio = sample_ratio(found.treated, found.control, expected_share=config.expected_share)
    triggered = None
    if config.triggered is not None:
        arms = found.triggered
        triggered = sample_ratio(
            arms.new.count, arms.control.count, expected_share=config.expected_share
        )
    blocked = ratio.blocks or (triggered is not None and triggered.blocks)
    known = found.triggered.of(before)
    return Readout(
        config=config,
        ratio=ratio,
        triggered=triggered,
        balance=balance(known.new, known.control, before) if before else None,
        lines=() if blocked else _lines(found.triggered, families, config),
        groups=None if blocked or config.groups is None else _groups(found, families, config),
        users=found.users,
        left_out=units.left_out,
        caps=units.caps,
        capped=units.capped,
    )


def _family(metric: Metric, per: str | None) -> tuple[Ratio, list[Ratio]]:
    return Ratio(metric.numerator, metric.per or per), [Ratio(name, per) for name in metric.past]


def _lines(arms: Arms, families: _Families, config: ReadoutConfig) -> tuple[Line, ...]:
    read = []
    for metric, (ratio, past) in families.items():
        known = arms.of([ratio, *past])
        found = compare(known.new, known.control, ratio, past=past, level=config.level)
        interval, p_value = found.interval, found.p_value
        if config.planned is not None:
            seen = arms.new.count + arms.control.count
            point, error = interval.point, interval.standard_error
            interval = always_valid(
                point, standard_error=error, seen=seen, planned=config.planned, level=config.level
            )
            p_value = always_valid_p_value(
                point, standard_error=error, seen=seen, planned=config.planned, level=config.level
            )
        read.append((metric, found, interval, p_value))
    asked = [p for metric, _, _, p in read if metric.margin is None]
    adjusted = iter(_CORRECTIONS[config.correction](asked).tolist())
    return tuple(
        Line(metric, found, interval, p, next(adjusted) if metric.margin is None else None)
        for metric, found, interval, p in read
    )


def _groups(found: Scan, families: _Families, config: ReadoutConfig) -> Groups:
    ratio, past = families[config.metrics[0]]
    told: dict[str, Difference] = {}
    for group, arms in found.groups.items():
        known = arms.of([ratio, *past])
        try:
            told[group] = compare(known.new, known.control, ratio, past=past, level=config.level)
        except DataError:  # too few users, or all alike: the group stays on the page, untold
            continue
    wide = heterogeneity([each.interval for each in told.values()], level=config.level)
    everywhere = dict(zip(told, wide.everywhere, strict=True))
    lines = {
        group: GroupLine(arms.new.count, arms.control.count, told.get(group), everywhere.get(group))
        for group, arms in found.groups.items()
    }
    return Groups(lines, wide.p_value)
