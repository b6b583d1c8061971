"""The demonstrations, on a tiny slice of the real logs and on the world."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from causal_ranker.cli import main
from causal_ranker.demo import DemoResult, run_demo
from causal_ranker.demo.journey import journey_config
from causal_ranker.demo.reads import count_read
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle

POLICIES = {"random", "popularity", "base", "uplift", "blend"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def printed(folder: Path) -> tuple[DemoResult, str]:
    console = Console(record=True, width=120, file=io.StringIO())
    result = run_demo(data="journey", out=folder, household_permille=40, console=console)
    return result, console.export_text()


def monday(week: int) -> str:
    """Week 2 began on 2017-01-02; a week begins at midnight in New York."""
    start = datetime(2017, 1, 2, tzinfo=ZoneInfo("America/New_York")) + timedelta(weeks=week - 2)
    return start.astimezone(UTC).isoformat()


def test_weeks_are_split_as_promised(printed: tuple[DemoResult, str]) -> None:
    assert printed[0].figures["split"] == {
        "train_from": monday(2),  # its lists ask for a visit in week 1
        "choose_from": monday(31),
        "report_from": monday(35),
        "report_last": monday(52),
    }


def test_reads_and_samples_are_told(printed: tuple[DemoResult, str], folder: Path) -> None:
    assert json.loads((folder / "report_reads.json").read_text("utf-8")) == {
        "Complete Journey, weeks 35-52": 1
    }
    page = printed[0].report_path.read_text("utf-8")
    assert "read once" in page
    assert "have been read" not in printed[1]
    for said in ("50% of the households", "1.3% of the others", "even 4% of the rows"):
        assert said in page


def test_the_console_ends_with_the_verdict_and_what_to_try(
    printed: tuple[DemoResult, str],
) -> None:
    result, text = printed
    lines = " ".join(text.split())
    assert "Re-ranking by" in lines
    assert f"model {result.model_path}" in lines
    assert f"report {result.report_path}" in lines
    assert f"try causal-ranker rerank --model {result.model_path} --user" in lines


def test_the_slice_runs_from_logs_to_report(printed: tuple[DemoResult, str], folder: Path) -> None:
    result, text = printed
    figures = json.loads((folder / "figures.json").read_text("utf-8"))
    assert figures.keys() >= {
        "seconds",
        "rows",
        "peak_rss_mb",
        "uplift_at_10",
        "diff_vs_base",
        "diff_low",
        "diff_high",
    }
    assert set(figures["uplift_at_10"]) == POLICIES
    assert figures["diff_low"] < figures["diff_vs_base"] < figures["diff_high"]
    assert figures["rows"]["report candidates"] > 500_000
    page = result.report_path.read_text("utf-8")
    for said in ("intention to treat", "simulated data based on real", "2,469 households"):
        assert said in page
    for said in (
        "Rows by stage",
        "overlap with base",
        "causal list",
        "report.html",
        "Sensitivity",
        "Cross-check",
    ):
        assert said in text


def test_base_and_popularity_are_far_above_chance(
    printed: tuple[DemoResult, str],
) -> None:
    rates = printed[0].figures["play_rate_at_10"]
    # On forty households a thousand either may win; both are far above chance.
    assert min(rates["base"], rates["popularity"]) > 5 * rates["random"]


def test_the_published_bundle_serves_the_households_of_the_slice(
    printed: tuple[DemoResult, str],
) -> None:
    bundle = load_bundle(printed[0].model_path)
    user = bundle.snapshot.users.ids.tolist()[0]
    answer = rerank(bundle, user, k=10)
    assert answer.fallback is None
    assert len(set(answer.items)) == 10
    assert answer.rank.tolist() == list(range(1, 11))


@pytest.mark.slow
def test_the_worlds_estimates_stand_beside_its_truth(tmp_path: Path) -> None:
    console = Console(record=True, width=120, file=io.StringIO())
    figures = run_demo(data="world", out=tmp_path, console=console).figures
    text = console.export_text()
    assert "Estimated and true uplift" in text
    command = text[text.index("causal-ranker rerank") :].splitlines()[0].split()
    with pytest.raises(SystemExit, match=r"^0$"):
        main(command[1:])
    estimated, true = figures["uplift_at_10"], figures["true_uplift_at_10"]
    assert set(estimated) == set(true) == POLICIES
    # Four standard errors are about .016 here; the truths themselves span more than .09.
    for policy in POLICIES:
        assert abs(estimated[policy] - true[policy]) < 0.016
    assert true["uplift"] - true["base"] > 0.03
    assert figures["diff_low"] > 0


def test_reads_of_the_report_weeks_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "new" / "reads.json"
    assert [count_read(path, "weeks 35-52") for _ in range(3)] == [1, 2, 3]
    assert count_read(path, "another window") == 1


def test_the_full_run_samples_nothing() -> None:
    full, sampled = (journey_config(("week_of_year",), full=full) for full in (True, False))
    rates = ("user_share", "zero_rate", "zero_rate_with_history", "propensity_rate")
    assert [getattr(full, rate) for rate in rates] == [1.0] * 4
    assert all(getattr(sampled, rate) < 1 for rate in rates)
