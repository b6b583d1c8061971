"""The command ``monitor``: a window of a table beside its reference."""

from __future__ import annotations

from typing import Annotated

import typer

from causal_ranker.cli.told import on_tables

__all__ = ["app"]

app = typer.Typer()


@app.command("monitor")
@on_tables
def _monitor(
    reference: Annotated[str, typer.Option(help="Parquet or CSV file(s) of the reference.")],
    window: Annotated[str, typer.Option(help="Parquet or CSV file(s) to judge.")],
    columns: Annotated[
        str | None,
        typer.Option(help="Columns to compare, with commas between; all by default. Omit ids."),
    ] = None,
    level: Annotated[
        float, typer.Option(help="Expected share of false alarms among columns that drifted.")
    ] = 0.05,
    least_effect: Annotated[
        float, typer.Option(help="Smallest distance (KS or Cramér's V) that matters.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say what has drifted; exit code 1 means that somebody should act."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.drift.monitor import MonitorConfig, monitor
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    config = MonitorConfig(level=level, least_effect=least_effect)
    connection = connect()
    report = monitor(
        read_table(reference, connection, name="reference"),
        read_table(window, connection, name="window"),
        columns=None if columns is None else [name.strip() for name in columns.split(",")],
        config=config,
    )
    if as_json:
        typer.echo(to_line(asdict(report)))
    else:
        print_section(report.section(), Console())
        typer.echo(report.verdict)
    if report.advice == "retrain":
        raise typer.Exit(1)
