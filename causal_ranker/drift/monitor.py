"""One look at a window of a table beside its reference: what moved, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import ibis
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.drift.detectors import ChiSquared, KolmogorovSmirnov
from causal_ranker.drift.family import false_discoveries_controlled
from causal_ranker.drift.protocol import Decision
from causal_ranker.drift.schema import SchemaChange, schema_changes
from causal_ranker.errors import EmptyError, SchemaError
from causal_ranker.logs.rules import require_columns
from causal_ranker.reporting.blocks import Section, Table

__all__ = ["FeatureDrift", "MonitorConfig", "MonitorReport", "monitor"]

_Advice = Literal["nothing", "watch", "retrain"]


class MonitorConfig(FrozenConfig):
    """What counts as drift.

    Parameters
    ----------
    level : float
        Expected share of false alarms among the features that drifted.
    least_effect : float
        Smallest Kolmogorov-Smirnov distance, or Cramér's V, that matters. A shift of a normal
        variable by 0.2 standard deviations has a distance of .08.
    missing_change : float
        Smallest change of the share of missing values that matters.
    watch_share : float
        Up to this share of drifted features the advice is to watch, above it to retrain.
    """

    level: Annotated[float, Field(gt=0, lt=1)] = 0.05
    least_effect: Annotated[float, Field(ge=0, le=1)] = 0.05
    missing_change: Annotated[float, Field(gt=0, le=1)] = 0.02
    watch_share: Annotated[float, Field(ge=0, le=1)] = 0.2


@dataclass(frozen=True)
class FeatureDrift:
    """How one column moved.

    Parameters
    ----------
    column : str
        The column.
    decision : Decision or None
        Of the column's test; None where one side has no value.
    missing_before, missing_now : float
        Shares of missing values.
    mean_shift : float or None
        Change of the mean in standard deviations of the reference; None for categories, and
        where the reference is constant.
    new_categories : tuple of str
        Categories that the reference does not have, at most ten.
    drifted : bool
        Whether it drifted: the test after control of false discoveries and with an effect that
        matters, or the share of missing values.
    """

    column: str
    decision: Decision | None
    missing_before: float
    missing_now: float
    mean_shift: float | None
    new_categories: tuple[str, ...]
    drifted: bool


@dataclass(frozen=True)
class MonitorReport:
    """What moved, and what to do about it.

    Parameters
    ----------
    rows_before, rows_now : int
        Rows of reference and window.
    schema : list of SchemaChange
        Columns that came, went or changed their type; they are compared no further.
    features : list of FeatureDrift
        The compared columns.
    verdict : str
        One sentence.
    advice : {"nothing", "watch", "retrain"}
        What to do.
    level : float
        Expected share of false alarms among the features that drifted.
    """

    rows_before: int
    rows_now: int
    schema: list[SchemaChange]
    features: list[FeatureDrift]
    verdict: str
    advice: _Advice
    level: float = field(repr=False)

    def section(self) -> Section:
        """Return the part of a report that shows the drift.

        Returns
        -------
        Section
            The verdict's table: features in order of their effect.
        """
        ordered = sorted(
            self.features, key=lambda f: -(f.decision.effect_size if f.decision else np.inf)
        )
        rows: list[Sequence[object]] = [
            (
                f.column,
                "drifted" if f.drifted else "",
                f.decision.effect_size if f.decision else None,
                f.decision.p_value if f.decision else None,
                f.mean_shift,
                f"{f.missing_before:.1%} to {f.missing_now:.1%}",
                ", ".join(f.new_categories),
            )
            for f in ordered
        ]
        changes: list[Sequence[object]] = [
            (change.column, change.before or "absent", change.now or "absent")
            for change in self.schema
        ]
        names = ["column", "", "effect", "p-value", "mean shift (SD)", "missing", "new categories"]
        note = (
            "Effect: Kolmogorov-Smirnov distance of numbers, Cramér's V of categories. Of the "
            f"columns called drifted by their test, at most {self.level:.0%} are expected to be "
            "false alarms."
        )
        blocks = [Table(["column", "reference", "window"], changes)] if changes else []
        return Section("Drift", [*blocks, Table(names, rows, note)])


def monitor(
    reference: ibis.Table,
    window: ibis.Table,
    *,
    columns: Sequence[str] | None = None,
    config: MonitorConfig | None = None,
) -> MonitorReport:
    """Compare a window with its reference, column by column.

    Numbers go through the Kolmogorov-Smirnov test, text and booleans through the chi-squared
    test; timestamps and other types are left out. One column is in memory at a time.

    Parameters
    ----------
    reference, window : ibis.Table
        Rows of the same kind from two times.
    columns : sequence of str, optional
        Columns to compare; by default all of both. Leave ids out: they are always new.
    config : MonitorConfig, optional
        What counts as drift.

    Returns
    -------
    MonitorReport
        Decisions, verdict and advice.

    Raises
    ------
    EmptyError
        If a table has fewer than two rows.
    SchemaError
        If a named column is absent, or no column can be compared.
    """
    config = config or MonitorConfig()
    if columns is not None:
        require_columns(reference, columns, name="the reference")
        reference = reference.select(*columns)
        window = window.select(*[name for name in columns if name in window.columns])
    sizes = [int(table.count().to_pyarrow().as_py()) for table in (reference, window)]
    for name, size in zip(("reference", "window"), sizes, strict=True):
        if size < 2:
            raise EmptyError(
                expected=f"at least two rows in the {name}",
                came=f"{size}",
                do="Check the path and the filter on dates.",
            )
    changes = schema_changes(reference, window)
    changed = {change.column for change in changes}
    kinds = reference.schema()
    compared = [n for n in reference.columns if n not in changed and _comparable(kinds[n])]
    if not compared and not changes:
        raise SchemaError(
            expected="at least one column of numbers, text or booleans in both tables",
            came=", ".join(f"{name} ({kind})" for name, kind in kinds.items()),
            do="Pass tables of features.",
        )
    seen = [_compare(name, reference, window, config=config) for name in compared]
    features = _with_family(seen, config)
    verdict, advice = _judge(features, changes, config)
    return MonitorReport(
        rows_before=sizes[0],
        rows_now=sizes[1],
        schema=changes,
        features=features,
        verdict=verdict,
        advice=advice,
        level=config.level,
    )


def _comparable(kind: Any) -> bool:
    return bool(kind.is_numeric() or kind.is_string() or kind.is_boolean())


def _compare(
    name: str, reference: ibis.Table, window: ibis.Table, *, config: MonitorConfig
) -> FeatureDrift:
    number = bool(reference.schema()[name].is_numeric())
    before, now = (_values(table, name, number) for table in (reference, window))
    missing = [1 - len(part.present) / part.rows for part in (before, now)]
    decision: Decision | None = None
    shift: float | None = None
    new: tuple[str, ...] = ()
    if len(before.present) and len(now.present):
        test = KolmogorovSmirnov if number else ChiSquared
        judge = test(level=config.level, least_effect=config.least_effect)
        decision = judge.fit(before.present).predict(now.present)
        if number:
            spread = float(before.present.std())
            difference = float(now.present.mean() - before.present.mean())
            shift = difference / spread if np.isfinite(difference) and spread > 0 else None
        else:
            new = tuple(sorted(set(now.present.tolist()) - set(before.present.tolist()))[:10])
    return FeatureDrift(name, decision, missing[0], missing[1], shift, new, False)


@dataclass(frozen=True)
class _Column:
    rows: int
    present: NDArray[Any]


def _values(table: ibis.Table, name: str, number: bool) -> _Column:
    column = table[name].cast("float64") if number else table[name].cast("string")
    array = table.select(column.name(name)).to_pyarrow()[name]
    present = array.drop_null().to_numpy()
    if number:
        present = present[~np.isnan(present)]
        return _Column(len(array), present)
    return _Column(len(array), present.astype(str))


def _with_family(seen: list[FeatureDrift], config: MonitorConfig) -> list[FeatureDrift]:
    tested = [f for f in seen if f.decision is not None]
    alarms: dict[str, bool] = {}
    if tested:
        p_values = [f.decision.p_value for f in tested if f.decision]
        kept = false_discoveries_controlled(p_values, level=config.level)
        alarms = {
            f.column: bool(k)
            and f.decision is not None
            and f.decision.effect_size >= config.least_effect
            for f, k in zip(tested, kept, strict=True)
        }
    return [
        FeatureDrift(
            f.column,
            f.decision,
            f.missing_before,
            f.missing_now,
            f.mean_shift,
            f.new_categories,
            drifted=alarms.get(f.column, False)
            or abs(f.missing_now - f.missing_before) >= config.missing_change,
        )
        for f in seen
    ]


def _judge(
    features: list[FeatureDrift], changes: list[SchemaChange], config: MonitorConfig
) -> tuple[str, _Advice]:
    drifted = [f.column for f in features if f.drifted]
    if changes:
        named = ", ".join(change.column for change in changes[:3])
        return (
            f"The schema changed: {len(changes)} columns came, went or changed their type "
            f"({named}); mend the logs or retrain before you trust the lists.",
            "retrain",
        )
    if not drifted:
        return f"None of {len(features)} columns drifted: nothing to do.", "nothing"
    named = ", ".join(drifted[:3]) + (" and others" if len(drifted) > 3 else "")
    told = f"{len(drifted)} of {len(features)} columns drifted ({named})"
    if len(drifted) <= config.watch_share * len(features):
        return f"{told}: watch them, and the effect once its outcomes have matured.", "watch"
    return f"{told}: retrain on recent logs.", "retrain"
