"""The command ``init``: a checklist and settings from the user's own tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.cli.told import on_tables

__all__ = ["app"]

app = typer.Typer()

_Optional = Annotated[str | None, typer.Option(help="Its file(s), if there is one.")]


@app.command("init")
@on_tables
def _init(
    impressions: Annotated[str, typer.Option(help="Impression log: file, folder or quoted glob.")],
    plays: Annotated[str, typer.Option(help="Play log, all surfaces.")],
    candidates: _Optional = None,
    users: _Optional = None,
    items: _Optional = None,
    out: Annotated[Path, typer.Option(help="Settings to write; never overwritten.")] = Path(
        "causal_ranker.toml"
    ),
) -> None:
    """Say what your tables still need, and write settings; exit code 1 if something is missing."""
    from rich.console import Console

    from causal_ranker.errors import ConfigError
    from causal_ranker.init import checklist, settings_text
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table

    connection = connect()
    paths = {
        "impressions": impressions,
        "plays": plays,
        "candidates": candidates,
        "users": users,
        "items": items,
    }
    tables = {
        name: read_table(path, connection, name=name)
        for name, path in paths.items()
        if path is not None
    }
    needs = checklist(tables)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(settings_text(tables))
    except OSError as error:
        raise ConfigError(
            expected=f"a new file for the settings at {out}",
            came=error.strerror or str(error),
            do="Choose another path with --out.",
        ) from error
    rows = [(need.table, need.column, need.state, need.note) for need in needs]
    Console().print(rich_table(Table(["table", "column", "", "note"], rows)))
    typer.echo(f"settings: {out}")
    if any(need.state in ("rename", "missing", "broken") for need in needs):
        raise typer.Exit(1)
