"""What enters a review queue: a report's alerts, and rows of the labels."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from causal_ranker.columns import Columns as C
from causal_ranker.drift.review.entries import Alert, Entry, Row
from causal_ranker.drift.review.feedback import MONITOR
from causal_ranker.errors import SchemaError

if TYPE_CHECKING:
    import pandas as pd

    from causal_ranker.drift.monitor import MonitorReport
    from causal_ranker.drift.review.informative import Informative

__all__ = ["ROW_COLUMNS", "alert_entries", "row_entries"]

_GRAVITY: Final = {"watch": 1.0, "alarm": 2.0}
_SCHEMA: Final = 3.0
#: Columns of the labels that an entry of a row keeps.
ROW_COLUMNS: Final = (
    *(C.USER, C.ITEM, C.T0, C.HORIZON_END, C.TREATMENT, C.OUTCOME, C.LABEL_KIND),
    *(C.SAMPLING_WEIGHT, C.CENSORING_WEIGHT, C.ANALYSIS_WEIGHT),
)


def alert_entries(report: MonitorReport, *, at: datetime) -> list[Entry]:
    """Make entries of a report's alerts: schema, columns by segment and at once, the model.

    Parameters
    ----------
    report : MonitorReport
        What the monitor found.
    at : datetime
        When, with a time zone.

    Returns
    -------
    list of Entry
        Scores: 3 and more for the schema, 2 for an alarm, 1 for what is watched; above that the
        effect's size e as e / (1 + e). The same alert of the same days (without days: of the same
        numbers) has the same id, so that it enters a queue once.
    """
    window = _window(report)
    found = [
        Entry(
            Alert("schema", change.column, None, window, 1.0, 0.0, None, 1.0, signals={}),
            score=_SCHEMA,
            reason=f"the column's type: {change.before or 'absent'} before, "
            f"{change.now or 'absent'} now",
            entered_at=at,
        )
        for change in report.schema
    ]
    for column in report.columns:
        told = [signal for signal in column.signals if signal.level != "quiet"]
        if not told:
            continue
        first = max(told, key=lambda s: (_GRAVITY[s.level], s.decision.statistic))
        effect = first.decision.effect_size
        alert = Alert.of(
            first.decision,
            detector=MONITOR,
            window=window,
            subject=column.column,
            segment=column.segment,
            signals={signal.kind: signal.decision.effect_size for signal in told},
        )
        score = _GRAVITY[column.level] + effect / (1 + effect)
        reason = f"{first.kind.replace('_', ' ')} moved most, by {effect:.3g}"
        found.append(Entry(alert, score, reason, at))
    # where single columns show it, all at once have nothing to ask
    at_once = [check for check in report.together if check.finding is not None]
    for check in (*at_once, *report.checks):
        if check.level == "quiet" or check.decision is None:
            continue
        effect = check.decision.effect_size
        score = _GRAVITY[check.level] + effect / (1 + effect)
        reason = f"{check.name.replace('_', ' ')} moved by {effect:.3g}"
        alert = Alert.of(check.decision, detector=check.name, window=window)
        found.append(Entry(alert, score, reason, at))
    return found


def row_entries(labels: pd.DataFrame, picked: Informative, *, at: datetime) -> list[Entry]:
    """Make entries of rows of the labels.

    Parameters
    ----------
    labels : pandas.DataFrame
        Rows of `causal_ranker.labels.dataset.UpliftDataset.to_pandas`, in the order in which they
        were judged.
    picked : Informative
        Which of them.
    at : datetime
        When, with a time zone.

    Returns
    -------
    list of Entry
        In the order of `picked`.

    Raises
    ------
    SchemaError
        If a column of the labels' contract is absent.
    ConfigError
        If a value cannot be.
    """
    if absent := [name for name in ROW_COLUMNS if name not in labels.columns]:
        raise SchemaError(
            expected=f"the labels' columns: {', '.join(ROW_COLUMNS)}",
            came=f"a table without {', '.join(absent)}",
            do="Pass what UpliftDataset.to_pandas returned.",
        )
    rows = labels.loc[:, list(ROW_COLUMNS)].iloc[picked.rows]
    return [
        Entry(_row(values), float(score), reason, at)
        for values, score, reason in zip(
            rows.itertuples(index=False, name=None), picked.score, picked.reason, strict=True
        )
    ]


def _row(values: tuple[Any, ...]) -> Row:
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    user, item, t0, end, *others = plain
    return Row(user, item, t0.to_pydatetime(), end.to_pydatetime(), *others)


def _window(report: MonitorReport) -> str:
    if report.days_now:
        return f"{report.days_now[0]} to {report.days_now[-1]}"
    numbers = [
        f"{column.column} {column.segment} {signal.kind} {signal.decision.effect_size:.6g}"
        for column in report.columns
        for signal in column.signals
    ]
    numbers += [
        f"{c.name} {c.decision.effect_size:.6g}"
        for c in (*report.together, *report.checks)
        if c.decision
    ]
    said = "\n".join([f"{report.rows_before} {report.rows_now}", *numbers])
    return f"numbers {hashlib.sha256(said.encode()).hexdigest()[:12]}"
