"""The commands ``review list``, ``show``, ``decide``, ``add``, ``export`` and ``import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    from causal_ranker.drift.review.entries import Entry

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Look at alerts and rows that wait for a person, and say what is so."
)

_Queue = Annotated[Path, typer.Argument(help="File of the review queue.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="The entry's id.")]
_File = Annotated[Path, typer.Argument(help="A file that ends in .jsonl, .csv or .parquet.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command("list")
@on_tables
def _list(
    queue: _Queue,
    kind: Annotated[Literal["all", "alert", "row"], typer.Option(help="Which entries.")] = "all",
    decided: Annotated[
        bool, typer.Option("--decided", help="Also those that have a verdict.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """List what waits for a verdict, those from which most is learned first."""
    from rich.console import Console

    from causal_ranker.drift.review.entries import standing
    from causal_ranker.drift.review.queue import ReviewQueue
    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line

    with ReviewQueue(queue, create=False) as opened:
        found = opened.entries(kind=None if kind == "all" else kind, waiting=not decided)
    if as_json:
        typer.echo(to_line({"entries": [_plain(entry) for entry in found]}))
        return
    rows = [
        (e.id, e.kind, _about(e), e.reason, "" if (said := standing(e)) is None else said.kind)
        for e in found
    ]
    note = "" if rows else "Nothing waits for a verdict."
    Console().print(rich_table(Table(("id", "kind", "about", "why here", "verdict"), rows, note)))


@app.command("show")
@on_tables
def _show(queue: _Queue, entry: _Id, as_json: _Json = False) -> None:
    """Show an entry and all that was said of it."""
    from rich.console import Console

    from causal_ranker.drift.review.entries import VERDICTS
    from causal_ranker.drift.review.queue import ReviewQueue
    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line

    with ReviewQueue(queue, create=False) as opened:
        found = opened.entry(entry)
    plain = _plain(found)
    if as_json:
        typer.echo(to_line(plain))
        return
    said, about = plain.pop("verdicts"), plain.pop("about")
    rows = [(name, str(value)) for name, value in {**plain, **about}.items()]
    note = f"Of it can be said: {', '.join(VERDICTS[found.kind])}."
    Console().print(rich_table(Table(("what", "is"), rows, note)))
    if said:
        history = [(v["at"], v["who"], v["kind"], v["why"]) for v in said]
        Console().print(
            rich_table(Table(("when", "who", "verdict", "why"), history, "The last stands."))
        )


@app.command("decide")
@on_tables
def _decide(
    queue: _Queue,
    entry: _Id,
    verdict: Annotated[
        Literal[
            "real_drift",
            "false_alarm",
            "known_change",
            "label_confirmed",
            "label_corrected",
            "unsure",
        ],
        typer.Argument(
            help="What is so. A false alarm must be larger to be told again; unsure takes back "
            "what was said before."
        ),
    ],
    who: Annotated[str, typer.Option(help="Who says so.", envvar="CAUSAL_RANKER_REVIEWER")],
    why: Annotated[str, typer.Option(help="For which reason.")],
    as_json: _Json = False,
) -> None:
    """Record a verdict; it takes the place of an earlier one, which is kept."""
    from dataclasses import asdict

    from causal_ranker.drift.review.entries import Alert, VerdictKind
    from causal_ranker.drift.review.feedback import raised_effects
    from causal_ranker.drift.review.queue import ReviewQueue
    from causal_ranker.reporting.json import to_line

    with ReviewQueue(queue, create=False) as opened:
        said = opened.decide(entry, VerdictKind(verdict), who=who, why=why)
        about = opened.entry(entry).about
        raised = raised_effects(opened.entries(kind="alert"))
    here = [
        each
        for each in raised
        if isinstance(about, Alert)
        and (each.detector, each.subject, each.segment)
        == (about.detector, about.subject, about.segment)
    ]
    if as_json:
        typer.echo(to_line({**asdict(said), "entry": entry, "raised": [asdict(r) for r in here]}))
        return
    typer.echo(f"{entry}: {said.kind}")
    for each in here:
        typer.echo(f"{each.signal} of {each.subject or each.detector}: told from {each.effect:.3g}")


@app.command("add")
@on_tables
def _add(
    queue: _Queue,
    labels: Annotated[str, typer.Argument(help="Parquet or CSV file(s) with rows of the labels.")],
    margin: Annotated[
        str | None,
        typer.Option(help="Column of distances from a decision; rows near it are worth a look."),
    ] = None,
    residual: Annotated[
        str | None,
        typer.Option(help="Column of outcomes less predictions; large ones are worth a look."),
    ] = None,
    times_seen: Annotated[
        str | None,
        typer.Option(help="Column of how often the row's category was seen; few is worth a look."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Most rows to add.")] = 20,
    as_json: _Json = False,
) -> None:
    """Add the rows from which a look would teach most; a queue is made if there is none."""
    from datetime import UTC, datetime

    from causal_ranker.drift.review.informative import most_informative
    from causal_ranker.drift.review.intake import ROW_COLUMNS, row_entries
    from causal_ranker.drift.review.queue import ReviewQueue
    from causal_ranker.logs.rules import require_columns
    from causal_ranker.logs.sources import connect, read_table
    from causal_ranker.reporting.json import to_line

    named = {"margin": margin, "residual": residual, "times_seen": times_seen}
    criteria = {name: column for name, column in named.items() if column is not None}
    table = read_table(labels, connect(), name="labels")
    require_columns(table, [*ROW_COLUMNS, *criteria.values()], name="the labels")
    frame = table.select(*dict.fromkeys([*ROW_COLUMNS, *criteria.values()])).to_pandas()
    known = {name: frame[column].to_numpy() for name, column in criteria.items()}
    entries = row_entries(frame, most_informative(rows, **known), at=datetime.now(UTC))
    with ReviewQueue(queue) as opened:
        new = opened.add(entries)
    told = {"looked_at": len(frame), "chosen": len(entries), "new": new}
    typer.echo(
        to_line(told)
        if as_json
        else f"{len(entries)} of {len(frame)} rows chosen, {new} of them new"
    )


@app.command("export")
@on_tables
def _export(
    queue: _Queue,
    file: _File,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Only rows whose label was corrected, as rows of labels."),
    ] = False,
    as_json: _Json = False,
) -> None:
    """Write all entries with their history, or corrected labels, to a file."""
    from causal_ranker.drift.review.files import write_entries, write_rows
    from causal_ranker.drift.review.labels import corrected_labels
    from causal_ranker.drift.review.queue import ReviewQueue
    from causal_ranker.reporting.json import to_line

    with ReviewQueue(queue, create=False) as opened:
        found = opened.entries(kind="row" if labels else None)
    if labels:
        rows = corrected_labels(found)
        write_rows(rows, file)
        count, what = rows.num_rows, "corrected labels"
    else:
        write_entries(found, file)
        count, what = len(found), "entries"
    told = {"file": str(file), "rows": count}
    typer.echo(to_line(told) if as_json else f"{count} {what} in {file}")


@app.command("import")
@on_tables
def _import(queue: _Queue, file: _File, as_json: _Json = False) -> None:
    """Add entries and verdicts of a file to a queue, which is made if there is none."""
    from causal_ranker.drift.review.files import read_entries
    from causal_ranker.drift.review.queue import ReviewQueue
    from causal_ranker.reporting.json import to_line

    entries = read_entries(file)
    with ReviewQueue(queue) as opened:
        new = opened.add(entries)
    told = {"read": len(entries), "new": new}
    typer.echo(to_line(told) if as_json else f"{len(entries)} entries read, {new} of them new")


def _plain(entry: Entry) -> dict[str, Any]:
    from dataclasses import asdict

    return {"id": entry.id, "kind": entry.kind, **asdict(entry)}


def _about(entry: Entry) -> str:
    from causal_ranker.drift.review.entries import Alert

    about = entry.about
    if isinstance(about, Alert):
        segment = "" if about.segment is None else f" ({about.segment})"
        return f"{about.detector}: {about.subject}{segment}, {about.window}"
    return f"user {about.user_id}, item {about.item_id}, {about.t0:%Y-%m-%d %H:%M}"
