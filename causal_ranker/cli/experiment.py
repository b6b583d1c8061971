"""The commands of ``experiment``; its ``design`` stands in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.cli import design
from causal_ranker.cli.options import Memory, Record, Threads, metric_named
from causal_ranker.cli.told import on_tables

__all__ = ["app"]

app = typer.Typer(help="Plan a test of two arms, and read it.")
app.add_typer(design.app)


@app.callback()
def _experiment() -> None:
    # Keeps the commands below it one word each.
    return


@app.command("read")
@on_tables
def _read(
    context: typer.Context,
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
    record: Record = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Read a test; exit code 1 if the sizes of the arms forbid it."""
    from rich.console import Console

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.config import ReadoutConfig
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
        settings = ReadoutConfig(
            metrics=tuple(metric_named(each, past) for each in metric or ()),
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
    with recorded(
        context, inputs={"data": data}, written=html, record=record, config=settings
    ) as figures:
        connection = connect(threads=threads, memory_limit=memory)
        found = read_test(read_table(data, connection, name="the test"), settings)
        if html is not None:
            write_page(readout_document(found), html)
        figures.update(found.to_dict())
        if as_json:
            typer.echo(to_line(figures))
        else:
            print_section(readout_section(found), Console())
            typer.echo(verdict(found))
    if found.blocked:
        raise typer.Exit(1)
