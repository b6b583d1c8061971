"""One pass over the units of a test: moments of each arm, in all and in each group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any, Final

import ibis
import numpy as np

from causal_ranker.errors import ConfigError, EmptyError, RowError
from causal_ranker.experiments.moments import Moments, Ratio, pooled
from causal_ranker.experiments.units import GROUP, MIXED, NEW, STRATUM, TRIGGERED, USERS
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
        Moments of the triggered units, with the same mix of strata in both arms.
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
        If there are very many groups or strata.
    EmptyError
        If a stratum has fewer than two units of an arm.
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
    cells = units.group_by(NEW, TRIGGERED, GROUP, STRATUM).aggregate(**aims)
    with reading("the test"):
        found = cells.limit(4 * _MOST_GROUPS**2 + 1).to_pyarrow().to_pylist()
    _refuse_mixed(found)
    for key in (GROUP, STRATUM):
        _refuse_many({cell[key] for cell in found})
    read = [(cell, _moments(cell, names, list(pairs))) for cell in found if cell[TRIGGERED]]

    def by(key: str) -> dict[str, Arms]:
        return {
            name: _arms([(cell[NEW], part) for cell, part in read if cell[key] == name], names)
            for name in sorted({cell[key] for cell, _ in read})
        }

    strata = by(STRATUM)
    whole = _arms([(cell[NEW], part) for cell, part in read], names)
    return Scan(
        sum(cell["units"] for cell in found if cell[NEW]),
        sum(cell["units"] for cell in found if not cell[NEW]),
        whole if len(strata) <= 1 else _stratified(strata),
        by(GROUP),
        whole.new.count * whole.new.value(Ratio(USERS)),
    )


def _arms(parts: list[tuple[bool, Moments]], names: list[str]) -> Arms:
    nobody = Moments(tuple(names), 0, np.zeros(len(names)), np.zeros((len(names), len(names))))
    return Arms(
        *(
            pooled(mine) if (mine := [part for of, part in parts if of == new]) else nobody
            for new in (True, False)
        )
    )


def _stratified(strata: dict[str, Arms]) -> Arms:
    """Give both arms the strata's shares among all users.

    An arm's means are ``sum w_h m_h``, their covariance ``sum w_h^2 C_h / n_h`` (Cochran, 1977,
    5A.9, of large strata): those of as many units that do not differ between strata.
    """
    sizes = np.array([arms.new.count + arms.control.count for arms in strata.values()])
    weights = sizes / sizes.sum()
    for name, arms in strata.items():
        if min(arms.new.count, arms.control.count) < 2:
            raise EmptyError(
                expected=f"two users of each arm in the stratum {name!r}",
                came=f"{arms.new.count} of the new arm, {arms.control.count} of the control",
                do="Join small strata.",
            )

    def together(parts: list[Moments]) -> Moments:
        count = sum(part.count for part in parts)
        known = list(zip(weights, parts, strict=True))
        mean = np.sum([weight * part.mean for weight, part in known], axis=0)
        covariance = np.sum([w**2 / part.count * part.covariance for w, part in known], axis=0)
        return Moments(parts[0].columns, count, mean, count * covariance)

    both = strata.values()
    return Arms(together([arms.new for arms in both]), together([arms.control for arms in both]))


def _refuse_many(names: set[str]) -> None:
    if len(names) > _MOST_GROUPS:
        first, second, *_ = sorted(names)
        raise ConfigError(
            expected=f"a column of at most {_MOST_GROUPS} groups",
            came=f"more, such as {first!r} and {second!r}",
            do="Take a coarser one, such as countries or bands of age.",
        )


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
