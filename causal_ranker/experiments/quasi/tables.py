"""Read quasi-experiments from tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.experiments.quasi.differences import Differences, difference_in_differences
from causal_ranker.experiments.quasi.discontinuity import Discontinuity, regression_discontinuity
from causal_ranker.experiments.quasi.fixed_effects import FixedEffects, two_way_fixed_effects
from causal_ranker.experiments.quasi.matching import Matched, match_on_propensity
from causal_ranker.experiments.quasi.slate import slate_margins
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import reading
from causal_ranker.stats._arrays import Array, binary_vector
from causal_ranker.stats.hashing import fold_of
from causal_ranker.stats.logistic import fit_logistic, probability

__all__ = ["read_differences", "read_discontinuity", "read_fixed_effects", "read_matched"]

_FOLDS = 5
_PENALTY = 1e-4
_NAME = "the table"


def read_matched(
    table: ibis.Table,
    *,
    outcome: str,
    treatment: str,
    covariates: Sequence[str],
    user: str,
    propensity: str | None = None,
    caliper: float = 0.2,
) -> Matched:
    """Match treated rows with controls.

    Parameters
    ----------
    table : ibis.Table
        One row per unit.
    outcome, treatment, user : str
        Columns of Y, of T and of the ids that rows are clustered by.
    covariates : sequence of str
        Columns of numbers, all from before the treatment.
    propensity : str, optional
        Column of the logged propensity. Without one it is estimated by logistic regression on the
        covariates, for each fifth of the users from the others.
    caliper : float
        As in `causal_ranker.experiments.quasi.matching.match_on_propensity`.

    Returns
    -------
    Matched
        Effect and balance.

    Raises
    ------
    ConfigError
        If there is no covariate.
    DataError, OverlapError
        If a column is absent or holds what it must not, or the arms are not comparable.
    """
    if not covariates:
        raise ConfigError(
            expected="at least one covariate", came="none", do="Name what treatment depended on."
        )
    logged = [] if propensity is None else [propensity]
    rows = _rows(table, [outcome, treatment, user, *covariates, *logged])
    known = _numbers(rows, covariates)
    treated = binary_vector(rows[treatment].to_numpy(), name=treatment)
    chance = (
        _estimated(known, treated.astype(np.float64), user=rows[user].to_numpy())
        if propensity is None
        else rows[propensity].to_numpy()
    )
    return match_on_propensity(
        rows[outcome].to_numpy(),
        treated,
        propensity=chance,
        covariates=known,
        cluster=rows[user].to_numpy(),
        caliper=caliper,
    )


def read_fixed_effects(
    table: ibis.Table,
    *,
    outcome: str,
    treatment: str,
    unit: Sequence[str],
    period: str,
    cluster: str,
) -> FixedEffects:
    """Compare units with themselves at other times.

    Parameters
    ----------
    table : ibis.Table
        One row per unit and period, or several.
    outcome, treatment, period, cluster : str
        Columns of Y, T, of the time, and of what moves together.
    unit : sequence of str
        Columns that together say whose row it is, such as user and item.

    Returns
    -------
    FixedEffects
        The effect.

    Raises
    ------
    DataError, OverlapError
        If a column is absent or holds what it must not, or nothing is left to compare.
    """
    rows = _rows(table, [outcome, treatment, *unit, period, cluster])
    _refuse_missing(rows, [*unit, period])
    return two_way_fixed_effects(
        rows[outcome].to_numpy(),
        rows[treatment].to_numpy(),
        unit=rows.groupby(list(unit), sort=False).ngroup().to_numpy(),
        period=rows.groupby(period, sort=False).ngroup().to_numpy(),
        cluster=rows[cluster].to_numpy(),
    )


def read_differences(
    table: ibis.Table, *, outcome: str, treated: str, unit: str, period: str, since: str
) -> tuple[Differences, tuple[str, ...]]:
    """Compare the changes of two groups.

    Parameters
    ----------
    table : ibis.Table
        One row per unit and period, or several, of which the mean is taken.
    outcome, treated, unit, period : str
        Columns of Y, of whether the change came to the unit (in every one of its rows), of the
        unit and of the time.
    since : str
        First period after the change: a number, or a date where periods are times.

    Returns
    -------
    found : Differences
        The effect and the check of trends.
    periods : tuple of str
        The periods, in order.

    Raises
    ------
    ConfigError
        If `since` is no value of the column's kind.
    DataError
        If a column is absent, units are missing in periods, or are in both groups.
    """
    rows = _rows(table, [outcome, treated, unit, period])
    _refuse_missing(rows, [unit, period, outcome, treated])
    group = rows.groupby(unit)[treated].agg(["min", "max"])
    mixed = group.index[group["min"] != group["max"]]
    if len(mixed):
        raise RowError(
            expected=f"one '{treated}' for each unit, before the change as after it",
            came=f"{len(mixed)} units with both, e.g. {mixed[0]!r}",
            do="Say to which units the change came, not when.",
        )
    panel = rows.pivot_table(index=unit, columns=period, values=outcome, aggfunc="mean")
    found = difference_in_differences(
        panel.to_numpy(dtype=np.float64),
        group["max"].loc[panel.index].to_numpy(),
        before=_before(panel.columns, since),
    )
    return found, tuple(map(str, panel.columns))


def read_discontinuity(
    table: ibis.Table,
    *,
    outcome: str,
    treatment: str,
    running: str,
    user: str,
    request: Sequence[str] = (),
    cutoff: float = 0.0,
    bandwidth: float | None = None,
) -> Discontinuity:
    """Compare rows about a cut-off.

    Parameters
    ----------
    table : ibis.Table
        One row per unit.
    outcome, treatment, running, user : str
        Columns of Y, T, of what decides on T, and of the ids that rows are clustered by.
    request : sequence of str
        Columns that together say whose slate a row was in. With them `running` is a score, and what
        decides is its distance from the end of the slate; without, `running` itself.
    cutoff, bandwidth : float
        As in `causal_ranker.experiments.quasi.discontinuity.regression_discontinuity`.

    Returns
    -------
    Discontinuity
        The effect and the check of the density.

    Raises
    ------
    ConfigError
        If the bandwidth is not above 0.
    DataError
        If a column is absent or holds what it must not, or too few rows are near.
    """
    rows = _rows(table, [outcome, treatment, running, user, *request])
    decides, treated = rows[running].to_numpy(), rows[treatment].to_numpy()
    if request:
        _refuse_missing(rows, request)
        slate = rows.groupby(list(request), sort=False).ngroup().to_numpy()
        decides = slate_margins(decides, treated, request=slate)
    return regression_discontinuity(
        rows[outcome].to_numpy(),
        decides,
        treatment=treated,
        cluster=rows[user].to_numpy(),
        cutoff=cutoff,
        bandwidth=bandwidth,
    )


def _rows(table: ibis.Table, columns: Sequence[str]) -> pd.DataFrame:
    require_columns(table, columns, name=_NAME)
    with reading(_NAME):
        rows: pd.DataFrame = table.select(*dict.fromkeys(columns)).to_pandas()
    return rows


def _numbers(rows: pd.DataFrame, columns: Sequence[str]) -> Array:
    try:
        found = rows[list(columns)].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SchemaError(
            expected=f"numbers in {', '.join(columns)}",
            came=str(error),
            do="Encode other columns first.",
        ) from None
    bad = ~np.isfinite(found)
    if bad.any():
        raise RowError(
            expected=f"finite numbers in {', '.join(columns)}",
            came=f"{int(bad.any(axis=1).sum())} rows without",
            do="Fill or drop these rows; where a value is missing may itself tell something.",
        )
    return found


def _refuse_missing(rows: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = rows[list(columns)].isna().any(axis=1)
    if missing.any():
        raise RowError(
            expected=f"a value in {', '.join(columns)} of every row",
            came=f"{int(missing.sum())} rows without",
            do="Drop these rows, or find out whose they are.",
        )


def _estimated(known: Array, treated: Array, *, user: NDArray[Any]) -> Array:
    """Estimate propensities of each fold of users from the others."""
    spread = known.std(axis=0)
    scaled = (known - known.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    design = np.column_stack([np.ones(len(scaled)), scaled])
    fold = fold_of(user, _FOLDS, salt="matching")
    penalty = np.full(design.shape[1], _PENALTY)
    chance = np.empty(len(design))
    for own in range(_FOLDS):
        held = fold == own
        weight = np.ones(int((~held).sum()))
        found = fit_logistic(design[~held], treated[~held], weight=weight, l2=penalty)
        chance[held] = probability(design[held] @ found)
    return chance


def _before(periods: pd.Index[Any], since: str) -> int:
    first: Any
    try:
        if isinstance(periods, pd.DatetimeIndex):
            first = pd.Timestamp(since)
            first = first.tz_localize(periods.tz) if first.tz is None else first
        elif isinstance(periods[0], date):
            first = date.fromisoformat(since)
        else:
            first = type(periods[0])(since)
        return int((periods < first).sum())
    except (TypeError, ValueError):
        raise ConfigError(
            expected=f"a period like {periods[0]!r}",
            came=repr(since),
            do="Give the first period after the change, as the column writes it.",
        ) from None
