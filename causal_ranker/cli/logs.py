"""The commands on log files: ``attribute``, ``label``, ``fit`` and ``evaluate``."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from causal_ranker.cli import options as o

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

    from causal_ranker.chain.config import ChainConfig
    from causal_ranker.logs.quarantine import Quarantine
    from causal_ranker.ranker import CausalRanker

__all__ = ["app"]

app = typer.Typer()


@app.command("attribute")
def _attribute(
    impressions: o.Impressions,
    plays: o.Plays,
    touch: Annotated[
        Literal["last", "first", "linear", "time_decay", "position", "shapley"],
        typer.Option(
            help="Which of the eligible impressions gets the credit. shapley learns from these "
            "logs what surfaces share."
        ),
    ] = "last",
    window_hours: Annotated[float, typer.Option(help="View-through window.")] = 24.0,
    minimum_seconds: Annotated[float, typer.Option(help="A shorter play does not count.")] = 0.0,
    viewable_only: Annotated[
        bool, typer.Option("--viewable-only", help="Leave out impressions known not to be viewable")
    ] = False,
    click_window_hours: Annotated[
        float | None, typer.Option(help="Click-through window, counted from the click.")
    ] = None,
    half_life_hours: Annotated[float, typer.Option(help="Half-life of time_decay.")] = 12.0,
    most_impressions_a_day: Annotated[
        int | None,
        typer.Option(
            help="Leave out days on which a user was shown more: people do not see so many."
        ),
    ] = None,
    quarantine: o.Quarantine = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    out: o.Table = None,
) -> None:
    """Credit each play to the impressions that led to it, or to none."""
    from rich.console import Console

    from causal_ranker.attribution.attribute import attribute
    from causal_ranker.attribution.config import AttributionConfig
    from causal_ranker.attribution.shapley import learn_surface_shares
    from causal_ranker.attribution.warnings import attribution_warnings
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.cli.tables import TableFile, credits_section, surface_shares_section
    from causal_ranker.columns import Columns as C
    from causal_ranker.logs.sources import connect
    from causal_ranker.reporting.console import print_section

    file = None if out is None else TableFile.at(out)
    learned = touch == "shapley"
    config = AttributionConfig(
        touch="last" if learned else touch,
        window_hours=window_hours,
        minimum_seconds=minimum_seconds,
        viewable_only=viewable_only,
        click_window_hours=click_window_hours,
        half_life_hours=half_life_hours,
        most_impressions_a_day=most_impressions_a_day,
    )
    connection = connect(threads=threads, memory_limit=memory)
    rules = _bad_rows(quarantine)
    shown, bad = read_checked(connection, impressions, name="impressions", config=rules)
    played, worse = read_checked(connection, plays, name="plays", config=rules)
    _tell(bad, worse)
    if learned:
        end = played[C.PLAYED_AT].max().to_pyarrow().as_py()
        shares = learn_surface_shares(shown, played, config=config, log_end=end)
        print_section(surface_shares_section(shares), Console())
        config = AttributionConfig(**{**dict(config), "touch": touch, "surface_shares": shares})
    credits = attribute(shown, played, config=config)
    credits = connection.create_table("credits", credits, temp=True)
    print_section(credits_section(credits), Console())
    if file is not None:
        typer.echo(f"credits: {file.write(credits)}")
    for warning in attribution_warnings(shown, played, config=config):
        typer.echo(f"Warning: {warning}")


@app.command("label")
def _label(
    impressions: o.Impressions,
    plays: o.Plays,
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
    quarantine: o.Quarantine = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    out: o.Table = None,
) -> None:
    """Label every candidate whose horizon has ended, and count the kinds."""
    from rich.console import Console

    from causal_ranker.chain.config import ChainConfig
    from causal_ranker.chain.logs import label_logs, last_event, read_logs
    from causal_ranker.cli.tables import TableFile
    from causal_ranker.evaluation.background import label_report_sections
    from causal_ranker.labels.presence import mark_presence
    from causal_ranker.labels.report import describe_labels
    from causal_ranker.labels.thinning import LATER_EXPOSURE, mark_later_exposures
    from causal_ranker.logs.sources import connect
    from causal_ranker.reporting.console import print_section

    file = None if out is None else TableFile.at(out)
    connection = connect(threads=threads, memory_limit=memory)
    rules = _bad_rows(quarantine)
    shown: Any = impressions
    listed: Any = candidates
    if candidates is None or controls is not None or items is not None:
        shown, listed = _with_controls(
            connection,
            impressions,
            candidates,
            items=items,
            controls=controls,
            seed=seed,
            rules=rules,
        )
    logs = read_logs(connection, impressions=shown, plays=plays, candidates=listed, config=rules)
    _tell(*logs.quarantines)
    labelled = label_logs(
        connection,
        logs,
        log_end=log_end or last_event(logs.plays, logs.candidates),
        horizon_hours=horizon_hours,
        config=ChainConfig(),
        censoring=censoring,
    )
    dataset = labelled.dataset
    if thin:
        before = dataset.table.count()
        dataset = dataset.thin()
        again = mark_later_exposures(dataset.table, logs.impressions)
        kept, share = dataset.table.count(), again[LATER_EXPOSURE].mean()
        typer.echo(
            f"thinned: {kept.execute():,} of {before.execute():,} rows stay; the item is shown "
            f"again inside the horizon of {share.execute():.1%} of them."
        )
    for section in label_report_sections(describe_labels(dataset)):
        print_section(section, Console())
    if file is not None:
        rows = mark_presence(dataset.table, logs.impressions, logs.plays)
        typer.echo(f"labels: {file.write(rows)}")


@app.command("fit")
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
    out: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("runs/model"),
) -> None:
    """Learn from logs and publish a model."""
    from rich.console import Console

    from causal_ranker.demo.result import package_versions
    from causal_ranker.evaluation.background import stages_section
    from causal_ranker.reporting.console import print_section
    from causal_ranker.runs import recording
    from causal_ranker.serving.bundle import check_target

    check_target(out)  # before the training, not after it
    ranker = _ranker(
        base=base,
        learner=learner,
        policy=policy,
        k=k,
        horizon_hours=horizon_hours,
        config=config,
        seed=seed,
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
        _tell(*ranker.quarantines_)
        folder = ranker.save(out)
        record.figures = {"policy": ranker.policy_name_, "rows": dict(ranker.trained_.rows)}
    print_section(stages_section(list(ranker.trained_.rows.items())), Console())
    typer.echo(f"policy: {ranker.policy_name_}")
    typer.echo(f"model: {folder}")


@app.command("evaluate")
def _evaluate(
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
    out: Annotated[Path, typer.Option(help="Folder for report.html.")] = Path("runs/evaluate"),
) -> None:
    """Learn from the earlier part of the logs and judge the policy on the later part."""
    from rich.console import Console

    from causal_ranker.chain.logs import connection_of, read_logs
    from causal_ranker.chain.split import split_logs
    from causal_ranker.cli.tables import make_folder
    from causal_ranker.demo.result import package_versions
    from causal_ranker.evaluation.sections import policies_section
    from causal_ranker.reporting.console import print_section
    from causal_ranker.runs import recording

    make_folder(out)
    ranker = _ranker(
        base=base,
        learner=learner,
        policy=policy,
        k=k,
        horizon_hours=horizon_hours,
        config=config,
        seed=seed,
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
        _tell(*logs.quarantines)
        past, later = split_logs(logs, at=holdout_from)
        ranker.fit(
            past.impressions,
            past.plays,
            candidates=past.candidates,
            users=past.users,
            items=past.items,
            log_end=holdout_from,
        )
        report = ranker.evaluate(
            later.impressions, later.plays, candidates=later.candidates, log_end=log_end
        )
        record.figures = {"policy": ranker.policy_name_, "verdict": report.document.verdict}
    print_section(policies_section(report.evaluation), Console())
    typer.echo(report.document.verdict)
    typer.echo(f"report: {report.to_html(out / 'report.html')}")


def _with_controls(
    connection: Backend,
    impressions: str,
    candidates: str | None,
    *,
    items: str | None,
    controls: int | None,
    seed: int,
    rules: ChainConfig,
) -> tuple[ibis.Table, ibis.Table]:
    """Return checked impressions, and a candidate log of them and of sampled controls."""
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.errors import ConfigError
    from causal_ranker.labels.controls import ControlConfig, sample_controls

    if candidates is not None or items is None or controls is None:
        given = {"candidates": candidates, "items": items, "controls": controls}
        raise ConfigError(
            expected="either --candidates, or --items and --controls to sample from",
            came=", ".join(f"{'no ' * (each is None)}--{name}" for name, each in given.items()),
            do="Log what could have been shown, or say how many controls to draw.",
        )
    shown, bad = read_checked(connection, impressions, name="impressions", config=rules)
    catalogue, worse = read_checked(connection, items, name="items", config=rules)
    _tell(bad, worse)
    config = ControlConfig(per_request=controls, seed=seed)
    rows = sample_controls(shown, catalogue, config=config)
    return shown, connection.create_table("controls", rows, temp=True)


def _bad_rows(quarantine: Path | None) -> ChainConfig:
    from causal_ranker.chain.config import ChainConfig

    if quarantine is None:
        return ChainConfig()
    return ChainConfig(on_bad_rows="quarantine", quarantine_folder=quarantine)


def _tell(*quarantines: Quarantine | None) -> None:
    for each in quarantines:
        if each is not None:
            typer.echo(str(each))


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
    learner: Literal["auto", "dr"],
    policy: Literal["auto", "uplift", "blend", "base"],
    k: int,
    horizon_hours: float | None,
    config: Path | None,
    seed: int,
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
        progress=sys.stderr.isatty(),  # elsewhere an error's one line has to stand alone
    )
