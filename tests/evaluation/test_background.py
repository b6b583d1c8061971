from __future__ import annotations

import pandas as pd

from causal_ranker.evaluation.background import (
    assumptions_section,
    label_report_sections,
    labels_section,
    sensitivity_section,
    stages_section,
)
from causal_ranker.labels.kinds import LabelKind
from causal_ranker.labels.report import LabelReport
from causal_ranker.reporting.blocks import Table, Text
from causal_ranker.stats.intervals import Interval


def test_assumptions_are_numbered() -> None:
    section = assumptions_section(["No hidden cause.", "No interference."])
    assert section.blocks == [Text("1. No hidden cause."), Text("2. No interference.")]


def test_rows_by_stage() -> None:
    (table,) = stages_section([("candidates", 1000), ("kept", 10)]).blocks
    assert isinstance(table, Table)
    assert table.rows == [["candidates", 1000], ["kept", 10]]


def test_label_counts_by_arm() -> None:
    counts = pd.DataFrame(
        {
            "label_kind": ["censored", "censored", "control_negative", "true_negative"],
            "treatment": [0, 1, 0, 1],
            "rows": [3, 4, 100, 20],
        }
    )
    (table,) = labels_section(counts).blocks
    assert isinstance(table, Table)
    assert table.columns == ["kind", "exposed", "not exposed"]
    assert table.rows == [
        ["censored", 4, 3],
        ["control_negative", 0, 100],
        ["true_negative", 20, 0],
    ]


def test_sensitivity_keeps_the_order_and_writes_per_hundred() -> None:
    section = sensitivity_section(
        {
            "as planned": {"average effect": Interval(0.0053, 0.0049, 0.0057, 0.0002)},
            "visited this week": {"average effect": Interval(0.0061, 0.0056, 0.0066, 0.0003)},
        },
        note="Visits drive both.",
        outcome="purchases",
    )
    (table,) = section.blocks
    assert isinstance(table, Table)
    assert table.columns == ["analysis", "average effect"]
    assert table.rows == [
        ["as planned", "+0.530 (0.490 to 0.570)"],
        ["visited this week", "+0.610 (0.560 to 0.660)"],
    ]
    assert table.note == "Purchases per 100, with intervals. Visits drive both."


def test_the_label_report_counts_days_and_surfaces() -> None:
    counts = pd.DataFrame(
        [
            ("2025-01-01", "home", LabelKind.ATTRIBUTED_PLAY, 1, 5),
            ("2025-01-01", "row", LabelKind.ORGANIC_PLAY, 0, 2),
            ("2025-01-02", "home", LabelKind.CONTROL_NEGATIVE, 0, 7),
            ("2025-01-02", None, LabelKind.CENSORED, 1, 1),
        ],
        columns=["day", "surface", "label_kind", "treatment", "rows"],
    )
    # Controls were sampled at a quarter, and of the zeros a quarter once more.
    counts["weight"] = [5.0, 8.0, 112.0, 1.0]
    counts["shown_again"] = [1.0, 0.0, 24.0, None]
    sections = label_report_sections(LabelReport(counts=counts, zero_rate=0.25))
    assert [section.title for section in sections] == [
        "Label counts",
        "Shares",
        "Labels by day",
        "Labels by surface",
    ]
    shares, days, surfaces = (section.blocks[0] for section in sections[1:])
    assert isinstance(shares, Table)
    assert isinstance(days, Table)
    assert isinstance(surfaces, Table)
    assert [row[1] for row in shares.rows] == ["0.794 %", "61.5 %", "20 %", "25 %", "25 %"]
    columns = ["rows", "shown", "outcomes", "organic", "censored"]
    assert list(days.columns) == ["day", *columns]
    assert [list(row) for row in days.rows] == [
        ["2025-01-01", 7, 5, 7, 2, 0],
        ["2025-01-02", 8, 1, 0, 0, 1],
    ]
    assert [list(row) for row in surfaces.rows] == [
        ["home", 12, 5, 5, 0, 0],
        ["row", 2, 0, 2, 2, 0],
        ["unknown", 1, 1, 0, 0, 1],
    ]
