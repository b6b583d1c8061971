"""The command ``experiment design``: numbers or past logs in, a plan on one page out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from causal_ranker.cli.options import Record, metric_named
from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    from causal_ranker.experiments.spread import PastSpread

__all__ = ["app"]

app = typer.Typer()


@app.command("design")
@on_tables
def _design(
    context: typer.Context,
    effect: Annotated[float, typer.Option(help="Smallest difference worth finding.")],
    users_a_week: Annotated[
        list[float],
        typer.Option(
            help="Users who come for the first time in the first week; once more for the second, "
            "and so on: later weeks are like the last one given."
        ),
    ],
    deviation: Annotated[
        float | None, typer.Option(help="Standard deviation of the metric between users.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Or the share of users, where the metric is a rate.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Or past logs: Parquet or CSV file(s), one row per user.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What is measured; with --data its column, such as plays, or a ratio, such as "
            "plays/impressions."
        ),
    ] = None,
    past: Annotated[
        list[str] | None, typer.Option(help="Column of those that CUPED will take out.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of those whose users are assigned together.")
    ] = None,
    strata: Annotated[
        str | None, typer.Option(help="Column of those within which arms will be compared.")
    ] = None,
    many_rows: Annotated[
        bool, typer.Option("--many-rows", help="Sum those rows of each user first.")
    ] = False,
    correlation: Annotated[
        float | None,
        typer.Option(help="Without logs: correlation with the metric's past, for CUPED."),
    ] = None,
    cluster_size: Annotated[
        float | None, typer.Option(help="Without logs: users assigned together, on average.")
    ] = None,
    cluster_variation: Annotated[
        float | None, typer.Option(help="Without logs: deviation of that number over its mean.")
    ] = None,
    cluster_correlation: Annotated[
        float | None, typer.Option(help="Without logs: correlation of the metric among them.")
    ] = None,
    share_treated: Annotated[float, typer.Option(help="Share of the new arm.")] = 0.5,
    cost_ratio: Annotated[
        float, typer.Option(help="What a user of the new arm costs, in users of the control.")
    ] = 1.0,
    trigger_share: Annotated[
        float, typer.Option(help="Share of users who come to where the arms differ.")
    ] = 1.0,
    level: Annotated[float, typer.Option(help="Two-sided rate of false alarms.")] = 0.05,
    comparisons: Annotated[int, typer.Option(help="Metrics tested beside each other.")] = 1,
    power: Annotated[float, typer.Option(help="Wanted probability of finding it.")] = 0.8,
    peeking: Annotated[
        bool, typer.Option("--peeking", help="The test will be read before its end.")
    ] = False,
    guardrail: Annotated[
        list[str] | None,
        typer.Option(help="NAME:DEVIATION:MARGIN of what must not lose more than the margin."),
    ] = None,
    stratum: Annotated[
        list[str] | None, typer.Option(help="NAME:SHARE of the users, such as de:0.4.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day, such as 2026-03-02.")
    ] = None,
    holiday: Annotated[
        list[datetime] | None, typer.Option(formats=["%Y-%m-%d"], help="A day unlike others.")
    ] = None,
    follow_up_days: Annotated[
        int, typer.Option(help="Days that the last user is still followed.")
    ] = 0,
    html: Annotated[Path | None, typer.Option(help="Where to write the plan's page.")] = None,
    record: Record = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say how many users and weeks a test needs, on one page."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.errors import ConfigError
    from causal_ranker.experiments.design import TestDesign
    from causal_ranker.experiments.plan import Guardrail, make_plan
    from causal_ranker.experiments.plan_page import plan_document, plan_section, plan_words
    from causal_ranker.experiments.spread import rate_deviations
    from causal_ranker.experiments.traffic import Traffic
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.json import to_line

    if html is not None:
        check_page(html)
    told = {
        "correlation": correlation,
        "cluster_size": cluster_size,
        "cluster_variation": cluster_variation,
        "cluster_correlation": cluster_correlation,
    }
    varies: dict[str, float | None] = {name: x for name, x in told.items() if x is not None}
    learned_by = [past, cluster, strata, many_rows or None]
    if sum(way is not None for way in (deviation, rate, data)) != 1:
        raise ConfigError(
            expected="one of --deviation, --rate and --data",
            came="none of them, or several",
            do="Say how the metric varies between users, or give logs that tell.",
        )
    if bool(varies) if data is not None else any(each is not None for each in learned_by):
        raise ConfigError(
            expected="columns with --data, and numbers without",
            came="both" if data is not None else "columns without --data",
            do="Past logs tell correlations and clusters; leave the numbers out, or the logs.",
        )
    with recorded(context, inputs={"data": data}, written=html, record=record) as figures:
        if data is not None:
            learned = _past_of(
                data, metric, past=past, cluster=cluster, strata=strata, many_rows=many_rows
            )
            varies = {"deviation": learned.deviation, "correlation": learned.correlation}
        elif rate is not None:
            varies["deviation"], varies["treated_deviation"] = rate_deviations(rate, effect=effect)
        else:
            varies["deviation"] = deviation
        design = TestDesign.model_validate(
            {
                **varies,
                "metric": metric,
                "effect": effect,
                "share_treated": share_treated,
                "level": level,
                "comparisons": comparisons,
                "power": power,
                "trigger_share": trigger_share,
                "cost_ratio": cost_ratio,
                "peeking": peeking,
            }
        )
        traffic = Traffic(
            users_a_week=tuple(users_a_week),
            start=None if start is None else start.date(),
            holidays=tuple(day.date() for day in holiday or ()),
            follow_up_days=follow_up_days,
            strata=dict(_parts(stratum, 2, form="NAME:SHARE")),
        )
        guards = tuple(
            Guardrail(name=name, deviation=spread, margin=margin)
            for name, spread, margin in _parts(guardrail, 3, form="NAME:DEVIATION:MARGIN")
        )
        found = make_plan(design, traffic, guardrails=guards)
        if html is not None:
            write_page(plan_document(found, traffic), html)
        figures.update({**asdict(found), "design": design.model_dump()})
        if as_json:
            typer.echo(to_line(figures))
            return
        print_section(plan_section(found, traffic), Console())
        typer.echo(plan_words(found))


def _past_of(
    data: str,
    metric: str | None,
    *,
    past: list[str] | None,
    cluster: str | None,
    strata: str | None,
    many_rows: bool,
) -> PastSpread:
    from causal_ranker.errors import ConfigError
    from causal_ranker.experiments.spread import past_spread
    from causal_ranker.logs.sources import connect, read_table

    if metric is None:
        raise ConfigError(
            expected="the metric's column in the past logs", came="none", do="Give --metric."
        )
    return past_spread(
        read_table(data, connect(), name="the past logs"),
        metric_named(metric, past),
        many_rows=many_rows,
        cluster=cluster,
        strata=strata,
    )


def _parts(words: list[str] | None, count: int, *, form: str) -> list[list[Any]]:
    """Read a name and numbers with colons between them."""
    from causal_ranker.errors import ConfigError

    found: list[list[Any]] = []
    for word in words or ():
        name, *numbers = word.rsplit(":", count - 1)
        try:
            found.append([name, *map(float, numbers)])
        except ValueError:
            numbers = []
        if len(numbers) != count - 1:
            raise ConfigError(expected=form, came=repr(word), do="Write it with colons between.")
    if len({name for name, *_ in found}) < len(found):
        raise ConfigError(
            expected=f"each name once among {form}",
            came=", ".join(map(repr, words or ())),
            do="Leave out what repeats.",
        )
    return found
