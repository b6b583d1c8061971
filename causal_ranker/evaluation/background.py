"""Sections about how a report came about: rows, labels, assumptions, other choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING

import pandas as pd

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.wording import decimals_for, interval_text, percent
from causal_ranker.labels.kinds import LabelKind
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.stats.intervals import Interval

if TYPE_CHECKING:
    from causal_ranker.labels.report import LabelReport

__all__ = [
    "assumptions_section",
    "label_report_sections",
    "labels_section",
    "sensitivity_section",
    "stages_section",
    "usual_assumptions",
]

_ESTIMATED = (
    "The logs are observational: the propensities were estimated. Given what the features say of "
    "user, item and moment, whether an item was shown must not depend on what the user would have "
    "played anyway; no log can prove that."
)
_LOGGED = "The logged propensities are the chances by which the items were placed."
_ALWAYS = (
    "What is shown in one slot does not change what another slot's item causes: uplift moves one "
    "slot and leaves all else at its natural course.",
    "Figures hold for candidates that had a chance in both arms; of the others, whose share is "
    "printed, this report says nothing.",
    "The time that follows is like the time of the report: the same kinds of users and items, and "
    "the same base recommender.",
)


def assumptions_section(sentences: Sequence[str]) -> Section:
    """Return what must hold for the figures to mean what they say.

    Parameters
    ----------
    sentences : sequence of str
        One plain assumption each.

    Returns
    -------
    Section
        One numbered paragraph per assumption.
    """
    return Section(
        "What has to be true for this",
        [Text(f"{place}. {sentence}") for place, sentence in enumerate(sentences, start=1)],
    )


def usual_assumptions(*, observational: bool) -> Section:
    """Return what must hold for any report of this kind.

    Parameters
    ----------
    observational : bool
        Whether the propensities were estimated and not logged.

    Returns
    -------
    Section
        As of `assumptions_section`.
    """
    return assumptions_section([_ESTIMATED if observational else _LOGGED, *_ALWAYS])


def stages_section(rows: Sequence[tuple[str, int]]) -> Section:
    """Return how many rows each stage kept.

    Parameters
    ----------
    rows : sequence of (str, int)
        Stages and their numbers of rows, in order.

    Returns
    -------
    Section
        One table.
    """
    return Section("Rows by stage", [Table(["stage", "rows"], [list(row) for row in rows])])


def labels_section(counts: pd.DataFrame) -> Section:
    """Return how many rows of each kind there are in each arm.

    Parameters
    ----------
    counts : pandas.DataFrame
        Columns ``label_kind``, ``treatment`` and ``rows``, as ``UpliftDataset.kinds`` gives them.

    Returns
    -------
    Section
        One table, a row per kind.
    """
    by_kind: dict[str, list[int]] = {}
    columns = (counts[name].tolist() for name in (C.LABEL_KIND, C.TREATMENT, "rows"))
    for kind, treatment, rows in zip(*columns, strict=True):
        by_kind.setdefault(str(kind), [0, 0])[1 - int(treatment)] += int(rows)
    return Section(
        "Label counts",
        [
            Table(
                ["kind", "exposed", "not exposed"],
                [[kind, *arms] for kind, arms in by_kind.items()],
                "Rows (user, item, request time). Kinds describe rows; none is dropped for its "
                "kind but the censored ones.",
            )
        ],
    )


def label_report_sections(report: LabelReport) -> list[Section]:
    """Return what the labels are made of, for a person who has to trust them.

    Parameters
    ----------
    report : LabelReport
        Counts and warnings.

    Returns
    -------
    list of Section
        Kinds by arm; then shares and warnings; then rows by day, and by surface where the
        candidates name one.
    """
    shares: list[list[object]] = [
        [name, "none" if isnan(share) else percent(share)]
        for name, share in (
            ("censored, of all rows", report.share_censored),
            ("organic, of all outcomes", report.share_organic),
            ("shown again inside the horizon, of labelled rows", report.share_shown_again),
            ("rows without an outcome that were kept", report.zero_rate),
            (
                "rows that were not shown, sampled of those that could have been",
                report.control_rate,
            ),
        )
    ]
    said = [Text(f"Warning: {text}") for text in report.warnings] or [
        Text("Nothing in these counts looks wrong.")
    ]
    note = "Shares go by sampling weight; the other tables count rows." * report.is_sample
    sections = [
        labels_section(report.by(C.LABEL_KIND, C.TREATMENT)),
        Section("Shares", [Table(["share", "value"], shares, note), *said]),
        Section("Labels by day", [_kinds_by(report, "day")]),
    ]
    if C.SURFACE in report.counts:
        sections.append(Section("Labels by surface", [_kinds_by(report, C.SURFACE)]))
    return sections


def _kinds_by(report: LabelReport, column: str) -> Table:
    """Count rows by a column: all of them, and those of four sorts, which overlap."""
    counts, kind = report.counts, report.counts[C.LABEL_KIND]
    played = kind.isin([LabelKind.ATTRIBUTED_PLAY, LabelKind.ORGANIC_PLAY])
    sorts = {
        "rows": kind.notna(),
        "shown": counts[C.TREATMENT] == 1,
        "outcomes": played,
        "organic": kind == LabelKind.ORGANIC_PLAY,
        "censored": kind == LabelKind.CENSORED,
    }
    parts = {name: counts["rows"].where(chosen, 0) for name, chosen in sorts.items()}
    sums = counts.assign(**parts).groupby(column, dropna=False)[list(sorts)].sum()
    rows = [
        ["unknown" if pd.isna(place) else str(place), *map(int, found)]
        for place, found in zip(sums.index, sums.to_numpy(), strict=True)
    ]
    return Table([column, *sorts], rows)


def sensitivity_section(
    analyses: Mapping[str, Mapping[str, Interval]], *, note: str, outcome: str = "plays"
) -> Section:
    """Return the same estimates under other choices.

    Parameters
    ----------
    analyses : mapping of str to mapping of str to Interval
        For each analysis its estimates by name, in plays per slot or per exposure; the same
        names in each.
    note : str
        What differs between the analyses, and the level of the intervals.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        One table, a row per analysis.
    """
    names = list(next(iter(analyses.values())))
    digits = {name: decimals_for([found[name] for found in analyses.values()]) for name in names}
    rows = [
        [analysis, *(interval_text(found[name], decimals=digits[name]) for name in names)]
        for analysis, found in analyses.items()
    ]
    unit = f"{outcome[:1].upper()}{outcome[1:]} per 100, with intervals."
    return Section("Sensitivity", [Table(["analysis", *names], rows, f"{unit} {note}")])
