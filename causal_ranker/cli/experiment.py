"""The commands ``experiment design`` and ``experiment read``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.cli.options import Memory, Threads
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
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of a metric, such as plays, or a ratio, such as plays/impressions; once "
            "for each, the one that decides first."
        ),
    ] = None,
    past: Annotated[
        list[str] | None,
        typer.Option(help="Column fixed before the test, which CUPED takes out of every metric."),
    ] = None,
    arm: Annotated[str, typer.Option(help="Column of the arm: 1 new, 0 control.")] = "arm",
    expected_share: Annotated[
        float, typer.Option(help="Share that the new arm should have.")
    ] = 0.5,
    many_rows: Annotated[
        bool, typer.Option("--many-rows", help="Sum the rows of each user first.")
    ] = False,
    cluster: Annotated[
        str | None, typer.Option(help="Column of users who were assigned together.")
    ] = None,
    triggered: Annotated[
        str | None, typer.Option(help="Column, true for users who came to where arms differ.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="Column whose groups' effects are told, too.")
    ] = None,
    planned: Annotated[
        int | None,
        typer.Option(help="Users at the planned end: intervals then hold at every look before it."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings of causal_ranker.experiments.config.ReadoutConfig (caps, "
            "guardrails, names of arms, dates ...); it takes the place of the options above."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page.")] = None,
    threads: Threads = None,
    memory: Memory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Read a test; exit code 1 if the sizes of the arms forbid it."""
    from rich.console import Console

    from causal_ranker.experiments.config import Metric, ReadoutConfig
    from causal_ranker.experiments.read import read_test
    from causal_ranker.experiments.section import readout_document, readout_section
    from causal_ranker.experiments.words import verdict
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.json import to_line

    if config is not None:
        settings = ReadoutConfig.from_toml(config)
    else:
        parts = [name.partition("/") for name in metric or ()]
        settings = ReadoutConfig(
            metrics=tuple(
                Metric(column=above, per=below or None, past=tuple(past or ()))
                for above, _, below in parts
            ),
            arm=arm,
            expected_share=expected_share,
            rows="many" if many_rows else "user",
            cluster=cluster,
            triggered=triggered,
            groups=groups,
            planned=planned,
        )
    if html is not None:
        check_page(html)
    connection = connect(threads=threads, memory_limit=memory)
    found = read_test(read_table(data, connection, name="the test"), settings)
    if html is not None:
        write_page(readout_document(found), html)
    if as_json:
        typer.echo(to_line(found.to_dict()))
    else:
        print_section(readout_section(found), Console())
        typer.echo(verdict(found))
    if found.blocked:
        raise typer.Exit(1)
