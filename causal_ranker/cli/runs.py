"""The commands ``runs list``, ``runs show`` and ``runs compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Look at the records of past runs.")

_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command("list")
def _list(
    root: Annotated[Path, typer.Option(help="Folder below which runs lie.")] = Path("runs"),
    as_json: _Json = False,
) -> None:
    """List the runs below a folder, the newest first."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line
    from causal_ranker.runs.record import list_runs

    found = list_runs(root)
    if as_json:
        typer.echo(to_line({folder: asdict(record) for folder, record in found.items()}))
        return
    rows = [(folder, r.command, r.started, r.seconds) for folder, r in found.items()]
    Console().print(rich_table(Table(["run", "command", "started (UTC)", "seconds"], rows)))


@app.command("show")
def _show(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.")], as_json: _Json = False
) -> None:
    """Print the record of one run, which is JSON: on many lines for people, or on one."""
    import json
    from dataclasses import asdict

    from causal_ranker.reporting.json import to_line
    from causal_ranker.runs.record import read_run

    record = asdict(read_run(folder))
    typer.echo(to_line(record) if as_json else json.dumps(record, indent=2))


@app.command("compare")
def _compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(help="Folder of another.")],
    as_json: _Json = False,
) -> None:
    """Print what differs between two runs."""
    from rich.console import Console

    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line
    from causal_ranker.runs.record import differences, read_run

    found = differences(read_run(first), read_run(second))
    if as_json:
        typer.echo(to_line({name: [one, other] for name, one, other in found}))
        return
    rows = [(name, str(one), str(other)) for name, one, other in found]
    Console().print(rich_table(Table(["", str(first), str(second)], rows)))
