"""The commands that learn from log files: ``fit`` and ``evaluate``."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables

if TYPE_CHECKING:
    from causal_ranker.ranker import CausalRanker

__all__ = ["app"]

app = typer.Typer()


@app.command("fit")
@on_tables
def _fit(
    impressions: o.Impressions,
    plays: o.Plays,
    candidates: o.Candidates,
    users: o.Users = None,
    items: o.Items = None,
    horizon_hours: o.HorizonHours = None,
    log_end: o.LogEnd = None,
    base: o.Base = "logged",
    learner: o.Learner = "auto",
    policy: o.PolicyName = "auto",
    k: o.Slots = 10,
    config: o.Config = None,
    seed: o.Seed = 0,
    resume: o.Resume = None,
    out: Annotated[Path, typer.Option(help="Registry of models.")] = Path("runs/model"),
) -> None:
    """Learn from logs and publish a model."""
    from rich.console import Console

    from causal_ranker.cli.settings import tell
    from causal_ranker.evaluation.background import stages_section
    from causal_ranker.evaluation.origin import package_versions
    from causal_ranker.reporting.console import print_section
    from causal_ranker.runs import recording
    from causal_ranker.serving.registry import check_target

    check_target(out)  # before the training, not after it
    ranker = _ranker(
        base=base,
        learner=learner,
        policy=policy,
        k=k,
        horizon_hours=horizon_hours,
        config=config,
        seed=seed,
        resume=resume,
    )
    inputs = _inputs(impressions, plays, candidates, users, items)
    with recording(
        out,
        "fit",
        settings=_settings(ranker, log_end=log_end),
        inputs=inputs,
        versions=package_versions(),
    ) as record:
        ranker.fit(
            impressions, plays, candidates=candidates, users=users, items=items, log_end=log_end
        )
        tell(*ranker.quarantines_)
        _tell_resumed(ranker)
        folder = ranker.save(out)
        record.figures = {"policy": ranker.policy_name_, "rows": dict(ranker.trained_.rows)}
    print_section(stages_section(list(ranker.trained_.rows.items())), Console())
    typer.echo(f"policy: {ranker.policy_name_}")
    typer.echo(f"model: {folder}")


@app.command("evaluate")
@on_tables
def _evaluate(
    context: typer.Context,
    impressions: o.Impressions,
    plays: o.Plays,
    candidates: o.Candidates,
    holdout_from: Annotated[
        datetime,
        typer.Option(
            parser=o.moment,
            metavar="ISO",
            help="Learn from what came before this moment, report on what came from then on.",
        ),
    ],
    users: o.Users = None,
    items: o.Items = None,
    horizon_hours: o.HorizonHours = None,
    log_end: o.LogEnd = None,
    base: o.Base = "logged",
    learner: o.Learner = "auto",
    policy: o.PolicyName = "auto",
    k: o.Slots = 10,
    config: o.Config = None,
    seed: o.Seed = 0,
    resume: o.Resume = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path(
        "runs/evaluate"
    ),
) -> None:
    """Learn from the earlier part of the logs and judge the policy on the later part."""
    from rich.console import Console

    from causal_ranker.chain.logs import connection_of, read_logs
    from causal_ranker.chain.split import split_logs
    from causal_ranker.cli.again import command_line
    from causal_ranker.cli.settings import tell
    from causal_ranker.errors import OverlapError
    from causal_ranker.evaluation.origin import package_versions, reproduce_section
    from causal_ranker.evaluation.report import refused_report
    from causal_ranker.evaluation.sections import policies_section
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.places import make_folder
    from causal_ranker.runs import recording

    page, machine = out / "report.html", out / "report.json"
    make_folder(out)  # before the work, not after it
    check_page(page)
    check_page(machine)
    ranker = _ranker(
        base=base,
        learner=learner,
        policy=policy,
        k=k,
        horizon_hours=horizon_hours,
        config=config,
        seed=seed,
        resume=resume,
    )
    settings = _settings(ranker, log_end=log_end, holdout_from=holdout_from)
    inputs = _inputs(impressions, plays, candidates, users, items)
    with recording(
        out, "evaluate", settings=settings, inputs=inputs, versions=package_versions()
    ) as record:
        logs = read_logs(
            connection_of(config=ranker.config),
            impressions=impressions,
            plays=plays,
            candidates=candidates,
            users=users,
            items=items,
            config=ranker.config,
        )
        tell(*logs.quarantines)
        past, later = split_logs(logs, at=holdout_from)
        again = reproduce_section(
            commands=[command_line(context)],
            seed=seed,
            versions=record.versions,
            files=record.inputs,
        )
        try:
            ranker.fit(
                past.impressions,
                past.plays,
                candidates=past.candidates,
                users=past.users,
                items=past.items,
                log_end=holdout_from,
            )
            _tell_resumed(ranker)
            report = ranker.evaluate(
                later.impressions, later.plays, candidates=later.candidates, log_end=log_end
            ).with_sections([again])
        except OverlapError as error:
            # An older report may lie there, and would be read as the answer.
            machine.unlink(missing_ok=True)
            typer.echo(f"report: {write_page(refused_report(error, background=[again]), page)}")
            raise
        record.figures = {"policy": ranker.policy_name_, "verdict": report.document.verdict}
    print_section(policies_section(report.evaluation), Console())
    typer.echo(report.document.verdict)
    machine.write_text(report.to_json(), encoding="utf-8")
    typer.echo(f"report: {report.to_html(page)}")


def _tell_resumed(ranker: CausalRanker) -> None:
    if ranker.checkpoint_ is not None:
        typer.echo(f"nuisances: {ranker.checkpoint_}")


def _settings(ranker: CausalRanker, **others: object) -> dict[str, object]:
    config = None if ranker.config is None else ranker.config.model_dump(mode="json")
    return {**ranker.get_params(deep=False), "config": config, **others}


def _inputs(
    impressions: str, plays: str, candidates: str, users: str | None, items: str | None
) -> dict[str, str | None]:
    return {
        "impressions": impressions,
        "plays": plays,
        "candidates": candidates,
        "users": users,
        "items": items,
    }


def _ranker(
    *,
    base: Literal["logged", "boosted"],
    learner: str,
    policy: Literal["auto", "uplift", "blend", "base"],
    k: int,
    horizon_hours: float | None,
    config: Path | None,
    seed: int,
    resume: Path | None,
) -> CausalRanker:
    from causal_ranker.chain.config import ChainConfig
    from causal_ranker.ranker import CausalRanker

    return CausalRanker(
        learner=learner,
        policy=policy,
        base=None if base == "logged" else base,
        k=k,
        horizon_hours=horizon_hours,
        config=None if config is None else ChainConfig.from_toml(config),
        seed=seed,
        checkpoint=None if resume is None else str(resume),
        progress=sys.stderr.isatty(),  # elsewhere an error's one line has to stand alone
    )
