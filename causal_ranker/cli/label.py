"""The command ``label``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

    from causal_ranker.chain.config import ChainConfig
    from causal_ranker.cli.sources import Sources

__all__ = ["app"]

app = typer.Typer()


@app.command("label")
@on_tables
def _label(
    context: typer.Context,
    impressions: o.ImpressionsIfAny = None,
    plays: o.PlaysIfAny = None,
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
    record: o.Record = None,
    out: o.Table = None,
) -> None:
    """Label every candidate whose horizon has ended, and count the kinds."""
    from rich.console import Console

    from causal_ranker.chain.logs import label_logs, read_logs
    from causal_ranker.chain.reach import last_event
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.cli.settings import open_engine, project_config, tell
    from causal_ranker.cli.sources import find_sources, with_candidates
    from causal_ranker.cli.tables import TableFile
    from causal_ranker.columns import Columns as C
    from causal_ranker.evaluation.background import label_report_sections
    from causal_ranker.labels.presence import mark_presence
    from causal_ranker.labels.report import describe_labels
    from causal_ranker.reporting.console import print_section

    file = None if out is None else TableFile.at(out)
    chain = project_config(config, quarantine=quarantine)
    sources = find_sources(
        chain,
        needed=("impressions", "plays"),
        impressions=impressions,
        plays=plays,
        candidates=candidates,
        items=items,
    )
    with recorded(
        context, inputs=sources.paths, written=out, record=record, config=chain
    ) as figures:
        connection = open_engine(chain, threads=threads, memory=memory)
        sources = with_candidates(connection, sources, config=chain)
        if sources.candidates is None or controls is not None:
            sources = _with_controls(connection, sources, controls=controls, seed=seed, chain=chain)
        logs = read_logs(
            connection,
            impressions=sources.impressions,
            plays=sources.plays,
            candidates=sources.candidates,
            items=sources.items,
            config=chain,
        )
        tell(*logs.quarantines)
        labelled = label_logs(
            connection,
            logs,
            log_end=log_end or last_event(logs.plays, logs.candidates),
            horizon_hours=chain.run.horizon_hours if horizon_hours is None else horizon_hours,
            config=chain,
            censoring=censoring,
        )
        dataset = labelled.dataset
        if thin:
            before = dataset.table.count().execute()
            dataset = dataset.thin()
            typer.echo(f"thinned: {dataset.table.count().execute():,} of {before:,} rows stay.")
        told = describe_labels(dataset)
        for section in label_report_sections(told):
            print_section(section, Console())
        if file is not None:
            rows = mark_presence(dataset.table, logs.impressions, logs.plays)
            typer.echo(f"labels: {file.write(rows)}")
        kinds = told.by(C.LABEL_KIND)
        figures["rows"] = dict(zip(kinds[C.LABEL_KIND], kinds["rows"], strict=True))
        figures["warnings"] = list(told.warnings)


def _with_controls(
    connection: Backend,
    sources: Sources,
    *,
    controls: int | None,
    seed: int,
    chain: ChainConfig,
) -> Sources:
    """Return checked impressions and items, and a candidate log of both with sampled controls."""
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.cli.settings import tell
    from causal_ranker.errors import ConfigError
    from causal_ranker.labels.controls import ControlConfig, sample_controls

    if sources.candidates is not None or sources.items is None or controls is None:
        given = {"candidates": sources.candidates, "items": sources.items, "controls": controls}
        raise ConfigError(
            expected="either --candidates, or --items and --controls to sample from",
            came=", ".join(f"{'no ' * (each is None)}--{name}" for name, each in given.items()),
            do="Log what could have been shown, or say how many controls to draw.",
        )
    shown, bad = read_checked(connection, sources.impressions, name="impressions", config=chain)
    catalogue, worse = read_checked(connection, sources.items, name="items", config=chain)
    tell(bad, worse)
    config = ControlConfig(per_request=controls, seed=seed)
    rows = sample_controls(shown, catalogue, config=config)
    return replace(
        sources,
        impressions=shown,
        candidates=connection.create_table("controls", rows, temp=True),
        items=catalogue,
    )
