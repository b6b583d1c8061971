"""One line of what was tried, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from causal_ranker.stats.intervals import Interval

__all__ = ["Check", "Unit", "Verdict", "must_be_zero", "not_run"]

#: What a line says of the estimate.
Verdict = Literal["passed", "failed", "cannot tell", "not run"]
#: What a figure is in.
Unit = Literal["per exposure", "per slot", "ratio", "times", "standard deviations", "none"]

_ZERO: Final = "0, up to chance"


@dataclass(frozen=True)
class Check:
    """A refuter's figure and verdict for one estimate.

    Attributes
    ----------
    refuter : str
        What was tried.
    estimate : str
        The estimate that it tries to refute.
    figure : Interval or None
        What was found; None where it was not run. An interval without width stands for a figure
        that has none.
    unit : {"per exposure", "per slot", "ratio", "times", "standard deviations", "none"}
        Of the figure; the first two are plays.
    wanted : str
        What the figure has to be if the estimate is right.
    verdict : {"passed", "failed", "cannot tell", "not run"}
        What the figure says of that.
    why : str
        The reason, in a sentence.
    """

    refuter: str
    estimate: str
    figure: Interval | None
    unit: Unit
    wanted: str
    verdict: Verdict
    why: str


def not_run(refuter: str, estimate: str, *, why: str) -> Check:
    """Return the line of a refuter that lacks what it needs.

    Parameters
    ----------
    refuter, estimate : str
        What would have been tried on what.
    why : str
        What is missing, and what would bring it.

    Returns
    -------
    Check
        Without a figure.
    """
    return Check(refuter, estimate, None, "none", "", "not run", why)


def must_be_zero(
    refuter: str,
    estimate: str,
    *,
    figure: Interval,
    unit: Unit,
    refuted: float,
    failure: str,
) -> Check:
    """Return the line of a refuter whose figure is 0 where nothing is wrong.

    Parameters
    ----------
    refuter, estimate : str
        What was tried on what.
    figure : Interval
        What came out where nothing can be.
    unit : {"per exposure", "per slot"}
        Of the figure.
    refuted : float
        The estimate itself, in the same unit. An interval about 0 that is wide enough to hold even
        that would have passed anything.
    failure : str
        What a figure other than 0 means.

    Returns
    -------
    Check
        Failed where the interval leaves 0 out, passed where it holds 0 and is narrower than the
        estimate is large, and "cannot tell" elsewhere.
    """
    reach = (figure.high - figure.low) / 2
    if not (figure.low <= 0 <= figure.high):
        return Check(refuter, estimate, figure, unit, _ZERO, "failed", failure)
    if reach < abs(refuted):
        why = "The interval holds 0, and something as large as the estimate would have been seen."
        return Check(refuter, estimate, figure, unit, _ZERO, "passed", why)
    why = "The interval holds 0, but something as large as the estimate could hide in it."
    return Check(refuter, estimate, figure, unit, _ZERO, "cannot tell", why)
