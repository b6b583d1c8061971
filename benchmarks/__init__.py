"""Timed and measured runs, each a module with a `DESCRIPTION` and a `run`.

``python -m benchmarks --list`` names them; ``python -m benchmarks NAME`` prints a table and, last,
one line of JSON. To add one, put a module here: it is found by its file. Times are printed, never
asserted, because a shared machine would fail them for its neighbours' load.

A benchmark that measures many things may have parts, each of which runs alone with ``--part``
(`PartedBenchmark`). One whose methods have settings to choose searches them with ``--search``, and
runs with those that were found last (`SearchedBenchmark`).

``--keep`` writes the result of a full run to ``docs/results``, of which the site's tables are made.
A benchmark whose seeds can be told in a word has a `SEEDS` that a kept result names.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

__all__ = ["Benchmark", "PartedBenchmark", "Result", "SearchedBenchmark", "load", "names"]


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Parameters
    ----------
    columns : sequence of str
        The printed table's headings.
    rows : sequence of sequences
        Its rows.
    figures : mapping of str to values
        The figures for the line of JSON; NaN becomes null.
    note : str
        A line below the table, such as the limit that a figure should keep.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    figures: Mapping[str, object]
    note: str = ""


class Benchmark(Protocol):
    """The form of a benchmark's module."""

    DESCRIPTION: str

    def run(self, *, quick: bool) -> Result:
        """Measure.

        Parameters
        ----------
        quick : bool
            Do the least that still exercises everything.

        Returns
        -------
        Result
            What was found.
        """
        ...


@runtime_checkable
class PartedBenchmark(Protocol):
    """The form of a benchmark whose parts run alone, too."""

    DESCRIPTION: str

    def parts(self) -> Sequence[str]:
        """Name the parts.

        Returns
        -------
        sequence of str
            In the order in which they run.
        """
        ...

    def run(self, *, quick: bool, part: str | None = None) -> Result:
        """Measure.

        Parameters
        ----------
        quick : bool
            Do the least that still exercises everything.
        part : str, optional
            One of `parts`; all of them by default.

        Returns
        -------
        Result
            What was found.
        """
        ...


@runtime_checkable
class SearchedBenchmark(PartedBenchmark, Protocol):
    """The form of a benchmark whose settings are searched, for each part."""

    def search(self, *, quick: bool, part: str | None = None) -> Result:
        """Choose settings, and keep them in a file beside the module.

        Parameters
        ----------
        quick : bool
            Do the least that still exercises everything, and keep nothing.
        part : str, optional
            One of `parts`; all of them by default.

        Returns
        -------
        Result
            What was chosen.
        """
        ...


def names() -> list[str]:
    """List the benchmarks by their modules' names.

    Returns
    -------
    list of str
        Sorted; modules that begin with an underscore are helpers and left out.
    """
    found = (info.name for info in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith("_"))


def load(name: str) -> Benchmark | PartedBenchmark:
    """Import one benchmark.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Benchmark or PartedBenchmark
        Its module.

    Raises
    ------
    KeyError
        If no benchmark has that name.
    """
    if name not in names():
        raise KeyError(name)
    return cast(Benchmark | PartedBenchmark, importlib.import_module(f"{__name__}.{name}"))
