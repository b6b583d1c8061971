"""One pass over the units of a test: moments of each arm, in all and in each group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, Final

import ibis
import numpy as np

from causal_ranker.errors import ConfigError, RowError
from causal_ranker.experiments.moments import Moments, Ratio, pooled
from causal_ranker.experiments.units import GROUP, MIXED, NEW, TRIGGERED, USERS
from causal_ranker.logs.failures import reading

__all__ = ["Arms", "Scan", "scan_units"]

_MOST_GROUPS: Final = 50


@dataclass(frozen=True)
class Arms:
    """Moments of the two arms.

    Parameters
    ----------
    new, control : Moments
        Those of each.
    """

    new: Moments
    control: Moments

    def of(self, ratios: Iterable[Ratio]) -> Arms:
        """Keep the columns of some ratios.

        Parameters
        ----------
        ratios : iterable of Ratio
            What is to be read of them.

        Returns
        -------
        Arms
            Their moments.
        """
        columns = list(dict.fromkeys(name for ratio in ratios for name in ratio.columns))
        return Arms(self.new.take(columns), self.control.take(columns))


@dataclass(frozen=True)
class Scan:
    """What one pass found.

    Parameters
    ----------
    treated, control : int
        Units in each arm, triggered or not.
    triggered : Arms
        Moments of the triggered units.
    groups : dict of str to Arms
        The same by group.
    users : float
        Users in the triggered units of the new arm.
    """

    treated: int
    control: int
    triggered: Arms
    groups: dict[str, Arms]
    users: float


def scan_units(units: ibis.Table, families: Iterable[Iterable[Ratio]]) -> Scan:
    """Measure the arms.

    Parameters
    ----------
    units : ibis.Table
        As `causal_ranker.experiments.units.checked_units` makes them.
    families : iterable of iterables of Ratio
        Ratios that are read together: covariances of others' columns are not computed.

    Returns
    -------
    Scan
        Counts and moments.

    Raises
    ------
    RowError
        If rows of a unit do not agree on its arm, its group or what came before the test.
    ConfigError
        If there are very many groups.
    """
    pairs: dict[tuple[str, str], None] = {}
    for family in families:
        columns = sorted({name for ratio in family for name in ratio.columns})
        pairs |= dict.fromkeys(combinations_with_replacement(columns, 2))
    names = sorted({USERS, *(name for pair in pairs for name in pair)})
    aims: dict[str, Any] = {"units": units.count(), "mixed": units[MIXED].cast("int64").sum()}
    aims |= {f"mean {i}": units[name].mean() for i, name in enumerate(names)}
    aims |= {
        f"covariance {i}": units[first].cov(units[second], how="sample")
        for i, (first, second) in enumerate(pairs)
    }
    cells = units.group_by(NEW, TRIGGERED, GROUP).aggregate(**aims)
    with reading("the test"):
        found = cells.limit(4 * _MOST_GROUPS + 1).to_pyarrow().to_pylist()
    _refuse_mixed(found)
    groups = sorted({cell[GROUP] for cell in found if cell[TRIGGERED]})
    if len(groups) > _MOST_GROUPS:
        raise ConfigError(
            expected=f"a column of at most {_MOST_GROUPS} groups",
            came=f"more, such as {groups[0]!r} and {groups[1]!r}",
            do="Take a coarser one, such as countries or bands of age.",
        )
    moments = {
        (bool(cell[NEW]), cell[GROUP]): _moments(cell, names, list(pairs))
        for cell in found
        if cell[TRIGGERED]
    }
    nobody = Moments(tuple(names), 0, np.zeros(len(names)), np.zeros((len(names), len(names))))

    def arm(new: bool) -> Moments:
        parts = [part for (of, _), part in moments.items() if of is new]
        return pooled(parts) if parts else nobody

    triggered = Arms(arm(True), arm(False))
    sizes = {new: sum(cell["units"] for cell in found if cell[NEW] is new) for new in (True, False)}
    by_group = {
        group: Arms(*(moments.get((new, group), nobody) for new in (True, False)))
        for group in groups
    }
    users = triggered.new.count * triggered.new.value(Ratio(USERS))
    return Scan(sizes[True], sizes[False], triggered, by_group, users)


def _refuse_mixed(cells: list[dict[str, Any]]) -> None:
    mixed, units = (sum(cell[name] for cell in cells) for name in ("mixed", "units"))
    if mixed:
        raise RowError(
            expected="rows of a user (or cluster) that agree on its arm, its group, whether it was "
            "triggered, and what came before the test",
            came=f"{mixed:,} of {units:,} that do not",
            do="Find out why: users in both arms cannot be read, nor left out.",
        )


def _moments(cell: dict[str, Any], names: list[str], pairs: list[tuple[str, str]]) -> Moments:
    mean = np.array([cell[f"mean {i}"] for i in range(len(names))], dtype=np.float64)
    # What nobody asked for is unknown; a single unit has no covariance.
    covariance = np.full((len(names), len(names)), np.nan)
    for i, pair in enumerate(pairs):
        first, second = (names.index(name) for name in pair)
        value = cell[f"covariance {i}"] if cell["units"] > 1 else 0.0
        covariance[first, second] = covariance[second, first] = value
    return Moments(tuple(names), int(cell["units"]), mean, covariance)
