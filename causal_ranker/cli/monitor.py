"""The command ``monitor``: a window of a table beside its reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from causal_ranker.cli.options import Memory, Record, Threads
from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    import ibis

    from causal_ranker.drift.health.roles import Roles, Sides
    from causal_ranker.drift.monitor import MonitorReport
    from causal_ranker.drift.review.feedback import Raised

__all__ = ["app"]

app = typer.Typer()

# Of what is found this is kept in the record of a run; a page or --json tells all.
_KEPT = ("verdict", "advice", "exit_code", "drifted", "new_alerts_to_review")


@app.command("monitor")
@on_tables
def _monitor(
    context: typer.Context,
    reference: Annotated[str, typer.Option(help="Parquet or CSV file(s) of the reference.")],
    window: Annotated[str, typer.Option(help="Parquet or CSV file(s) to judge.")],
    columns: Annotated[
        str | None,
        typer.Option(help="Columns to compare, with commas between; all but ids by default."),
    ] = None,
    day: Annotated[
        str | None,
        typer.Option(
            help="Column of dates or times: compare a Monday with the reference's Mondays, and "
            "learn from its weeks (eight are good) what is usual."
        ),
    ] = None,
    weekly: Annotated[
        bool, typer.Option(help="Whether weekdays differ; if not, any day is compared with all.")
    ] = True,
    segment: Annotated[
        str | None, typer.Option(help="Column whose values are also looked at one by one.")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE=COLUMN, as often as needed: what a column tells of the model, which is then "
            "checked. Roles: user, request, base_rank, rank, base_score, score, uplift, chance, "
            "outcome, propensity, treatment, changed, fallback, organic, aipw, group, delay, "
            "followed, proxy."
        ),
    ] = None,
    together: Annotated[
        bool,
        typer.Option(
            help="Whether columns are also looked at together: components, clusters, kernel means, "
            "a classifier."
        ),
    ] = True,
    level: Annotated[
        float, typer.Option(help="Share of windows without drift in which anything may alarm.")
    ] = 0.05,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with settings of causal_ranker.drift.monitor.MonitorConfig; it takes "
            "the place of --day, --weekly, --segment, --role, --together and --level."
        ),
    ] = None,
    metrics: Annotated[
        Path | None, typer.Option(help="Text of the service's /metrics at the window's end.")
    ] = None,
    metrics_before: Annotated[
        Path | None, typer.Option(help="The same at the window's beginning.")
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(help="A service's decision log: its lists on the window's days, in UTC."),
    ] = None,
    decisions_before: Annotated[
        Path | None,
        typer.Option(help="The log of the reference's days, if another; without days, all of it."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Where to write a page.")] = None,
    gauges: Annotated[
        Path | None,
        typer.Option(help="A .prom file for the node exporter's textfile collector."),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(
            help="A review queue: alerts enter it, and verdicts on false alarms raise thresholds. "
            "One for each kind of table."
        ),
    ] = None,
    threads: Threads = None,
    memory: Memory = None,
    record: Record = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Say what has drifted, and what to do.

    Exit codes: 0 nothing, 10 watch, 11 retrain, 12 stop exploring or serving; 2 is input that
    cannot be used.
    """
    from rich.console import Console

    from causal_ranker.cli.recorded import recorded
    from causal_ranker.drift.gauges import write_gauges
    from causal_ranker.drift.monitor import MonitorConfig, monitor
    from causal_ranker.drift.sections import drift_document, drift_summary
    from causal_ranker.drift.service import read_metrics, service_findings
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.json import to_line

    if config is not None:
        settings = MonitorConfig.from_toml(config)
    else:
        settings = MonitorConfig(
            level=level,
            day=day,
            weekly=weekly,
            segment=segment,
            roles=_roles(role or []),
            together=together,
        )
    if html is not None:
        check_page(html)
    _check_ends(metrics=(metrics_before, metrics), decisions=(decisions_before, decisions))
    read = {
        "reference": reference,
        "window": window,
        **_paths(
            metrics_before=metrics_before,
            metrics=metrics,
            decisions_before=decisions_before,
            decisions=decisions,
        ),
    }
    with recorded(
        context, inputs=read, written=html or gauges, record=record, config=settings
    ) as figures:
        before, now = (
            None if path is None else read_metrics(_text(path))
            for path in (metrics_before, metrics)
        )
        raised = () if review is None else _raised(review)
        connection = connect(threads=threads, memory_limit=memory)
        tables = [
            read_table(source, connection, name=name)
            for source, name in ((reference, "reference"), (window, "window"))
        ]
        served = []
        if decisions is not None:
            served = _served(decisions_before, decisions, tables, day=settings.day)
        report = monitor(
            *tables,
            columns=None if columns is None else [name.strip() for name in columns.split(",")],
            config=settings,
            findings=[] if now is None else service_findings(now, before=before),
            served=served,
            raised=raised,
        )
        if html is not None:
            write_page(drift_document(report), html)
        if gauges is not None:
            write_gauges(report, gauges)
        new = None if review is None else _enter(report, review)
        told = {**report.to_dict(), "new_alerts_to_review": new}
        figures.update({name: told[name] for name in _KEPT})
        if as_json:
            typer.echo(to_line(told))
        else:
            print_section(drift_summary(report), Console())
            typer.echo(report.verdict.sentence)
            if new:
                typer.echo(f"{new} new alerts to review: causal-ranker review list {review}")
    if code := report.verdict.exit_code:
        raise typer.Exit(code)


def _paths(**inputs: Path | None) -> dict[str, str | None]:
    return {name: None if path is None else str(path) for name, path in inputs.items()}


def _roles(words: list[str]) -> Roles:
    from causal_ranker.drift.health.roles import Roles
    from causal_ranker.errors import ConfigError

    found: dict[str, Any] = {}
    proxies: list[str] = []
    for word in words:
        role, _, column = (part.strip() for part in word.partition("="))
        if not column or role in found or role == "proxies":
            raise ConfigError(
                expected="--role ROLE=COLUMN, each role once (proxy as often as needed)",
                came=repr(word),
                do="Write it like --role outcome=played.",
            )
        if role == "proxy":
            proxies.append(column)
        else:
            found[role] = column
    return Roles(**found, proxies=tuple(proxies))


def _check_ends(**spans: tuple[Path | None, Path | None]) -> None:
    from causal_ranker.errors import ConfigError

    for name, (beginning, end) in spans.items():
        if beginning is not None and end is None:
            raise ConfigError(
                expected=f"--{name}, too, where --{name}-before is given",
                came=f"--{name}-before {beginning} alone",
                do="Give that of the window, or neither.",
            )


def _served(
    before: Path | None, now: Path, tables: list[ibis.Table], *, day: str | None
) -> list[Sides]:
    from causal_ranker._extras import require
    from causal_ranker.drift.dated import first_and_last_day
    from causal_ranker.errors import ConfigError

    require("msgspec", extra="serve")
    from causal_ranker.serving.decisions.served import served_sides

    if day is None and before is None:
        raise ConfigError(
            expected="--day, by whose days the log is taken apart, or --decisions-before",
            came="neither",
            do="Name the column of days, or give the log of the reference.",
        )
    spans = [None if day is None else first_and_last_day(table, day) for table in tables]
    return served_sides(before or now, now, days_before=spans[0], days_now=spans[1])


def _raised(path: Path) -> tuple[Raised, ...]:
    from causal_ranker.drift.review.feedback import raised_effects
    from causal_ranker.drift.review.queue import ReviewQueue

    with ReviewQueue(path) as queue:
        return raised_effects(queue.entries(kind="alert"))


def _enter(report: MonitorReport, path: Path) -> int:
    from datetime import UTC, datetime

    from causal_ranker.drift.review.intake import alert_entries
    from causal_ranker.drift.review.queue import ReviewQueue

    with ReviewQueue(path) as queue:
        return queue.add(alert_entries(report, at=datetime.now(UTC)))


def _text(path: Path) -> str:
    from causal_ranker.errors import ConfigError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            expected=f"a readable text file at {path}",
            came=str(error),
            do="Save what the service's /metrics answers, and check the path.",
        ) from error
