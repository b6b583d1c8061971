"""The part of a page that shows what a monitor found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from causal_ranker.drift.columns import ColumnDrift
from causal_ranker.drift.monitor import MonitorReport
from causal_ranker.reporting.blocks import Block, Document, Figure, Section, Table, Text

__all__ = ["drift_document", "drift_section", "drift_summary"]

_PANELS: Final = 12
_ROWS: Final = 60


def drift_section(report: MonitorReport) -> Section:
    """Show schema, columns in order of gravity, and their course over time.

    Parameters
    ----------
    report : MonitorReport
        What the monitor found.

    Returns
    -------
    Section
        Tables, notes, and small multiples where days are known.
    """
    from causal_ranker.reporting.figures import small_multiples

    section = drift_summary(report)
    if len(report.days_before) < 2:
        return section
    tracks = {_named(each): each.track for each in _ordered(report)[:_PANELS]}
    for check in report.checks:
        if check.track is not None and len(check.track.reference) > 1:
            tracks[check.name.replace("_", " ")] = check.track
    panels = {
        f"{name}: {track.what}": (
            np.array([*track.reference, *track.window], dtype=float),
            len(track.reference),
        )
        for name, track in tracks.items()
    }
    if not panels:
        return section
    caption = (
        f"Day by day, from {report.days_before[0]} to {report.days_now[-1]}, the columns that "
        "moved most first, then what the model's checks look at; the window stands right of the "
        "rule. Each panel has a scale of its own."
    )
    drawn = Figure(small_multiples(panels), caption, f"Small multiples of {', '.join(panels)}.")
    return Section(section.title, [*section.blocks, drawn])


def drift_summary(report: MonitorReport) -> Section:
    """Show schema and columns without drawings, for the console.

    Parameters
    ----------
    report : MonitorReport
        What the monitor found.

    Returns
    -------
    Section
        Tables and notes.
    """
    rows: list[Sequence[object]] = []
    ordered = _ordered(report)
    for each in ordered[:_ROWS]:
        signal = max(each.signals, key=lambda s: (s.decision.drifted, -s.decision.p_value))
        rows.append(
            (
                _named(each),
                "" if each.level == "quiet" else each.level,
                signal.kind.replace("_", " "),
                signal.decision.effect_size,
                signal.decision.p_value,
                signal.before,
                signal.now,
                f"{each.missing_now:.1%}",
                ", ".join(each.new_categories),
            )
        )
    names = [
        *("column", "", "what moved most", "effect", "p-value", "before", "now"),
        *("missing", "new categories"),
    ]
    note = (
        "Effect: distribution, Kolmogorov-Smirnov distance or Cramér's V; mean, in standard "
        "deviations of the reference; spread, log ratio; low, median and high, change of the share "
        "of values up to the reference's 5 %, 50 % and 95 % quantile; else change of a share. "
        f"Without drift, anything is called drifted in at most {report.level:.1%} of windows."
    )
    if len(ordered) > _ROWS:
        note += f" {len(ordered) - _ROWS} further rows, none graver, are in the JSON."
    changes: list[Sequence[object]] = [
        (change.column, change.before or "absent", change.now or "absent")
        for change in report.schema
    ]
    blocks: list[Block] = []
    if changes:
        blocks.append(Table(["column", "reference", "window"], changes))
    if rows or not report.checks:
        blocks.append(Table(names, rows, note))
    if report.together:
        blocks.append(_of_all(report))
    if report.checks:
        blocks.append(_of_model(report))
    blocks += [Text(words) for words in report.notes]
    return Section("Drift", blocks)


def drift_document(report: MonitorReport) -> Document:
    """Make a page of a monitor's report.

    Parameters
    ----------
    report : MonitorReport
        What the monitor found.

    Returns
    -------
    Document
        The page, which begins with the verdict.
    """
    meta = {
        "rows of the reference": report.rows_before,
        "rows of the window": report.rows_now,
        "level": report.level,
    }
    return Document("Drift", report.verdict.sentence, [drift_section(report)], meta)


def _of_all(report: MonitorReport) -> Table:
    rows = [
        (
            each.name.replace("_", " "),
            "" if each.level == "quiet" else each.level,
            None if each.decision is None else each.decision.effect_size,
            None if each.decision is None else each.decision.p_value,
            each.cannot_tell
            or ", ".join(f"{t['column']} ({t['lost']:.3f})" for t in each.more.get("telling", ())),
        )
        for each in report.together
    ]
    note = (
        "All columns at once, on rows drawn by lot. Effect: of components the Kolmogorov-Smirnov "
        "distance of reconstruction errors, or of distances within; of clusters Cramér's V of "
        "their shares; of kernel means their distance beyond chance; of the classifier the area "
        "under the ROC curve beyond one half, and beside it the columns that tell the window "
        "from the reference, with the area that is lost without them."
    )
    return Table(["together", "", "effect", "p-value", "besides"], rows, note)


def _of_model(report: MonitorReport) -> Table:
    rows = [
        (
            each.name.replace("_", " "),
            "" if each.level == "quiet" else each.level,
            None if each.decision is None else each.decision.effect_size,
            None if each.decision is None else each.decision.p_value,
            each.before,
            each.now,
            each.cannot_tell or _beside(each.more),
        )
        for each in report.checks
    ]
    note = (
        "Checks of the model. Effect: of scores, chances and delays "
        "the Kolmogorov-Smirnov distance; of shares their change; of residuals and proxies in "
        "probability; of the expected loss in nats; of overlap the share that was lost; of the "
        "effect in plays per impression. Before and now are means."
    )
    names = ["model", "", "effect", "p-value", "before", "now", "besides"]
    return Table(names, rows, note)


def _beside(more: dict[str, Any]) -> str:
    """Say in words what stands beside a decision."""
    if "estimate" in more:
        words = more["metric"].replace("_", "-")
        return f"{words} {more['estimate']:.3f} ({more['low']:.3f} to {more['high']:.3f})"
    if "groups" in more:
        moved = [each for each in more["groups"] if each["low"] > 0 or each["high"] < 0]
        told = [
            f"group {each['group']}: {each['before']:.3g} to {each['now']:.3g}" for each in moved
        ]
        return "; ".join(told)
    if "effective_now" in more:
        return (
            f"worth {more['effective_now']:.1%} of even rows, {more['effective_before']:.1%} before"
        )
    if "median_now" in more:
        return f"median {more['median_now']:.3g} h, {more['median_before']:.3g} h before"
    if "missing_now" in more:
        return f"{more['missing_now']:.1%} missing, {more['missing_before']:.1%} before"
    if "weight" in more:
        rate = more["rate"]
        said = more["refusal"] or f"foretells {rate[0]:.3g} ({rate[1]:.3g} to {rate[2]:.3g})"
        return f"weight {more['weight']:.2f}; {said}"
    return ""


def _ordered(report: MonitorReport) -> list[ColumnDrift]:
    gravity = {"quiet": 0, "watch": 1, "alarm": 2}
    return sorted(
        report.columns,
        key=lambda each: (
            -gravity[each.level],
            -max(signal.decision.statistic for signal in each.signals),
        ),
    )


def _named(each: ColumnDrift) -> str:
    return each.column if each.segment is None else f"{each.column} ({each.segment})"
