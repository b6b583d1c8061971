"""The command line: ``python -m benchmarks NAME``, or ``--list``; ``--help`` tells the rest."""

from __future__ import annotations

import argparse
import inspect
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import PartedBenchmark, SearchedBenchmark, _kept, load, names
from causal_ranker.errors import ConfigError
from causal_ranker.reporting.blocks import Table
from causal_ranker.reporting.console import rich_table
from causal_ranker.reporting.json import to_line

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark, or list them all.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command line after the program's name; by default the process's own.

    Returns
    -------
    int
        The exit code: 0, or 2 where the name is not one of a benchmark, or not of its parts, or
        there is nothing to search, or nothing that could be kept.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Run a benchmark.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="which one (see --list)")
    parser.add_argument("--part", metavar="PART", help="of a benchmark that has parts: one of them")
    parser.add_argument("--search", action="store_true", help="choose settings, and keep them")
    parser.add_argument(
        "--embeddings", metavar="FILE", type=Path, help="of cold_start: embeddings of your own"
    )
    parser.add_argument("--quick", action="store_true", help="the least that exercises everything")
    parser.add_argument(
        "--keep", action="store_true", help="write the result to docs/results, for the site"
    )
    parser.add_argument("--list", action="store_true", help="list the benchmarks, one per line")
    chosen = parser.parse_args(arguments)
    known = names()
    if chosen.list:
        width = max(map(len, known))
        for name in known:
            print(f"{name:<{width}}  {load(name).DESCRIPTION}")
        return 0
    if chosen.keep and (chosen.quick or chosen.search or chosen.embeddings is not None):
        print(
            "Only a full run of the benchmark's own settings is kept: leave --keep out, or "
            "--quick, --search and --embeddings.",
            file=sys.stderr,
        )
        return 2
    if chosen.name not in known:
        return _refused("the name of a benchmark", chosen.name, known)
    benchmark = load(chosen.name)
    part: dict[str, Any] = {}
    if chosen.part is not None:
        parts = benchmark.parts() if isinstance(benchmark, PartedBenchmark) else ()
        if chosen.part not in parts:
            return _refused(f"a part of {chosen.name}", chosen.part, parts)
        part = {"part": chosen.part}
    if chosen.embeddings is not None:
        if "embeddings" not in inspect.signature(benchmark.run).parameters:
            print(f"{chosen.name} reads no embeddings. Leave --embeddings out.", file=sys.stderr)
            return 2
        if not chosen.embeddings.is_file():
            return _refused("a file of embeddings", str(chosen.embeddings), ["an .npz file"])
        part["embeddings"] = chosen.embeddings
    measure = benchmark.run
    if chosen.search:
        if not isinstance(benchmark, SearchedBenchmark):
            print(f"{chosen.name} has no settings to search: leave --search out.", file=sys.stderr)
            return 2
        measure = benchmark.search
    origin = None
    if chosen.keep:
        try:
            origin = _kept.Origin.now(chosen.name, benchmark, part=chosen.part)
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 2
    begun = time.perf_counter()
    result = measure(quick=chosen.quick, **part)
    seconds = time.perf_counter() - begun
    console = Console()
    console.print(benchmark.DESCRIPTION)
    console.print(rich_table(Table(result.columns, result.rows, result.note)))
    told = {} if chosen.part is None else {"part": chosen.part}
    print(to_line({"benchmark": chosen.name, **told, "quick": chosen.quick, **result.figures}))
    if origin is not None:
        path = _kept.keep(result, origin=origin, seconds=seconds, folder=_kept.RESULTS)
        print(f"kept: {path.name}", file=sys.stderr)
    return 0


def _refused(expected: str, came: str | None, known: Sequence[str]) -> int:
    do = f"Give one of: {', '.join(known)}." if known else "It has none: leave --part out."
    print(f"expected {expected}; got {came!r}. {do}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
