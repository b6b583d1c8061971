"""The command ``init``: a checklist and settings from the user's own tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.cli.told import on_tables
from causal_ranker.errors import ConfigError

__all__ = ["app"]

app = typer.Typer()

_Optional = Annotated[str | None, typer.Option(help="Its file(s), if there is one.")]


@app.command("init")
@on_tables
def _init(
    impressions: Annotated[
        str,
        typer.Argument(
            help="What was shown: a Parquet or CSV file, a folder, or a quoted glob. It may also "
            "hold what was not, with a column that tells."
        ),
    ],
    plays: Annotated[str, typer.Argument(help="What was played, on all surfaces.")],
    candidates: _Optional = None,
    users: _Optional = None,
    items: _Optional = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="Where clocks without a zone stood, such as UTC or Europe/Berlin."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.OURS=THEIRS",
            help="What a column is, such as impressions.user_id=member; as often as needed.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Settings to write; never overwritten.")] = Path(
        "causal_ranker.toml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Look at your tables, say what they hold and lack, and write settings for --config.

    Exit code 1: something is left for you to decide, or broken; the settings say where.
    """
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.init.start import start
    from causal_ranker.logs.sources import connect
    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line

    paths = {
        "impressions": impressions,
        "plays": plays,
        "candidates": candidates,
        "users": users,
        "items": items,
    }
    begun = start(
        {name: path for name, path in paths.items() if path is not None},
        connect(),
        time_zone=time_zone,
        said=_said(column or []),
    )
    found = begun.found
    _write(begun.text, out)
    if as_json:
        facts = [asdict(fact) for fact in found.facts]
        typer.echo(to_line({"settings": out, "ready": found.ready, "checklist": facts}))
    else:
        rows = [(f.state, f.table, f.what, f.found, f.means) for f in found.facts]
        Console().print(rich_table(Table(("", "table", "what", "found", "what it means"), rows)))
        typer.echo(f"settings: {out}")
        if not found.ready:
            typer.echo("Not ready: see 'decide' and 'broken' above, and DECIDE in the settings.")
    if not found.ready:
        raise typer.Exit(1)


def _said(words: list[str]) -> dict[tuple[str, str], str]:
    found = {}
    for word in words:
        ours, equals, theirs = word.partition("=")
        table, dot, column = ours.partition(".")
        if not (table and dot and column and equals and theirs):
            raise ConfigError(
                expected="--column TABLE.OURS=THEIRS",
                came=repr(word),
                do="Write it like --column impressions.user_id=member.",
            )
        found[table, column] = theirs
    return found


def _write(text: str, out: Path) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            expected=f"a new file for the settings at {out}",
            came=error.strerror or str(error),
            do="Choose another path with --out.",
        ) from error
