"""The command ``experiment link``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.cli.options import Record
from causal_ranker.cli.told import on_tables

__all__ = ["app"]

app = typer.Typer()


@app.command("link")
@on_tables
def _link(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Option(
            help="Parquet or CSV file, a row per past experiment: experiment, offline, "
            "offline_low, offline_high, measured, measured_low, measured_high."
        ),
    ],
    level: Annotated[float, typer.Option(help="Level of the intervals in it.")] = 0.95,
    html: Annotated[Path | None, typer.Option(help="Where to write a page with the plot.")] = None,
    record: Record = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Compare offline estimates with what tests then measured."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.link import link
    from causal_ranker.experiments.link_document import link_document, read_past
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.console import print_document
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.json import to_line

    if html is not None:
        check_page(html)
    with recorded(context, inputs={"data": data}, written=html, record=record) as figures:
        past = read_past(read_table(data, connect(), name="past experiments"))
        found = link(past, level=level)
        document = link_document(past, found)
        if html is not None:
            write_page(document, html)
        figures.update(asdict(found))
        if as_json:
            typer.echo(to_line(figures))
        else:
            print_document(document, Console())
