"""The root of the command line: global options, and what an error looks like."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from causal_ranker import __version__
from causal_ranker.cli import (
    attribute,
    coldstart,
    decisions,
    experiment,
    explain,
    features,
    init,
    interleave,
    keys,
    label,
    link,
    logs,
    models,
    monitor,
    quasi,
    registry,
    review,
    runs,
    serve,
)
from causal_ranker.cli.told import on_tables, tell
from causal_ranker.errors import CausalRankerError, ConfigError

__all__ = ["app", "main"]

_DEBUG = "--debug"


class _Commands(TyperGroup):
    """Turns an error raised on purpose into one line and exit code 2."""

    def invoke(self, ctx: Any) -> Any:  # typer's own type for it is private
        try:
            return super().invoke(ctx)
        except CausalRankerError as error:
            if ctx.params["debug"]:
                traceback.print_exception(error)
            else:
                tell(error)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Rank by uplift: the plays that happen because an item was shown.",
)
app.add_typer(models.app)
app.add_typer(serve.app)
app.add_typer(attribute.app)
app.add_typer(label.app)
app.add_typer(logs.app)
app.add_typer(monitor.app)
app.add_typer(init.app)
app.add_typer(explain.app)
experiment.app.add_typer(interleave.app)
experiment.app.add_typer(link.app)
experiment.app.add_typer(quasi.app, name="quasi")
app.add_typer(experiment.app, name="experiment")
app.add_typer(coldstart.app, name="coldstart")
app.add_typer(runs.app, name="runs")
app.add_typer(keys.app, name="keys")
app.add_typer(features.app, name="features")
app.add_typer(decisions.app, name="decisions")
app.add_typer(decisions.forgetting)
app.add_typer(registry.app, name="models")
app.add_typer(review.app, name="review")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; by default the process's own.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if _DEBUG in words:  # a global option, which people write where they stand: at the end
        words = [_DEBUG, *(word for word in words if word != _DEBUG)]
    app(words, prog_name="causal-ranker")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"causal-ranker {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    # Both are read elsewhere: `debug` where an error arrives, `version` in its callback.
    del debug, version


@app.command("demo")
@on_tables
def _demo(
    data: Annotated[
        Literal["journey", "world"],
        typer.Option(help="Real grocery logs, or a simulated service whose true uplift is known."),
    ] = "journey",
    full: Annotated[
        bool, typer.Option("--full", help="Train on every row of the grocery logs, not a sample.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the report and the model.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
) -> None:
    """Run the whole chain and show which list causes more."""
    if full and data != "journey":
        raise ConfigError(
            expected="--full with --data journey, whose training rows are otherwise a sample",
            came=f"--full with --data {data}, which is never sampled",
            do="Leave out --full.",
        )
    from rich.console import Console

    from causal_ranker.demo import run_demo
    from causal_ranker.evaluation.origin import package_versions
    from causal_ranker.logs.datasets.complete_journey import journey_folder
    from causal_ranker.runs.record import recording

    with recording(
        out,
        "demo",
        settings={"data": data, "full": full, "seed": seed},
        # A world is made of its seed and reads nothing.
        inputs={"complete journey": str(journey_folder())} if data == "journey" else {},
        versions=package_versions(),
        hashed="bytes",
    ) as record:
        result = run_demo(data=data, out=out, full=full, seed=seed, console=Console())
        record.settings["config"] = result.config
        record.figures = result.figures


@app.command("doctor")
def _doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Look at this machine and say what would get in the way."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.doctor import as_section, diagnose, worst
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.json import to_line

    findings = diagnose()
    if as_json:
        told = [asdict(each) for each in findings]
        typer.echo(to_line({"worst": worst(findings), "findings": told}))
    else:
        print_section(as_section(findings), Console())
    if worst(findings) == "fail":
        raise typer.Exit(1)
