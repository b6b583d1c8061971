"""What a monitor's report notes: what was left out, and what was taken as something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ibis

from causal_ranker.drift.columns import ColumnDrift, Levels
from causal_ranker.drift.dated import wholly_before
from causal_ranker.drift.profiles import Numbers
from causal_ranker.drift.review.feedback import MONITOR, Raised
from causal_ranker.drift.scan import Cells, Scan
from causal_ranker.drift.verdict import listed

__all__ = ["of_columns", "of_segments", "of_verdicts"]

#: Beyond it a double cannot hold every whole number.
_EXACT: Final = 2.0**53


def of_columns(
    tables: Sequence[ibis.Table],
    cells: Cells,
    scans: Sequence[Scan],
    *,
    left: Sequence[str],
    ids: Sequence[str],
) -> list[str]:
    """Note which columns were not compared, or not exactly.

    Parameters
    ----------
    tables : sequence of ibis.Table
        The reference and the window, on DuckDB.
    cells : Cells
        How their columns were counted.
    scans : sequence of Scan
        Both.
    left : sequence of str
        Columns of types that are not compared.
    ids : sequence of str
        Columns of the contract that name rows, and were not asked for.

    Returns
    -------
    list of str
        Sentences.
    """
    kinds = tables[0].schema()
    huge = [
        name
        for name in cells.numbers
        if not kinds[name].is_floating()
        and any(_largest(each.columns[None][name]) > _EXACT for each in scans)
    ]
    old = wholly_before(tables[0], tables[1], left) if cells.day is None else []
    told = (
        ("Ids, not compared: {}.", ids),
        ("Too many values to be categories, not compared: {}.", cells.uncounted),
        ("Neither numbers, text nor booleans, not compared: {}.", left),
        ("Numbers beyond 2^53, compared as doubles, to about 16 digits: {}.", huge),
        ("By {} the window is older than the reference: swap them?", old),
    )
    return [words.format(listed(names)) for words, names in told if names]


def of_segments(before: Scan, now: Scan) -> list[str]:
    """Note which segments one side does not have.

    Parameters
    ----------
    before, now : Scan
        The reference and the window.

    Returns
    -------
    list of str
        Sentences.
    """
    absent = sorted(s for s in before.rows if s is not None and not now.rows[s].sum())
    told = (
        ("Segments without a row in the window: {}.", absent),
        (
            "Segments that the reference does not have, compared within all rows alone: {}.",
            now.new_segments,
        ),
    )
    return [words.format(listed(names)) for words, names in told if names]


def of_verdicts(
    raised: Sequence[Raised], found: Sequence[ColumnDrift], levels: Levels
) -> list[str]:
    """Note which signals must be larger than settings say, by people's verdicts.

    Parameters
    ----------
    raised : sequence of Raised
        What verdicts ask for.
    found : sequence of ColumnDrift
        What was compared.
    levels : Levels
        What settings ask for.

    Returns
    -------
    list of str
        Sentences.
    """
    here = {
        (each.column, each.segment, signal.kind): signal
        for each in found
        for signal in each.signals
    }
    notes = []
    for each in raised:
        signal = here.get((each.subject, each.segment, each.signal))  # type: ignore[arg-type]
        if each.detector != MONITOR or signal is None or each.effect <= levels.least(signal.kind):
            continue
        times = f"{each.false_alarms} false alarm" + "s" * (each.false_alarms > 1)
        where = each.subject if each.segment is None else f"{each.subject} ({each.segment})"
        notes.append(
            f"By verdicts on {times}, {signal.kind.replace('_', ' ')} of "
            f"{where} is told from {each.effect:.3g} on, not from {levels.least(signal.kind):.3g}; "
            f"now it is {signal.decision.effect_size:.3g}."
        )
    return notes


def _largest(profile: object) -> float:
    assert isinstance(profile, Numbers)
    return max(abs(profile.low), abs(profile.high))
