"""All columns at once: what no single column shows, and how often it is said without drift."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from causal_ranker.drift.columns import Levels
from causal_ranker.drift.gauges import to_gauges
from causal_ranker.drift.monitor import MonitorConfig, MonitorReport, monitor
from causal_ranker.drift.review.feedback import Raised
from causal_ranker.drift.review.intake import alert_entries
from causal_ranker.drift.sections import drift_document
from causal_ranker.drift.together.looks import Together, look_together
from causal_ranker.drift.together.sample import Drawn
from causal_ranker.reporting.html import to_html

ALL = ("components", "clusters", "kernel_means", "domain_classifier")
ANY = Levels(distribution=0, discrepancy=0, area=0)
MONDAY = np.datetime64("2025-01-06")


def frame(seed: int, *, rho: float, rows: int = 4000) -> pd.DataFrame:
    """Eight columns, the last two of which follow each other; text beside them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 8))
    x[:, 7] = rho * x[:, 6] + np.sqrt(1 - rho**2) * x[:, 7]
    table = pd.DataFrame(x, columns=[f"x{k}" for k in range(8)])
    return table.assign(c=np.array(list("aaab"))[rng.integers(0, 4, rows)])


def run(before: pd.DataFrame, now: pd.DataFrame, **settings: object) -> MonitorReport:
    return monitor(ibis.memtable(before), ibis.memtable(now), config=MonitorConfig(**settings))


def test_a_correlation_that_breaks_moves_no_column_and_is_told_everywhere() -> None:
    report = run(frame(0, rho=0.9), frame(1, rho=0.0))
    assert report.drifted == ()
    assert tuple(check.name for check in report.together) == ALL
    moved = {check.name for check in report.together if check.level != "quiet"}
    assert {"components", "kernel_means", "domain_classifier"} <= moved
    classifier = report.together[-1]
    telling = [each["column"] for each in classifier.more["telling"]]
    assert set(telling[:2]) == {"x6", "x7"}
    assert report.advice == "retrain"
    assert report.verdict.sentence.startswith("Columns moved together (by components")
    assert "most of all x" in report.verdict.sentence
    assert report.to_dict()["together"][0]["name"] == "components"
    page = to_html(drift_document(report))
    assert "domain classifier" in page
    assert "x7 (0." in page
    assert 'together_level{detector="domain_classifier"} 2.0' in to_gauges(report)
    entries = alert_entries(report, at=datetime(2026, 1, 1, tzinfo=UTC))
    assert {entry.about.detector for entry in entries} == moved  # type: ignore[union-attr]
    apart = run(frame(0, rho=0.9), frame(1, rho=0.0), together=False)
    assert apart.together == ()
    assert apart.verdict.sentence == "None of 9 columns drifted: nothing to do."
    assert apart.level == report.level == pytest.approx(0.05)


def test_verdicts_raise_what_a_look_asks_for() -> None:
    raised = [Raised(name, "", None, name, 1.5, 1) for name in ALL]
    tables = [ibis.memtable(frame(seed, rho=rho)) for seed, rho in ((0, 0.9), (1, 0.0))]
    report = monitor(*tables, raised=raised)
    assert {check.level for check in report.together} == {"quiet"}
    assert report.together[0].decision is not None
    assert report.together[0].decision.p_value < 0.01
    assert report.advice == "nothing"


def test_what_a_single_column_shows_is_told_of_it_alone() -> None:
    moved = frame(1, rho=0.9)
    moved["x0"] += 2.0
    report = run(frame(0, rho=0.9), moved)
    assert report.drifted == ("x0",)
    assert report.together[-1].level == "alarm"
    assert report.verdict.sentence == "1 of 9 columns drifted (x0): retrain on recent logs."
    (entry,) = alert_entries(report, at=datetime(2026, 1, 1, tzinfo=UTC))
    assert entry.about.subject == "x0"  # type: ignore[union-attr]


def rows_of(seed: int, rows: int) -> Drawn:
    return Drawn(
        np.random.default_rng([4, seed]).random((rows, 4)),
        np.full(rows, np.datetime64("NaT"), dtype="datetime64[D]"),
    )


def look(before: Drawn, now: Drawn, **settings: object) -> Together:
    asked = {"level": 0.05, "levels": ANY, "seed": 0, "weekly": True, "raised": (), "alone": False}
    names = [f"x{k}" for k in range(before.places.shape[1])]
    return look_together(before, now, names=names, **{**asked, **settings})  # type: ignore[arg-type]


def alarm(found: Together) -> bool:
    return any(check.level != "quiet" for check in found.checks)


@pytest.mark.slow
def test_without_drift_all_four_keep_the_level() -> None:
    runs = 120
    alarms = sum(alarm(look(rows_of(2 * k, 150), rows_of(2 * k + 1, 120))) for k in range(runs))
    # they move together, so that their sum is seldom reached
    assert alarms <= binom.ppf(0.999, runs, 0.05)
    assert alarm(look(rows_of(0, 400), Drawn(rows_of(1, 400).places ** 1.5, rows_of(1, 400).day)))


def days_of(seed: int, first: int, days: int, *, shift: float = 0.0) -> pd.DataFrame:
    """Days that move together, and weekends of their own."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(first, first + days), 150)
    together = 0.3 * rng.normal(size=(days, 4))[day - first]
    x = rng.normal(size=(day.size, 4)) + together + (day % 7 >= 5)[:, None] + shift
    table = pd.DataFrame(x, columns=list("abcd"))
    return table.assign(day=MONDAY + day)


def test_days_that_move_together_are_no_drift_and_a_day_far_off_is() -> None:
    before = days_of(0, 0, 56)
    quiet = run(before, days_of(1, 61, 1), day="day")
    assert quiet.advice == "nothing"
    told = [check.decision for check in quiet.together]
    assert any(each.p_value < 0.0125 for each in told if each)  # rows alone would be an alarm
    broken = run(before, days_of(2, 61, 1, shift=2.0), day="day")
    assert any(check.level == "alarm" for check in broken.together)
    few = run(before.iloc[: 7 * 150], days_of(2, 61, 1, shift=2.0), day="day")
    assert any("teach no level" in note for note in few.notes)


def test_what_cannot_be_looked_at_is_told() -> None:
    one = run(frame(0, rho=0)[["x0"]], frame(1, rho=0)[["x0"]])
    assert one.verdict.sentence == "None of 1 columns drifted: nothing to do."
    assert one.together == ()
    few = run(frame(0, rho=0), frame(1, rho=0, rows=12))
    assert "12 of the window" in str(few.together[0].cannot_tell)
    gaps = frame(1, rho=0)
    gaps.loc[::3, "x0"] = np.nan
    told = run(frame(0, rho=0), gaps)
    assert any("missing values as they are" in note for note in told.notes)
    assert told.together[-1].more["telling"][0]["column"] == "x0"
    tiny = look(rows_of(0, 100), rows_of(1, 100), level=1e-4)
    assert "level" in str(tiny.checks[0].cannot_tell)
    assert tiny.checks[-1].decision is not None
    odd = days_of(2, 61, 2, shift=2.0)
    odd = pd.concat([odd[:150], odd[150:155]])
    told = run(days_of(0, 0, 56), odd, day="day")
    assert {check.cannot_tell for check in told.together} == {
        "a day of 5 rows cannot be compared with other days"
    }
