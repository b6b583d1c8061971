"""A document with one of everything."""

from __future__ import annotations

from causal_ranker.reporting import figures
from causal_ranker.reporting.blocks import Code, Document, Figure, Section, Table, Text

HOSTILE = "<script>alert('x')</script> & [bold]co[/bold]"


def document() -> Document:
    drawing = figures.line_with_band(
        [0.1, 0.5, 1.0],
        [figures.Curve("<b>ours</b>", [0.3, 0.2, 0.1], [0.2, 0.1, 0.0], [0.4, 0.3, 0.2])],
        xlabel="share treated",
        ylabel="extra plays per row",
    )
    table = Table(
        ["policy", "uplift@10", "rows", HOSTILE],
        [["random", 0.0051, 1234567, HOSTILE], ["blend", float("nan"), 10, None]],
        note="per slot",
    )
    return Document(
        f"A report {HOSTILE}",
        "The blend causes more plays.",
        [
            Section("Evidence", [Text(HOSTILE), table, Figure(drawing, "A curve.", 'says "up"')]),
            Section("How to repeat it", [Code("causal-ranker demo --seed 7")]),
        ],
        {"seed": 7, "version": "0.1.0"},
    )
