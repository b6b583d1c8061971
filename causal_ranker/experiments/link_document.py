"""Past experiments from a table, and onto a page."""

from __future__ import annotations

from typing import Final

import ibis
import numpy as np

from causal_ranker.experiments.link import ENDS, SIDES, Link, PastExperiments
from causal_ranker.logs.rules import require_columns
from causal_ranker.logs.sources import reading
from causal_ranker.reporting.blocks import Document, Figure, Section, Table, Text

__all__ = ["link_document", "read_past"]

_NAME: Final = "experiment"


def read_past(table: ibis.Table) -> PastExperiments:
    """Read past experiments from a table.

    Parameters
    ----------
    table : ibis.Table
        One row per experiment: ``experiment``, ``offline``, ``offline_low``, ``offline_high``,
        ``measured``, ``measured_low``, ``measured_high``.

    Returns
    -------
    PastExperiments
        In the order of their names.

    Raises
    ------
    SchemaError
        If a column is absent.
    """
    columns = [f"{side}{end}" for side in SIDES for end in ENDS]
    require_columns(table, [_NAME, *columns], name="past experiments")
    with reading("past experiments"):
        rows = table.select(_NAME, *columns).order_by(_NAME).to_pandas()
    return PastExperiments(
        names=tuple(map(str, rows[_NAME])), **{name: rows[name].to_numpy() for name in columns}
    )


def link_document(past: PastExperiments, found: Link) -> Document:
    """Show past experiments, offline beside measured.

    Parameters
    ----------
    past : PastExperiments
        The experiments.
    found : Link
        What `link` says of them.

    Returns
    -------
    Document
        A verdict, a plot against the diagonal, and a table.
    """
    from causal_ranker.reporting.figures import calibration_points

    columns = [np.asarray(getattr(past, f"{side}{end}"), float) for side in SIDES for end in ENDS]
    rows = [
        (name, *map(float, values), "yes" if held else "no")
        for name, held, *values in zip(past.names, found.held, *columns, strict=True)
    ]
    figure = Figure(
        calibration_points(
            columns[0],
            columns[3],
            low=columns[4],
            high=columns[5],
            across=(columns[1], columns[2]),
            label="experiments",
            xlabel="offline estimate",
            ylabel="measured effect",
        ),
        caption="Each point is an experiment. On the dashed line, offline told what was measured.",
        alt="Measured effects over offline estimates, with intervals both ways.",
    )
    names = ("experiment", *(f"{side}{end}".replace("_", " ") for side in SIDES for end in ENDS))
    note = (
        "Held: both differ by no more than their intervals allow together. A measured effect has "
        "an error of its own, so that an offline interval alone would hold it too rarely."
    )
    return Document(
        title="Offline estimates and measured effects",
        verdict=_verdict(found),
        sections=[
            Section("Calibration", [figure]),
            Section("Experiments", [Text(_scatter(found)), Table([*names, "held"], rows, note)]),
        ],
    )


def _verdict(found: Link) -> str:
    slope, held = found.slope, found.held_share
    if slope.low > 0:
        told = "Offline estimates point where tests then go"
        told += (
            ", and 1 is among the slopes that fit."
            if slope.low <= 1 <= slope.high
            else (f", but effects are {'smaller' if slope.high < 1 else 'larger'} than estimated.")
        )
    else:
        told = "No evidence yet that offline estimates point where tests then go."
    return (
        f"Slope {slope.low:.2f} to {slope.high:.2f} (point {slope.point:.2f}). {told} "
        f"Offline held in {int(found.held.sum())} of {found.held.size} experiments ({held.low:.0%} "
        f"to {held.high:.0%})."
    )


def _scatter(found: Link) -> str:
    return (
        f"Same sign in {found.same_sign:.0%} of the experiments. Scatter about the line is "
        f"{found.excess:.2g} times what the intervals allow."
    )
