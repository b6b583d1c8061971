"""Labels that people corrected, in the labels' contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.drift.review.entries import Entry, Row, VerdictKind, standing
from causal_ranker.errors import RowError
from causal_ranker.labels.kinds import LabelKind

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["corrected_labels", "with_corrections"]


def corrected_labels(entries: Iterable[Entry]) -> pa.Table:
    """List the rows whose outcome was called wrong, with the right one.

    Weights stay: a row was drawn by the outcome that was believed then, and counts for those that
    were not. A play found in an exposed row is organic, as nothing credits it to the impression.

    Parameters
    ----------
    entries : iterable of Entry
        A queue's rows; alerts have no say here.

    Returns
    -------
    pyarrow.Table
        The columns of `causal_ranker.labels.dataset.UpliftDataset` that every row has, in the
        order of (t0, user, item).

    Raises
    ------
    RowError
        If ids are both integers and text.
    """
    import pyarrow as pa

    said = [
        {
            **asdict(entry.about),
            C.OUTCOME: 1 - entry.about.outcome,
            C.LABEL_KIND: _kind(entry.about),
        }
        for entry in entries
        if isinstance(entry.about, Row)
        and (verdict := standing(entry)) is not None
        and verdict.kind is VerdictKind.LABEL_CORRECTED
    ]
    said.sort(key=lambda row: (row[C.T0], str(row[C.USER]), str(row[C.ITEM])))
    kinds: dict[str, pa.DataType] = {}
    for name in (C.USER, C.ITEM):
        found = {type(row[name]) for row in said}
        if len(found) > 1:
            raise RowError(
                expected=f"one type of {name} in all corrected rows",
                came="integers and text",
                do="Keep a queue for each kind of log.",
            )
        kinds[name] = pa.int64() if found == {int} else pa.string()
    moment = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        [
            *((name, kinds[name]) for name in (C.USER, C.ITEM)),
            *((name, moment) for name in (C.T0, C.HORIZON_END)),
            *((name, pa.int8()) for name in (C.TREATMENT, C.OUTCOME)),
            (C.LABEL_KIND, pa.string()),
            *(
                (name, pa.float64())
                for name in (C.SAMPLING_WEIGHT, C.CENSORING_WEIGHT, C.ANALYSIS_WEIGHT)
            ),
        ]
    )
    return pa.Table.from_pylist(said, schema=schema)


def with_corrections(labels: ibis.Table, corrected: ibis.Table) -> ibis.Table:
    """Put the right outcomes into labels.

    Parameters
    ----------
    labels : ibis.Table
        Rows of `causal_ranker.labels.dataset.UpliftDataset`.
    corrected : ibis.Table
        Of `corrected_labels`, on the same engine.

    Returns
    -------
    ibis.Table
        The labels, each row once; corrections of rows that are not among them add none.
    """
    right = corrected.select(C.USER, C.ITEM, C.T0, new=corrected[C.OUTCOME], kind=C.LABEL_KIND)
    joined = labels.left_join(right, [C.USER, C.ITEM, C.T0])
    fresh = {
        C.OUTCOME: ibis.coalesce(right["new"], labels[C.OUTCOME]).cast(labels[C.OUTCOME].type()),
        C.LABEL_KIND: ibis.coalesce(right["kind"], labels[C.LABEL_KIND]),
    }
    return joined.select(**{name: fresh.get(name, labels[name]) for name in labels.columns})


def _kind(row: Row) -> str:
    if row.outcome == 0:
        return LabelKind.ORGANIC_PLAY.value
    return (LabelKind.TRUE_NEGATIVE if row.treatment else LabelKind.CONTROL_NEGATIVE).value
