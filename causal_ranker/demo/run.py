"""Run a demonstration, write its files, print what it found."""

from __future__ import annotations

import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from rich.console import Console

from causal_ranker.chain.reach import to_datetime
from causal_ranker.demo.journey import run_journey
from causal_ranker.demo.result import Demonstration
from causal_ranker.demo.show import show
from causal_ranker.demo.world import run_world
from causal_ranker.errors import ConfigError
from causal_ranker.reporting.files import check_page
from causal_ranker.reporting.json import to_line
from causal_ranker.serving.registry import check_target

__all__ = ["DemoResult", "run_demo"]


@dataclass(frozen=True)
class DemoResult:
    """Where a demonstration left things.

    Attributes
    ----------
    report_path : Path
        The report, one HTML file.
    model_path : Path
        The registry that the model was published in.
    figures : dict
        The numbers, as in ``figures.json`` beside the report.
    config : dict
        The chain's settings, as plain values.
    """

    report_path: Path
    model_path: Path
    figures: dict[str, Any]
    config: dict[str, Any]


def run_demo(
    *,
    data: Literal["journey", "world"],
    out: Path,
    full: bool = False,
    seed: int = 0,
    household_permille: int = 1000,
    console: Console | None = None,
) -> DemoResult:
    """Run the whole chain and say what it found.

    Parameters
    ----------
    data : {"journey", "world"}
        Real grocery logs, or a simulated streaming service with known truth.
    out : Path
        Folder for report, figures and model; made if need be.
    full : bool
        Use every training row of the grocery logs instead of a sample.
    seed : int
        The run's seed.
    household_permille : int
        Thousandths of the households of the grocery logs to use.
    console : rich.console.Console, optional
        Where to print; silent if left out.

    Returns
    -------
    DemoResult
        Paths and figures.

    Raises
    ------
    ConfigError
        If the folder cannot be made.
    BundleError
        If its folder `model` is something else than a registry.
    """
    started = perf_counter()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            expected=f"a folder that can be written at {out}",
            came=str(error),
            do="Give another folder with --out.",
        ) from error
    check_page(out / "report.html")
    check_target(out / "model")
    progress = console is not None
    if data == "journey":
        done = run_journey(
            out=out,
            full=full,
            seed=seed,
            household_permille=household_permille,
            progress=progress,
        )
    else:
        done = run_world(out=out, seed=seed, progress=progress)
    report_path = done.report.to_html(out / "report.html")
    figures = _figures(done, seconds=perf_counter() - started)
    (out / "figures.json").write_text(to_line(figures) + "\n", encoding="utf-8")
    if console is not None:
        show(done, report_path=report_path, console=console)
        console.print(f"time    {figures['seconds']:.0f} s", soft_wrap=True)
    return DemoResult(
        report_path=report_path,
        model_path=done.model,
        figures=figures,
        config=done.ranker.config_.model_dump(mode="json"),
    )


def _figures(done: Demonstration, *, seconds: float) -> dict[str, Any]:
    evaluation = done.report.evaluation
    frozen = evaluation.comparison.result(done.ranker.policy_name_)
    lists = done.ranker.lists_
    trained = done.ranker.trained_
    rows = {**trained.rows, "report candidates": lists.candidates}
    return {
        "seconds": seconds,
        "stages": done.ranker.stages_.seconds,
        "rows": rows,
        "peak_rss_mb": _peak_mb(),
        "policy": frozen.policy,
        "uplift_at_10": {each.policy: each.uplift.point for each in evaluation.comparison.results},
        "play_rate_at_10": {
            each.policy: each.play_rate.point for each in evaluation.comparison.results
        },
        "play_rate_diff_vs_base": {
            each.policy: [
                each.play_rate_difference.point,
                each.play_rate_difference.low,
                each.play_rate_difference.high,
            ]
            for each in evaluation.comparison.results
        },
        "split": {
            "train_from": trained.window[0].isoformat(),
            "choose_from": trained.window[1].isoformat(),
            "report_from": to_datetime(int(lists.t0.min())).isoformat(),
            "report_last": to_datetime(int(lists.t0.max())).isoformat(),
        },
        "diff_vs_base": frozen.difference.point,
        "diff_low": frozen.difference.low,
        "diff_high": frozen.difference.high,
        "average_effect": evaluation.average_effect.point,
        "share_left_out": evaluation.share_left_out,
        **({} if done.truth is None else {"true_uplift_at_10": dict(done.truth)}),
    }


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
