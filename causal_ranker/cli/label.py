"""The command ``label``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

    from causal_ranker.chain.config import ChainConfig

__all__ = ["app"]

app = typer.Typer()


@app.command("label")
@on_tables
def _label(
    impressions: o.Impressions,
    plays: o.Plays,
    candidates: o.CandidatesIfAny = None,
    items: o.Items = None,
    controls: Annotated[
        int | None,
        typer.Option(
            help="Without a candidate log: draws of controls for each request from --items, at a "
            "known rate that becomes their weight."
        ),
    ] = None,
    seed: o.Seed = 0,
    horizon_hours: o.HorizonHours = None,
    log_end: o.LogEnd = None,
    thin: Annotated[
        bool, typer.Option("--thin", help="Keep rows of a pair whose horizons do not overlap.")
    ] = False,
    censoring: Annotated[
        Literal["drop", "weight"],
        typer.Option(
            help="Rows whose horizon ends after the log: leave them out, or keep those that a play "
            "determined, with weights."
        ),
    ] = "drop",
    config: o.Config = None,
    quarantine: o.Quarantine = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    out: o.Table = None,
) -> None:
    """Label every candidate whose horizon has ended, and count the kinds."""
    from rich.console import Console

    from causal_ranker.chain.logs import label_logs, read_logs
    from causal_ranker.chain.reach import last_event
    from causal_ranker.cli.settings import chain_config, open_engine, tell
    from causal_ranker.cli.tables import TableFile
    from causal_ranker.evaluation.background import label_report_sections
    from causal_ranker.labels.presence import mark_presence
    from causal_ranker.labels.report import describe_labels
    from causal_ranker.reporting.console import print_section

    file = None if out is None else TableFile.at(out)
    chain = chain_config(config, quarantine=quarantine)
    connection = open_engine(chain, threads=threads, memory=memory)
    shown: Any = impressions
    listed: Any = candidates
    known: Any = items
    if candidates is None or controls is not None:
        shown, listed, known = _with_controls(
            connection,
            impressions,
            candidates,
            items=items,
            controls=controls,
            seed=seed,
            chain=chain,
        )
    logs = read_logs(
        connection, impressions=shown, plays=plays, candidates=listed, items=known, config=chain
    )
    tell(*logs.quarantines)
    labelled = label_logs(
        connection,
        logs,
        log_end=log_end or last_event(logs.plays, logs.candidates),
        horizon_hours=horizon_hours,
        config=chain,
        censoring=censoring,
    )
    dataset = labelled.dataset
    if thin:
        before = dataset.table.count().execute()
        dataset = dataset.thin()
        typer.echo(f"thinned: {dataset.table.count().execute():,} of {before:,} rows stay.")
    for section in label_report_sections(describe_labels(dataset)):
        print_section(section, Console())
    if file is not None:
        rows = mark_presence(dataset.table, logs.impressions, logs.plays)
        typer.echo(f"labels: {file.write(rows)}")


def _with_controls(
    connection: Backend,
    impressions: str,
    candidates: str | None,
    *,
    items: str | None,
    controls: int | None,
    seed: int,
    chain: ChainConfig,
) -> tuple[ibis.Table, ibis.Table, ibis.Table]:
    """Return checked impressions, a candidate log of them and of sampled controls, and items."""
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.cli.settings import tell
    from causal_ranker.errors import ConfigError
    from causal_ranker.labels.controls import ControlConfig, sample_controls

    if candidates is not None or items is None or controls is None:
        given = {"candidates": candidates, "items": items, "controls": controls}
        raise ConfigError(
            expected="either --candidates, or --items and --controls to sample from",
            came=", ".join(f"{'no ' * (each is None)}--{name}" for name, each in given.items()),
            do="Log what could have been shown, or say how many controls to draw.",
        )
    shown, bad = read_checked(connection, impressions, name="impressions", config=chain)
    catalogue, worse = read_checked(connection, items, name="items", config=chain)
    tell(bad, worse)
    config = ControlConfig(per_request=controls, seed=seed)
    rows = sample_controls(shown, catalogue, config=config)
    return shown, connection.create_table("controls", rows, temp=True), catalogue
