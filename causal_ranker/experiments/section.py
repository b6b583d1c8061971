"""The page of a test that was read."""

from __future__ import annotations

from causal_ranker.experiments.read import Groups, Readout
from causal_ranker.experiments.sample_ratio import SampleRatio
from causal_ranker.experiments.words import line_words, span, verdict
from causal_ranker.reporting.blocks import Block, Document, Section, Table, Text

__all__ = ["readout_document", "readout_section"]

_P_VALUE = (
    "A p-value is the chance of a difference at least as large if there were none; it is not the "
    "chance that there is none, nor that the result is due to chance."
)


def readout_document(found: Readout) -> Document:
    """Make a page of a read-out.

    Parameters
    ----------
    found : Readout
        What was read.

    Returns
    -------
    Document
        The verdict, then what it rests on.
    """
    config = found.config
    meta = {
        "start": config.start,
        "end": config.end,
        "level": config.level,
        "correction": config.correction,
        "planned users": config.planned,
    }
    known = {name: value for name, value in meta.items() if value is not None}
    return Document("Experiment", verdict(found), [readout_section(found)], known)


def readout_section(found: Readout) -> Section:
    """Return the part of a report that shows a test.

    Parameters
    ----------
    found : Readout
        What was read.

    Returns
    -------
    Section
        Sizes of the arms first; differences only where the sizes allow.
    """
    blocks: list[Block] = [Text(_sizes(found))]
    if found.balance is not None:
        rows = list(found.balance.differences.items())
        note = (
            "Difference of the arms' means before the test, in standard deviations; "
            f"p = {found.balance.p_value:.3g} for all together. If it is tiny, the arms were not "
            "drawn at random."
        )
        blocks.append(Table(["before the test", "difference"], rows, note))
    if found.blocked:
        return Section("Experiment", blocks)
    blocks.append(_metrics(found))
    blocks += [Text(words) for words in _choices(found)]
    if found.groups is not None:
        blocks.append(_by_group(found.groups, found))
    return Section("Experiment", blocks)


def _sizes(found: Readout) -> str:
    what = "users" if found.config.cluster is None else f"{found.config.cluster} clusters"
    told = _counted(found.ratio, what)
    if found.triggered is not None:
        all_units = found.ratio.treated + found.ratio.control
        read = found.triggered.treated + found.triggered.control
        told += (
            f" Triggered were {read / all_units:.1%}, and only they are read: "
            f"{_counted(found.triggered, what)} Over all users a mean's difference is "
            f"{read / all_units:.3g} times as large."
        )
    if found.left_out:
        told += f" {found.left_out:,} rows of other arms were left out."
    return told


def _counted(ratio: SampleRatio, what: str) -> str:
    return (
        f"{ratio.treated:,} {what} in the new arm and {ratio.control:,} in the control, where "
        f"{ratio.expected_share:.4g} of them should be new (p = {ratio.p_value:.3g})."
    )


def _metrics(found: Readout) -> Table:
    rows = []
    for line in found.lines:
        d = line.difference
        relative = (
            None if d.relative is None else f"{d.relative.low:+.2%} to {d.relative.high:+.2%}"
        )
        rows.append(
            (
                line.metric.name,
                span(line.interval),
                relative,
                f"{d.treated:.4g}",
                f"{d.control:.4g}",
                line.adjusted_p,
                line_words(line, level=found.config.level),
            )
        )
    looks = (
        "Intervals and p-values hold at every look together, from a few hundred users on; relative "
        "ones at one look."
        if found.config.planned is not None
        else "Intervals hold at one look, at the planned end."
    )
    correction = found.config.correction.title()
    note = (
        f"New arm less control, {found.config.level:.0%} interval first, then the estimate. "
        f"{looks} {_P_VALUE} p-values allow for all metrics ({correction}), but "
        "for guardrails, which all have to hold."
    )
    columns = ["metric", "difference", "relative", "new", "control", "p-value", "in words"]
    return Table(columns, rows, note)


def _choices(found: Readout) -> list[str]:
    told = []
    if found.config.strata is not None:
        told.append(
            f"Arms are compared within each {found.config.strata}, weighted by its share of the "
            "users."
        )
    for line in found.lines:
        if line.metric.past:
            told.append(
                f"{line.metric.name}: {', '.join(line.metric.past)} taken out (CUPED), which left "
                f"{line.difference.variance_left:.1%} of the variance."
            )
        if line.metric.name in found.caps:
            told.append(
                f"{line.metric.name}: values above {found.caps[line.metric.name]:g}, of "
                f"{found.capped[line.metric.name]:.2%} of the users of both arms, count as that "
                "much. What is told is the difference of the capped means, not of the means."
            )
    return told


def _by_group(groups: Groups, found: Readout) -> Table:
    rows = [
        (
            name,
            line.treated,
            line.control,
            "cannot be told" if line.difference is None else span(line.difference.interval),
            None if line.everywhere is None else span(line.everywhere),
        )
        for name, line in groups.lines.items()
    ]
    note = (
        f"{found.config.metrics[0].name} by {found.config.groups}. The wider intervals hold in all "
        f"groups at once. p = {groups.p_value:.3g} for one and the same effect in all; where it is "
        "not small, there is no evidence that groups differ, which is not evidence that they are "
        "alike. These hold at one look, at the planned end."
    )
    columns = ["group", "new", "control", "difference", "in all groups at once"]
    return Table(columns, rows, note)
