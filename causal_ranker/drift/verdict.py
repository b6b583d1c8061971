"""From everything that moved to one sentence, one advice and one exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["EXIT_CODES", "Advice", "Finding", "Verdict", "judge", "listed"]

Advice = Literal["nothing", "watch", "retrain", "stop"]

#: Of `causal-ranker monitor`, for schedulers. 1 and 2 stay what they are for every command: a
#: mistake of the program, and input that cannot be used.
EXIT_CODES: Final[dict[Advice, int]] = {"nothing": 0, "watch": 10, "retrain": 11, "stop": 12}
_ORDER: Final[tuple[Advice, ...]] = ("nothing", "watch", "retrain", "stop")


@dataclass(frozen=True)
class Finding:
    """One thing that moved, and what it calls for.

    Parameters
    ----------
    what : str
        A clause that follows "because", e.g. ``"3 of 50 columns drifted (x7, x8, x9)"``.
    advice : {"nothing", "watch", "retrain", "stop"}
        What it calls for by itself.
    do : str
        What to do, as a clause in the imperative.
    foremost : bool
        Whether it is told before graver ones, as what they say may follow from it.
    """

    what: str
    advice: Advice
    do: str
    foremost: bool = False


@dataclass(frozen=True)
class Verdict:
    """What to do.

    Parameters
    ----------
    advice : {"nothing", "watch", "retrain", "stop"}
        The gravest advice of all findings.
    sentence : str
        The verdict in one sentence.
    findings : tuple of Finding
        Everything that moved: what is foremost, then the gravest.
    """

    advice: Advice
    sentence: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """The code that a scheduler sees."""
        return EXIT_CODES[self.advice]


def judge(findings: Sequence[Finding], *, quiet: str) -> Verdict:
    """Put findings together; of equals, what stands first is told first.

    Parameters
    ----------
    findings : sequence of Finding
        Of the schema, columns, the service, the effect: whatever was looked at.
    quiet : str
        What was looked at, for the sentence when nothing moved.

    Returns
    -------
    Verdict
        The verdict.
    """

    def gravity(finding: Finding) -> int:
        return _ORDER.index(finding.advice)

    ordered = tuple(sorted(findings, key=lambda each: (not each.foremost, -gravity(each))))
    gravest = max(ordered, key=gravity, default=None)  # the first told of equals
    if gravest is None or gravest.advice == "nothing":
        return Verdict("nothing", f"{_capital(quiet)}: nothing to do.", ordered)
    first = ordered[0]
    whats = [first.what] if gravest is first else [first.what, gravest.what]
    also = [each.what for each in ordered if each.advice != "nothing" and each.what not in whats]
    more = f" (also: {'; '.join(also)})" if also else ""
    told = _capital("; ".join(whats))
    return Verdict(gravest.advice, f"{told}: {gravest.do}{more}.", ordered)


def listed(names: Sequence[str], *, most: int = 3) -> str:
    """Write the first names of a list.

    Parameters
    ----------
    names : sequence of str
        The names.
    most : int
        How many of them.

    Returns
    -------
    str
        With commas between, and "and others" where some are left out.
    """
    return ", ".join(names[:most]) + (" and others" if len(names) > most else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
