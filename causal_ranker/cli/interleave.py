"""The command ``experiment interleave``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables

__all__ = ["app"]

app = typer.Typer()


@app.command("interleave")
@on_tables
def _interleave(
    context: typer.Context,
    candidates: Annotated[
        str,
        typer.Option(
            help="Every item of both lists with user_id, item_id, t0 and shown; and in_first and "
            "in_second, or from_first for team-draft lists."
        ),
    ],
    plays: o.Plays,
    horizon_hours: Annotated[
        float, typer.Option(help="Plays count from t0 for so long; team-draft: the window.")
    ] = 24.0,
    log_end: o.LogEnd = None,
    method: Annotated[
        Literal["causal-balanced", "team-draft"], typer.Option(help="How the lists were drawn.")
    ] = "causal-balanced",
    record: o.Record = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Read lists that two rankers filled in turn."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.attribution.config import AttributionConfig
    from causal_ranker.chain.config import ChainConfig
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.chain.reach import last_event
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.interleaving.sections import credit_section, uplift_section
    from causal_ranker.experiments.interleaving.tables import read_credit, read_uplift
    from causal_ranker.labels.collect import LabelConfig
    from causal_ranker.logs.sources import connect
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    read = {"candidates": candidates, "plays": plays}
    with recorded(context, inputs=read, record=record) as figures:
        connection, config = connect(), ChainConfig()
        offered, _ = read_checked(connection, candidates, name="candidates", config=config)
        played, _ = read_checked(connection, plays, name="plays", config=config)
        if method == "team-draft":
            credit = read_credit(
                offered, played, config=AttributionConfig(window_hours=horizon_hours)
            )
            section = credit_section(credit)
            figures.update(asdict(credit))
        else:
            end = log_end or last_event(played, offered)
            labels = LabelConfig(log_end=end, horizon_hours=horizon_hours)
            uplift = read_uplift(offered, played, config=labels)
            section = uplift_section(uplift)
            figures.update(asdict(uplift))
            del figures["by_request"]  # as long as the log
        if as_json:
            typer.echo(to_line(figures))
        else:
            print_section(section, Console())
