"""The commands ``experiment quasi match|fixed-effects|differences|discontinuity``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from causal_ranker.cli.options import Record
from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    import ibis

    from causal_ranker.reporting.blocks import Section

__all__ = ["app"]

app = typer.Typer(help="Estimate an effect where nobody drew lots.")

_Data = Annotated[str, typer.Option(help="Parquet or CSV file(s).")]
_Outcome = Annotated[str, typer.Option(help="Column of the outcome.")]
_Treatment = Annotated[str, typer.Option(help="Column of the treatment, 0 or 1.")]
_User = Annotated[str, typer.Option(help="Column of ids whose rows move together.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command("match")
@on_tables
def _match(
    context: typer.Context,
    data: _Data,
    outcome: _Outcome,
    covariate: Annotated[
        list[str], typer.Option(help="Column from before the treatment; once for each.")
    ],
    treatment: _Treatment = "treatment",
    user: _User = "user_id",
    propensity: Annotated[
        str | None, typer.Option(help="Column of the logged propensity; estimated by default.")
    ] = None,
    caliper: Annotated[
        float, typer.Option(help="Largest distance, in standard deviations of the log odds.")
    ] = 0.2,
    record: Record = None,
    as_json: _Json = False,
) -> None:
    """Compare treated rows with controls of the same propensity, and show the balance."""
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.quasi.sections import matched_section
    from causal_ranker.experiments.quasi.tables import read_matched

    with recorded(context, inputs={"data": data}, record=record) as figures:
        found = read_matched(
            _table(data),
            outcome=outcome,
            treatment=treatment,
            covariates=covariate,
            user=user,
            propensity=propensity,
            caliper=caliper,
        )
        _show(found, matched_section(found, covariates=covariate), figures=figures, as_json=as_json)


@app.command("fixed-effects")
@on_tables
def _fixed_effects(
    context: typer.Context,
    data: _Data,
    outcome: _Outcome,
    unit: Annotated[
        list[str], typer.Option(help="Column that says whose row it is; several together.")
    ],
    period: Annotated[str, typer.Option(help="Column of the time.")],
    treatment: _Treatment = "treatment",
    cluster: _User = "user_id",
    record: Record = None,
    as_json: _Json = False,
) -> None:
    """Compare units with themselves at other times (two-way fixed effects)."""
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.quasi.sections import fixed_effects_section
    from causal_ranker.experiments.quasi.tables import read_fixed_effects

    with recorded(context, inputs={"data": data}, record=record) as figures:
        found = read_fixed_effects(
            _table(data),
            outcome=outcome,
            treatment=treatment,
            unit=unit,
            period=period,
            cluster=cluster,
        )
        _show(found, fixed_effects_section(found), figures=figures, as_json=as_json)


@app.command("differences")
@on_tables
def _differences(
    context: typer.Context,
    data: _Data,
    outcome: _Outcome,
    unit: Annotated[str, typer.Option(help="Column of what the change came to.")],
    period: Annotated[str, typer.Option(help="Column of the time.")],
    since: Annotated[str, typer.Option(help="First period after the change.")],
    treated: Annotated[
        str, typer.Option(help="Column of whether the change came to the unit, 0 or 1.")
    ] = "treated",
    record: Record = None,
    as_json: _Json = False,
) -> None:
    """Compare the change of one group with that of another, and check the trends before."""
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.quasi.sections import differences_section
    from causal_ranker.experiments.quasi.tables import read_differences

    with recorded(context, inputs={"data": data}, record=record) as figures:
        found, periods = read_differences(
            _table(data), outcome=outcome, treated=treated, unit=unit, period=period, since=since
        )
        _show(found, differences_section(found, periods=periods), figures=figures, as_json=as_json)


@app.command("discontinuity")
@on_tables
def _discontinuity(
    context: typer.Context,
    data: _Data,
    outcome: _Outcome,
    running: Annotated[str, typer.Option(help="Column that decides on the treatment.")],
    treatment: _Treatment = "treatment",
    user: _User = "user_id",
    request: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that says whose slate a row was in; several together. --running is then a "
            "score, and how far it is from the end of the slate decides."
        ),
    ] = None,
    cutoff: Annotated[float, typer.Option(help="Where the treatment begins.")] = 0.0,
    bandwidth: Annotated[
        float | None, typer.Option(help="How near rows must be; chosen by default.")
    ] = None,
    record: Record = None,
    as_json: _Json = False,
) -> None:
    """Compare rows just above a cut-off with rows just below."""
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.experiments.quasi.sections import discontinuity_section
    from causal_ranker.experiments.quasi.tables import read_discontinuity

    with recorded(context, inputs={"data": data}, record=record) as figures:
        found = read_discontinuity(
            _table(data),
            outcome=outcome,
            treatment=treatment,
            running=running,
            user=user,
            request=request or (),
            cutoff=cutoff,
            bandwidth=bandwidth,
        )
        _show(found, discontinuity_section(found), figures=figures, as_json=as_json)


def _table(data: str) -> ibis.Table:
    from causal_ranker.logs.sources import connect, read_table

    return read_table(data, connect(), name="the table")


def _show(found: Any, section: Section, *, figures: dict[str, Any], as_json: bool) -> None:
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    figures.update(asdict(found))
    if as_json:
        typer.echo(to_line(figures))
    else:
        print_section(section, Console())
