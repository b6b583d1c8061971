"""The commands ``experiment design`` and ``experiment read``."""

from __future__ import annotations

from typing import Annotated

import typer

from causal_ranker.cli.told import on_tables

__all__ = ["app"]

app = typer.Typer(help="Plan a test of two arms, and read it.")


@app.callback()
def _experiment() -> None:
    # Keeps the two commands below one word.
    return


@app.command("design")
def _design(
    deviation: Annotated[float, typer.Option(help="Standard deviation between users.")],
    effect: Annotated[float, typer.Option(help="Smallest difference worth finding.")],
    users_a_day: Annotated[float, typer.Option(help="New users that enter each day.")],
    share_treated: Annotated[float, typer.Option(help="Share of the new arm.")] = 0.5,
    level: Annotated[float, typer.Option(help="Two-sided rate of false alarms.")] = 0.05,
    power: Annotated[float, typer.Option(help="Wanted probability of finding it.")] = 0.8,
    correlation: Annotated[
        float, typer.Option(help="Correlation with the metric's past, which CUPED takes out.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say how many users and weeks a test needs."""
    from dataclasses import asdict

    from causal_ranker.experiments.design import TestDesign, plan
    from causal_ranker.reporting.json import to_line

    design = TestDesign(
        deviation=deviation,
        effect=effect,
        share_treated=share_treated,
        level=level,
        power=power,
        correlation=correlation,
    )
    found = plan(design, users_a_day=users_a_day)
    if as_json:
        typer.echo(to_line(asdict(found)))
        return
    typer.echo(
        f"{found.users:,} users ({found.treated:,} new, {found.control:,} control), "
        f"{found.weeks} whole weeks; power {found.power:.1%}."
    )
    typer.echo(found.words)


@app.command("read")
@on_tables
def _read(
    data: Annotated[str, typer.Option(help="Parquet or CSV file(s), one row per user.")],
    metric: Annotated[list[str], typer.Option(help="Column of a metric; once for each.")],
    arm: Annotated[str, typer.Option(help="Column of the arm: 1 new, 0 control.")] = "arm",
    expected_share: Annotated[
        float, typer.Option(help="Share that the new arm should have.")
    ] = 0.5,
    past: Annotated[
        str | None, typer.Option(help="Column fixed before the test, for CUPED.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Read a test; exit code 1 if the sizes of the arms forbid it."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.columns import Columns as C
    from causal_ranker.experiments.section import read_test, readout_section
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    table = read_table(data, connect(), name="the test")
    found = read_test(
        table, user=C.USER, arm=arm, metrics=metric, past=past, expected_share=expected_share
    )
    if as_json:
        typer.echo(to_line({"blocked": found.ratio.blocks, **asdict(found)}))
    else:
        print_section(readout_section(found), Console())
    if found.ratio.blocks:
        raise typer.Exit(1)
