"""The commands that learn from log files: ``fit`` and ``evaluate``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from causal_ranker.cli import options as o
from causal_ranker.cli.told import on_tables
from causal_ranker.errors import ConfigError

if TYPE_CHECKING:
    from causal_ranker.chain.project import ProjectConfig
    from causal_ranker.cli.sources import Sources
    from causal_ranker.ranker import CausalRanker
    from causal_ranker.runs.record import RunRecord

__all__ = ["app"]

app = typer.Typer()


@app.command("fit")
@on_tables
def _fit(
    impressions: o.ImpressionsIfAny = None,
    plays: o.PlaysIfAny = None,
    candidates: o.CandidatesIfAny = None,
    users: o.Users = None,
    items: o.Items = None,
    horizon_hours: o.HorizonHours = None,
    log_end: o.LogEnd = None,
    base: o.Base = None,
    learner: o.Learner = "auto",
    policy: o.PolicyName = "auto",
    k: o.Slots = None,
    config: o.Config = None,
    seed: o.Seed = 0,
    resume: o.Resume = None,
    mlflow: o.Mlflow = None,
    out: Annotated[Path, typer.Option(help="Registry of models.")] = Path("runs/model"),
) -> None:
    """Learn from logs and publish a model."""
    from rich.console import Console

    from causal_ranker.chain.logs import connection_of
    from causal_ranker.cli.settings import project_config, tell
    from causal_ranker.cli.sources import with_candidates
    from causal_ranker.evaluation.background import stages_section
    from causal_ranker.evaluation.origin import package_versions
    from causal_ranker.reporting.console import print_section
    from causal_ranker.runs.record import recording
    from causal_ranker.serving.registry import check_target

    check_target(out)  # before the training, not after it
    project = project_config(config)
    also = _tracking(mlflow)
    ranker = _ranker(
        project,
        base=base,
        learner=learner,
        policy=policy,
        k=k,
        horizon_hours=horizon_hours,
        from_file=config is not None,
        seed=seed,
        resume=resume,
    )
    sources = _sources(
        project,
        impressions=impressions,
        plays=plays,
        candidates=candidates,
        users=users,
        items=items,
    )
    with recording(
        out,
        "fit",
        settings=_settings(ranker, log_end=log_end),
        inputs=sources.paths,
        versions=package_versions(),
        also=also,
    ) as record:
        tables = sources
        if project.run.every_item:  # elsewhere the ranker opens an engine of its own
            connection = connection_of(config=ranker.config)
            tables = with_candidates(connection, sources, config=project)
        ranker.fit(
            tables.impressions,
            tables.plays,
            candidates=tables.candidates,
            users=tables.users,
            items=tables.items,
            log_end=log_end,
        )
        tell(*ranker.quarantines_)
        _tell_resumed(ranker)
        record.settings["config"] = ranker.config_.model_dump(mode="json")
        folder = ranker.save(out)
        record.figures = {
            "policy": ranker.policy_name_,
            "rows": dict(ranker.trained_.rows),
            "seconds": _seconds(ranker),
        }
    print_section(stages_section(list(ranker.trained_.rows.items())), Console())
    typer.echo(f"policy: {ranker.policy_name_}")
    typer.echo(f"model: {folder}")


@app.command("evaluate")
@on_tables
def _evaluate(
    context: typer.Context,
    impressions: o.ImpressionsIfAny = None,
    plays: o.PlaysIfAny = None,
    candidates: o.CandidatesIfAny = None,
    holdout_from: Annotated[
        datetime | None,
        typer.Option(
            parser=o.moment,
            metavar="ISO",
            help="Learn from what came before this moment, report on what came from then on; or "
            "the one that --config names.",
        ),
    ] = None,
    users: o.Users = None,
    items: o.Items = None,
    horizon_hours: o.HorizonHours = None,
    log_end: o.LogEnd = None,
    base: o.Base = None,
    learner: o.Learner = "auto",
    policy: o.PolicyName = "auto",
    k: o.Slots = None,
    config: o.Config = None,
    seed: o.Seed = 0,
    resume: o.Resume = None,
    mlflow: o.Mlflow = None,
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path(
        "runs/evaluate"
    ),
) -> None:
    """Learn from the earlier part of the logs and judge the policy on the later part."""
    from rich.console import Console

    from causal_ranker.chain.logs import connection_of, read_logs
    from causal_ranker.chain.report import summary
    from causal_ranker.chain.split import split_logs
    from causal_ranker.cli.again import command_line
    from causal_ranker.cli.settings import project_config, tell
    from causal_ranker.cli.sources import with_candidates
    from causal_ranker.errors import OverlapError
    from causal_ranker.evaluation.origin import package_versions, reproduce_section
    from causal_ranker.evaluation.report import refused_report
    from causal_ranker.evaluation.sections import policies_section
    from causal_ranker.reporting.console import print_section
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.places import make_folder
    from causal_ranker.runs.record import recording

    page, machine = out / "report.html", out / "report.json"
    make_folder(out)  # before the work, not after it
    check_page(page)
    check_page(machine)
    also = _tracking(mlflow)
    project = project_config(config)
    holdout_from = holdout_from or project.run.holdout_from
    if holdout_from is None:
        raise ConfigError(
            expected="--holdout-from, or holdout_from below [run] in the file of --config",
            came="neither",
            do="Give the moment from which lists are judged; what came before is learned from.",
        )
    ranker = _ranker(
        project,
        base=base,
        learner=learner,
        policy=policy,
        k=k,
        horizon_hours=horizon_hours,
        from_file=config is not None,
        seed=seed,
        resume=resume,
    )
    settings = _settings(ranker, log_end=log_end, holdout_from=holdout_from)
    sources = _sources(
        project,
        impressions=impressions,
        plays=plays,
        candidates=candidates,
        users=users,
        items=items,
    )
    with recording(
        out,
        "evaluate",
        settings=settings,
        inputs=sources.paths,
        versions=package_versions(),
        also=also,
    ) as record:
        connection = connection_of(config=ranker.config)
        tables = with_candidates(connection, sources, config=project)
        logs = read_logs(
            connection,
            impressions=tables.impressions,
            plays=tables.plays,
            candidates=tables.candidates,
            users=tables.users,
            items=tables.items,
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
            record.settings["config"] = ranker.config_.model_dump(mode="json")
            report = ranker.evaluate(
                later.impressions, later.plays, candidates=later.candidates, log_end=log_end
            ).with_sections([again])
        except OverlapError as error:
            # An older report may lie there, and would be read as the answer.
            machine.unlink(missing_ok=True)
            typer.echo(f"report: {write_page(refused_report(error, background=[again]), page)}")
            raise
        record.figures = {
            **summary(report, policy=ranker.policy_name_),
            "verdict": report.document.verdict,
            "share_left_out": report.evaluation.share_left_out,
            "seconds": _seconds(ranker),
        }
    print_section(policies_section(report.evaluation), Console())
    typer.echo(report.document.verdict)
    machine.write_text(report.to_json(), encoding="utf-8")
    typer.echo(f"report: {report.to_html(page)}")


def _tell_resumed(ranker: CausalRanker) -> None:
    if ranker.checkpoint_ is not None:
        typer.echo(f"nuisances: {ranker.checkpoint_}")


def _tracking(uri: str | None) -> Callable[[RunRecord, Path], None] | None:
    if uri is None:
        return None
    from causal_ranker.runs.mlflow import open_tracking

    return open_tracking(uri)


def _seconds(ranker: CausalRanker) -> dict[str, float]:
    return {stage: round(seconds, 1) for stage, seconds in ranker.stages_.seconds.items()}


def _settings(ranker: CausalRanker, **others: object) -> dict[str, object]:
    return {**ranker.get_params(deep=False), **others}


def _sources(project: ProjectConfig, **options: str | None) -> Sources:
    from causal_ranker.cli.sources import find_sources

    needed: tuple[str, ...] = ("impressions", "plays")
    if not project.run.every_item:
        needed = (*needed, "candidates")
    return find_sources(project, needed=needed, **options)


def _ranker(
    project: ProjectConfig,
    *,
    base: Literal["logged", "boosted"] | None,
    learner: str,
    policy: Literal["auto", "uplift", "blend", "base"],
    k: int | None,
    horizon_hours: float | None,
    from_file: bool,
    seed: int,
    resume: Path | None,
) -> CausalRanker:
    from causal_ranker.ranker import CausalRanker

    asked = project.run
    base = base or asked.base
    return CausalRanker(
        learner=learner,
        policy=policy,
        base=None if base == "logged" else base,
        k=asked.k if k is None else k,
        horizon_hours=asked.horizon_hours if horizon_hours is None else horizon_hours,
        config=project.chain if from_file else None,  # without a file, covariates are found
        seed=seed,
        checkpoint=None if resume is None else str(resume),
        progress=sys.stderr.isatty(),  # elsewhere an error's one line has to stand alone
    )
