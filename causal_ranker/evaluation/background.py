"""Sections about how a report came about: rows, labels, assumptions, how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from causal_ranker.columns import Columns as C
from causal_ranker.evaluation.wording import decimals_for, interval_text
from causal_ranker.reporting.blocks import Code, Section, Table, Text
from causal_ranker.stats.intervals import Interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "assumptions_section",
    "labels_section",
    "reproduce_section",
    "sensitivity_section",
    "stages_section",
]


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


def reproduce_section(
    *, commands: Sequence[str], seed: int, versions: Mapping[str, str], reads: int
) -> Section:
    """Return how to get the same report again.

    Parameters
    ----------
    commands : sequence of str
        What to type, in order.
    seed : int
        The run's seed.
    versions : mapping of str to str
        Package versions that matter.
    reads : int
        How often the report window has been read: above 1, choices may have seen it.

    Returns
    -------
    Section
        Commands, seed, versions and the number of reads.
    """
    times = "once" if reads == 1 else f"{reads:,} times"
    return Section(
        "How to reproduce this",
        [
            Code("\n".join(commands)),
            Text(f"Seed {seed}. The report window has been read {times}."),
            Table(["package", "version"], [list(pair) for pair in versions.items()]),
        ],
    )
