"""The section "Can this be false?": what was tried against the estimates, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from causal_ranker.evaluation.refute.check import Check
from causal_ranker.evaluation.refute.run import Refutation
from causal_ranker.evaluation.wording import decimals_for, interval_text, percent
from causal_ranker.reporting.blocks import Block, Section, Table, Text

__all__ = ["refutation_section"]

_UNITS = {"per exposure": "per 100 exposures", "per slot": "per 100 slots"}


def refutation_section(refutation: Refutation, *, outcome: str = "plays") -> Section:
    """Return what was tried against the estimates, a line each.

    Parameters
    ----------
    refutation : Refutation
        What came of it.
    outcome : str
        What one outcome is called, in the plural.

    Returns
    -------
    Section
        A sentence, the table, and what was not run.
    """
    run = [check for check in refutation.checks if check.verdict != "not run"]
    idle = [check for check in refutation.checks if check.verdict == "not run"]
    wrong = 1 - refutation.level
    blocks: list[Block] = [
        Text(_summary(run)),
        Table(
            ["tried", "on", "figure", "has to be", "verdict", "why"],
            [
                [
                    check.refuter,
                    check.estimate,
                    _figure(check, outcome=outcome),
                    check.wanted,
                    check.verdict,
                    check.why,
                ]
                for check in run
            ],
            f"On {refutation.rows:,} of the report's rows, all that were kept of "
            f"{refutation.users:,} users drawn at random, with models fitted on them anew; balance "
            "is that of the report's own weights, and of all its rows where it compares the arms. "
            f"Intervals hold the truth with {percent(refutation.level)} probability, but for those "
            "that a line says are the report's: where nothing "
            f"is wrong, a line fails by chance in {percent(wrong)} of reports.",
        ),
    ]
    if idle:
        blocks.append(
            Table(
                ["not run", "on", "why"],
                _together(idle),
                "What was not tried: each line says what it would need.",
            )
        )
    return Section("Can this be false?", blocks)


def _summary(run: Sequence[Check]) -> str:
    failed = sorted({check.refuter for check in run if check.verdict == "failed"})
    counts = ", ".join(
        f"{sum(check.verdict == verdict for check in run)} {word}"
        for verdict, word in (
            ("passed", "passed"),
            ("cannot tell", "cannot tell"),
            ("failed", "failed"),
        )
    )
    found = f"Of {len(run)} attempts to show that the estimates are false: {counts}."
    if failed:
        return f"{found} Read the failures ({', '.join(failed)}) before you believe this report."
    return found


def _figure(check: Check, *, outcome: str) -> str:
    figure = check.figure
    if figure is None:
        return ""
    if check.unit in _UNITS:
        text = interval_text(figure, decimals=decimals_for([figure]))
        return f"{text} {outcome} {_UNITS[check.unit]}"
    low, high = (f"{end:.3g}" for end in (figure.low, figure.high))
    unit = {"times": " times", "standard deviations": " sd"}.get(check.unit, "")
    sign = "+" if check.unit == "standard deviations" else ""
    ends = f" ({low} to {high})" if isfinite(figure.low + figure.high) else f" ({low} or more)"
    return f"{figure.point:{sign}.3g}{ends}{unit}"


def _together(idle: Sequence[Check]) -> list[list[object]]:
    """Say a reason once, whatever number of estimates it holds for."""
    estimates: dict[tuple[str, str], list[str]] = {}
    for check in idle:
        estimates.setdefault((check.refuter, check.why), []).append(check.estimate)
    return [[refuter, ", ".join(names), why] for (refuter, why), names in estimates.items()]
