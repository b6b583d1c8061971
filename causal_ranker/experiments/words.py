"""What a read-out says in words that do not mislead: the interval first."""

from __future__ import annotations

from causal_ranker.experiments.read import Line, Readout
from causal_ranker.stats.intervals import Interval

__all__ = ["line_words", "span", "verdict"]


def span(interval: Interval) -> str:
    """Write an interval, then the estimate.

    Parameters
    ----------
    interval : Interval
        Of a difference.

    Returns
    -------
    str
        Such as "+0.1 to +0.3 (+0.2)".
    """
    return f"{interval.low:+.3g} to {interval.high:+.3g} ({interval.point:+.3g})"


def line_words(line: Line, *, level: float) -> str:
    """Say what may be concluded of one metric.

    Parameters
    ----------
    line : Line
        The metric.
    level : float
        Probability inside its interval.

    Returns
    -------
    str
        A few words; what is not shown is never called absent.
    """
    low, high = line.interval.low, line.interval.high
    margin = line.metric.margin
    if margin is not None:
        loss = -low if line.metric.better == "higher" else high
        gain = high if line.metric.better == "higher" else -low
        if loss < margin:
            return f"holds: a loss of {margin:g} is excluded"
        if gain < -margin:
            return f"broken: a loss of more than {margin:g}"
        return f"not shown to hold: a loss of {margin:g} is not excluded"
    if line.adjusted_p is not None and line.adjusted_p < 1 - level:
        more = line.interval.point > 0
        good = more == (line.metric.better == "higher")
        return f"the new arm has {'more' if more else 'less'} ({'better' if good else 'worse'})"
    if low > 0 or high < 0:
        return "no evidence of a difference, once all metrics are allowed for"
    return "no evidence of a difference, which is not evidence of none"


def verdict(found: Readout) -> str:
    """Say what came of a test.

    Parameters
    ----------
    found : Readout
        What was read.

    Returns
    -------
    str
        A sentence or two on the north star and the guardrails; or why nothing may be read.
    """
    if found.blocked:
        return (
            "Nothing may be read from this test: the arms do not have the sizes that were planned "
            "(sample-ratio mismatch). Find out where users were lost or counted twice, and run it "
            "again."
        )
    star = found.lines[0]
    interval = star.interval
    told = (
        f"North star, {star.metric.name}: {interval.low:+.3g} to {interval.high:+.3g} in the new "
        f"arm (best guess {interval.point:+.3g}); {line_words(star, level=found.config.level)}."
    )
    if star.metric.per is None and star.metric.cap is None:
        low, high = (round(end * found.users) for end in (interval.low, interval.high))
        told += (
            f" That is {low:+,} to {high:+,} {star.metric.column} among the {found.users:,.0f} "
            "users who had it."
        )
    guards = [line for line in found.lines if line.metric.margin is not None]
    for line in guards:
        told += f" Guardrail {line.metric.name} {line_words(line, level=found.config.level)}."
    return told
