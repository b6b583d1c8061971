"""The command ``attribute``: credits in one file, or day by day in a folder."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables
from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

    from causal_ranker.attribution.config import AttributionConfig
    from causal_ranker.chain.config import ChainConfig
    from causal_ranker.cli.sources import Sources

__all__ = ["app"]

app = typer.Typer()


@app.command("attribute")
@on_tables
def _attribute(
    context: typer.Context,
    impressions: o.ImpressionsIfAny = None,
    plays: o.PlaysIfAny = None,
    touch: Annotated[
        Literal["last", "first", "linear", "time_decay", "position", "shapley"] | None,
        typer.Option(
            help="Which of the eligible impressions gets the credit; last by default. shapley "
            "learns from these logs what surfaces share."
        ),
    ] = None,
    window_hours: Annotated[
        float | None, typer.Option(help="View-through window; 24 by default.")
    ] = None,
    minimum_seconds: Annotated[
        float | None, typer.Option(help="A shorter play does not count; 0 by default.")
    ] = None,
    viewable_only: Annotated[
        bool | None,
        typer.Option(
            "--viewable-only/--not-viewable-only",
            help="Leave out impressions known not to be viewable.",
        ),
    ] = None,
    click_window_hours: Annotated[
        float | None, typer.Option(help="Click-through window, counted from the click.")
    ] = None,
    half_life_hours: Annotated[
        float | None, typer.Option(help="Half-life of time_decay; 12 by default.")
    ] = None,
    most_impressions_a_day: Annotated[
        int | None,
        typer.Option(
            help="Leave out days on which a user was shown more: people do not see so many."
        ),
    ] = None,
    config: o.Config = None,
    quarantine: o.Quarantine = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    record: o.Record = None,
    by_day: Annotated[
        bool,
        typer.Option(
            "--by-day",
            help="Keep the credits of each UTC day of plays in a file of its own in the folder "
            "--out. Each is replaced in one step.",
        ),
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="With --by-day: run this UTC day and later ones only, the first with events "
            "that are new. Rows that these days do not look at are not checked, but for those "
            "without a time.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Where to write the credits: a .parquet or .csv file, or with --by-day a folder.",
        ),
    ] = None,
) -> None:
    """Credit each play to the impressions that led to it, or to none.

    Options win over the settings in --config.
    """
    from rich.console import Console

    from causal_ranker.attribution.attribute import attribute
    from causal_ranker.attribution.config import AttributionConfig
    from causal_ranker.attribution.shapley import learn_surface_shares
    from causal_ranker.attribution.warnings import attribution_warnings
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.cli.settings import open_engine, project_config
    from causal_ranker.cli.sources import find_sources
    from causal_ranker.cli.tables import (
        TableFile,
        count_credits,
        credits_section,
        surface_shares_section,
    )
    from causal_ranker.columns import Columns as C
    from causal_ranker.reporting.console import print_section

    learned = touch == "shapley"
    folder = _folder(out, by_day=by_day, since=since, learned=learned)
    file = None if out is None or by_day else TableFile.at(out)
    chain = project_config(config, quarantine=quarantine)
    sources = find_sources(
        chain, needed=("impressions", "plays"), impressions=impressions, plays=plays
    )
    rules = _with_options(
        chain.attribution,
        touch="last" if learned else touch,
        window_hours=window_hours,
        minimum_seconds=minimum_seconds,
        viewable_only=viewable_only,
        click_window_hours=click_window_hours,
        half_life_hours=half_life_hours,
        most_impressions_a_day=most_impressions_a_day,
    )
    connection = open_engine(chain, threads=threads, memory=memory)
    first = None if since is None else since.date()
    with recorded(
        context,
        inputs=sources.paths,
        written=out,
        record=record,
        config=rules,
        hashed="rows" if first is None else "nothing",  # some days are run so as not to read all
    ) as figures:
        shown, played = _read(connection, sources, since=first, chain=chain, rules=rules)
        if by_day:
            shown = _parsed_once(shown, sources.paths["impressions"], connection)
            played = _parsed_once(played, sources.paths["plays"], connection)
        if learned:
            end = played[C.PLAYED_AT].max().to_pyarrow().as_py()
            shares = learn_surface_shares(shown, played, config=rules, log_end=end)
            print_section(surface_shares_section(shares), Console())
            rules = AttributionConfig(**{**dict(rules), "touch": touch, "surface_shares": shares})
            figures["surface_shares"] = shares.model_dump(mode="json")
        if folder is not None:
            credits = _write_days(
                connection, shown, played, folder=folder, since=first, rules=rules
            )
        else:
            credits = attribute(shown, played, config=rules)
            credits = connection.create_table("credits", credits, temp=True)
        counts = count_credits(credits)
        print_section(credits_section(counts), Console())
        if file is not None:
            typer.echo(f"credits: {file.write(credits)}")
        elif folder is not None:
            typer.echo(f"credits: {folder}")
        warnings = attribution_warnings(shown, played, config=rules)
        for warning in warnings:
            typer.echo(f"Warning: {warning}")
        figures |= {"plays": counts, "warnings": list(warnings)}


def _folder(
    out: Path | None, *, by_day: bool, since: datetime | None, learned: bool
) -> Path | None:
    """Return the folder of the days, if there are to be days."""
    from causal_ranker.reporting.places import make_folder

    if not by_day:
        if since is not None:
            raise ConfigError(
                expected="--since with --by-day",
                came="--since alone",
                do="Leave it out, or add --by-day.",
            )
        return None
    if out is None:
        raise ConfigError(
            expected="a folder for the days", came="--by-day without --out", do="Add --out FOLDER."
        )
    if learned:
        raise ConfigError(
            expected="one touch model for all days of a folder",
            came="--touch shapley, whose shares each run learns anew",
            do="Keep shares that were learned once in the file of --config, below "
            "attribution.surface_shares, with attribution.touch = 'shapley'.",
        )
    make_folder(out)
    return out


def _with_options(
    config: AttributionConfig, *, touch: str | None, **options: Any
) -> AttributionConfig:
    from causal_ranker.attribution.config import AttributionConfig

    given = {name: value for name, value in options.items() if value is not None}
    if touch is not None:
        given |= {"touch": touch, "surface_shares": None}  # the shares are of the file's model
    return AttributionConfig(**{**dict(config), **given})


def _read(
    connection: Backend,
    sources: Sources,
    *,
    since: date | None,
    chain: ChainConfig,
    rules: AttributionConfig,
) -> tuple[ibis.Table, ibis.Table]:
    from functools import partial

    from causal_ranker.attribution.partitions import impressions_since, plays_since
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.cli.settings import tell

    read = partial(read_checked, connection, config=chain)
    some = None if since is None else partial(impressions_since, since=since, config=rules)
    shown, bad = read(sources.impressions, name="impressions", rows=some)
    late = None if since is None else partial(plays_since, since=since)
    played, worse = read(sources.plays, name="plays", rows=late)
    tell(bad, worse)
    return shown, played


def _parsed_once(table: ibis.Table, path: str | None, connection: Backend) -> ibis.Table:
    """Keep the rows of text files: every day would parse them anew."""
    from causal_ranker.logs.carry import new_name
    from causal_ranker.logs.paths import find_files

    if path is not None and find_files(path, connection, name="logs").kind == "Parquet":
        return table
    return connection.create_table(new_name("parsed"), table, temp=True)


def _write_days(
    connection: Backend,
    shown: ibis.Table,
    played: ibis.Table,
    *,
    folder: Path,
    since: date | None,
    rules: AttributionConfig,
) -> ibis.Table:
    """Write the days, say which, and return the credits of all of them."""
    import pyarrow.dataset as pads
    import pyarrow.parquet as pq

    from causal_ranker.attribution.attribute import attribute
    from causal_ranker.attribution.partitions import attribute_days, days_of
    from causal_ranker.logs.sources import read_table

    days = days_of(played, folder=folder, since=since)
    if not days:
        return attribute(shown, played, config=rules)  # of no plays
    paths = attribute_days(shown, played, days=days, folder=folder, config=rules)
    for day, path in zip(days, paths, strict=True):
        typer.echo(f"{day.isoformat()}: {pq.read_metadata(path).num_rows:,} credits")
    return read_table(pads.dataset([str(path) for path in paths]), connection, name="credits")
