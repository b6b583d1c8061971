"""What a report says of interleaved lists."""

from __future__ import annotations

from causal_ranker.experiments.interleaving.credit import TeamCredit
from causal_ranker.experiments.interleaving.uplift import InterleavedUplift
from causal_ranker.experiments.words import span
from causal_ranker.reporting.blocks import Section, Table, Text
from causal_ranker.stats.intervals import Interval

__all__ = ["credit_section", "uplift_section"]

_TITLE = "Interleaving"
_COLUMNS = ("", "low", "high", "point")  # an interval first


def uplift_section(found: InterleavedUplift) -> Section:
    """Show causal-balanced interleaving.

    Parameters
    ----------
    found : InterleavedUplift
        Uplift of both lists.

    Returns
    -------
    Section
        The difference first.
    """
    told = (
        f"{found.requests:,} requests, {found.differing:,} of them with lists that differ. "
        f"{_words(found.difference, more='causes more plays')}"
    )
    rows = [
        _row("first less second", found.difference),
        _row("first, where lists differ", found.first),
        _row("second, where lists differ", found.second),
    ]
    note = (
        "Extra plays per slot, on any surface within the horizon, 95 % intervals by user. Each "
        "item counts in the slots where interleaving puts it; items of a request are taken not to "
        "change one another's plays."
    )
    return Section(_TITLE, [Text(told), Table(_COLUMNS, rows, note)])


def credit_section(found: TeamCredit) -> Section:
    """Show team-draft interleaving.

    Parameters
    ----------
    found : TeamCredit
        Credit of both teams.

    Returns
    -------
    Section
        The difference first, and what it does not say.
    """
    told = (
        f"{found.requests:,} requests; the first has more credit in {found.first_wins:.1%}, the "
        f"second in {found.second_wins:.1%}. {_words(found.difference, more='has more credit')}"
    )
    rows = [
        _row("first less second", found.difference),
        ("first", None, None, found.first),
        ("second", None, None, found.second),
    ]
    note = (
        "Credited plays per request, 95 % interval by user. Plays that users would have found "
        "anyway are credited too: this says whose items are played, not who causes more plays. "
        "Causal-balanced lists say that."
    )
    return Section(_TITLE, [Text(told), Table(_COLUMNS, rows, note)])


def _words(difference: Interval, *, more: str) -> str:
    told = "no evidence of a difference, which is not evidence of none"
    if difference.low > 0 or difference.high < 0:
        told = f"the {'first' if difference.low > 0 else 'second'} ranker {more}"
    return f"First less second: {span(difference)}; {told}."


def _row(name: str, found: Interval) -> tuple[object, ...]:
    return (name, found.low, found.high, found.point)
