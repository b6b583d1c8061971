"""The commands ``decisions compact`` and ``forget``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    from causal_ranker.serving.decisions.compact import Compacted

__all__ = ["app", "forgetting"]

app = typer.Typer(help="Turn what a service wrote down into the next training log.")
forgetting = typer.Typer()

_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command("compact")
@on_tables
def _compact(
    context: typer.Context,
    log: Annotated[Path, typer.Argument(help="Folder of the decision log.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables; more is added to it.")],
    ids: Annotated[
        Literal["as_logged", "text"],
        typer.Option(
            help="Keep ids as integers or text, and set the odd ones aside; or all as text."
        ),
    ] = "as_logged",
    as_json: _Json = False,
) -> None:
    """Bring the closed segments of a log into tables of impressions, plays and candidates."""
    from rich.console import Console

    from causal_ranker._extras import require
    from causal_ranker.cli.recorded import recorded
    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line
    from causal_ranker.reporting.progress import Stages

    require("msgspec", extra="serve")
    from causal_ranker.serving.decisions.compact import compact

    stages = Stages(None if as_json else Console())
    # Only closed segments that are not in the tables are read, and no others for a hash.
    with recorded(context, inputs={"log": str(log)}, written=out, hashed="nothing") as figures:
        done = compact(log, out=out, ids=ids, stages=stages)
        figures.update({**dict(_summary(done)), "advice": _advice(done)})
    if as_json:
        typer.echo(to_line(figures))
        return
    note = (
        "Explained: lists whose chance of showing each candidate is known; only their rows are in "
        "'candidates', the others in 'candidates_without_propensity'."
    )
    rows = [(name.replace("_", " "), _said(value)) for name, value in _summary(done)]
    Console().print(rich_table(Table(("", "this run"), rows, note)))
    if (advice := _advice(done)) is not None:
        Console().print(advice, markup=False)


def _advice(done: Compacted) -> str | None:
    """Say how to get candidates, where no list of a run has any."""
    if done.explained or not done.decisions:
        return None
    if done.without.keys() <= {"nothing drawn", "fallback", "holdout"}:
        what = "No list of this run was drawn at random"
        how = (
            "put [exploration] with slots (as long as a page's list) and [exploration.draw] with "
            'kind = "plackett_luce" and a temperature into the config of the server'
        )
    else:
        what = "No list of this run has chances that are known"
        how = (
            "let [exploration] in the config of the server draw by plackett_luce or uniform_swaps, "
            "without list rules, as many slots as a page shows"
        )
    return (
        f"{what}, so that nothing went to 'candidates', which a training run reads (all is in "
        f"'candidates_without_propensity'): {how}."
    )


def _summary(done: Compacted) -> list[tuple[str, object]]:
    share = done.explained / done.decisions if done.decisions else None
    return [
        ("segments", done.segments),
        ("decisions", done.decisions),
        ("explained_share", share),
        ("unexplained", dict(done.without)),
        ("fallbacks", dict(done.fallbacks)),
        ("shadow_lists", done.shadows),
        ("impressions", done.impressions),
        ("candidates", done.candidates),
        ("candidates_of_chance_0", done.impossible),
        ("events", done.events),
        ("plays", done.plays),
        ("views", done.views),
        ("clicks_moved_to_their_list", done.clicks_moved),
        ("clicks_dropped", done.clicks_dropped),
        ("events_that_had_waited", done.joined),
        ("duplicates", done.duplicates),
        ("orphans", dict(done.aside)),
        ("decisions_set_aside", dict(done.refused)),
        ("unsound_decisions", done.unsound),
        (
            "damage",
            {
                f"{segment} at {each.offset}": each.size
                for segment, found in done.damage.items()
                for each in found
            },
        ),
    ]


def _said(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {count}" for name, count in value.items()) or "none"
    return "unknown" if value is None else value


@forgetting.command("forget")
@on_tables
def _forget(
    user: Annotated[str, typer.Option(help="The user's id; 5 means the integer and the text.")],
    log: Annotated[Path, typer.Option(help="Folder of the decision log.")],
    models: Annotated[
        Path | None, typer.Option(help="Registry of models, whose snapshots hold features.")
    ] = None,
    compacted: Annotated[Path | None, typer.Option(help="Folder of compacted tables.")] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            help="A Redis server that features were pushed to.", envvar="CAUSAL_RANKER_REDIS"
        ),
    ] = None,
    review: Annotated[
        Path | None, typer.Option(help="A review queue, whose rows of the user go.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(help="Seconds to wait for the segment that a running service writes."),
    ] = 0.0,
    as_json: _Json = False,
) -> None:
    """Erase a user from the log, compacted tables, snapshots of models, Redis, and reviews."""
    from rich.console import Console

    from causal_ranker._extras import require
    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line

    require("msgspec", extra="serve")
    from causal_ranker.serving.forget import forget

    lines = forget(
        user,
        log=log,
        models=models,
        compacted=compacted,
        redis=redis,
        review=review,
        wait_s=wait,
    )
    if as_json:
        typer.echo(to_line({"user_id": user, "erased": [list(line) for line in lines]}))
        return
    rows = lines or [("nothing", "", 0)]
    Console().print(rich_table(Table(("where", "what", "erased"), rows)))
