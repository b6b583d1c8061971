"""The model's checks in the monitor: each moves with its cause, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.drift.check import Check
from causal_ranker.drift.columns import Levels
from causal_ranker.drift.health.checks import check_model
from causal_ranker.drift.health.roles import Roles, Rows, Sides
from causal_ranker.drift.monitor import MonitorConfig, MonitorReport, monitor
from causal_ranker.drift.review.feedback import Raised
from causal_ranker.drift.sections import drift_document
from causal_ranker.drift.verdict import judge
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.reporting.files import write_page
from tests.drift.health.making import ROLES, rows_of, table

FIRST = 42
BEFORE = table(0, days=FIRST)


def run(now: pd.DataFrame, before: pd.DataFrame = BEFORE, **settings: object) -> MonitorReport:
    config = MonitorConfig.model_validate({"day": "day", "roles": ROLES, **settings})
    return monitor(ibis.memtable(before), ibis.memtable(now), config=config)


def checked(now: Rows, before: Rows) -> list[Check]:
    """What `run` says of the model, without an engine between."""
    return check_model(
        [Sides(before, now)],
        level=0.025,
        levels=Levels(),
        within=24.0,
        weekly=True,
        seed=0,
        raised=(),
    )


def by_name(checks: Iterable[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def moved(checks: Iterable[Check]) -> set[str]:
    return {check.name for check in checks if check.level != "quiet"}


def test_nothing_moved_is_nothing_to_do() -> None:
    now = table(1, days=7, first=FIRST)
    report = run(now)
    assert report.advice == "nothing"
    assert report.verdict.sentence == "None of 14 checks of the model drifted: nothing to do."
    checks = by_name(report.checks)
    assert all(check.decision is not None for check in checks.values())
    assert not {check.name: check.cannot_tell for check in checks.values() if check.cannot_tell}
    said = checks["label_free"].more
    realised = -np.log(np.where(now["played"] > 0, now["chance"], 1 - now["chance"])).mean()
    assert said["trusted"]
    assert said["low"] < realised < said["high"]
    assert checks["proxy clicked"].more["refusal"] is None
    # what tells of the model is no column of features beside it
    assert report.columns == ()


@pytest.mark.parametrize(
    ("change", "found", "advice"),
    [
        ({"shift": 0.5}, {"base_score", "uplift", "chance", "propensity"}, "watch"),
        ({"loss": 0.15}, {"outcome_residuals", "arriving_residuals"}, "retrain"),
        ({"drawn": 0.2}, {"propensity_residuals"}, "stop"),
        ({"effect": 0.5}, {"effect"}, "retrain"),
        ({"effect": -0.6}, {"effect"}, "stop"),
        ({"overlap": 1.5}, {"overlap", "propensity"}, "watch"),
        ({"fell_back": 0.2}, {"fallback"}, "retrain"),
        ({"fell_back": 0.6}, {"fallback"}, "stop"),
        ({"delay": 6.0}, {"delay"}, "watch"),
    ],
)
def test_each_cause_is_told_by_its_check(
    change: dict[str, float], found: set[str], advice: str
) -> None:
    now = table(2, days=2, first=FIRST, rows=700, **change)
    checks = checked(rows_of(now), rows_of(BEFORE))
    assert moved(checks) >= found
    findings = [check.finding for check in checks if check.finding is not None]
    assert judge(findings, quiet="").advice == advice
    # what the cause also moves: more plays are clicks, other scores another expected loss
    also = {"label_free", "proxy clicked", "base_score", "uplift", "chance", "propensity"}
    assert moved(checks) - found <= (also if {"shift", "loss"} & change.keys() else set())


def test_an_estimate_without_labels_says_when_it_cannot_tell() -> None:
    checks = checked(rows_of(table(2, days=2, first=FIRST, rows=700, loss=0.1)), rows_of(BEFORE))
    check = by_name(checks)["label_free"]
    assert check.level == "quiet"
    assert check.cannot_tell is not None
    assert "chances were off" in check.cannot_tell


def test_labels_that_have_not_come_are_waited_for() -> None:
    now = table(1, days=7, first=FIRST).assign(played=np.nan, aipw=np.nan)
    report = run(now)
    checks = by_name(report.checks)
    for name in ("outcome_residuals", "arriving_residuals", "effect"):
        assert checks[name].decision is None
        assert checks[name].cannot_tell == "0 rows of 0 users in the window"
    # the reference's last week says whether the estimate without labels can be believed
    assert checks["label_free"].more["trusted"]
    assert checks["proxy clicked"].decision is not None
    assert report.advice == "nothing"


def rhythm(seed: int, *, days: int, first: int = 0, shift: float = 0.0) -> pd.DataFrame:
    """Weekends are another world, and every day moves all its rows together."""
    rng = np.random.default_rng(seed)
    frame = table(seed, days=days, first=first)
    at = np.repeat(np.arange(days), len(frame) // days)
    weekend = (at + first) % 7 >= 5
    together = rng.normal(scale=0.4, size=days)[at]
    return frame.assign(base_score=frame["base_score"] + together + 2.0 * weekend + shift)


def test_days_that_move_together_and_weekends_are_no_drift() -> None:
    roles = Roles(user="user_id", base_score="base_score")
    before = rhythm(0, days=42)

    def alarms(seed: int, *, dated: bool = True, shift: float = 0.0) -> set[str]:
        now = rhythm(seed, days=1, first=42 + seed % 7, shift=shift)
        sides = (rows_of(each, roles, dated=dated) for each in (now, before))
        return moved(checked(*sides))

    assert sum(len(alarms(seed)) for seed in range(1, 16)) <= 3
    # rows alone, whatever the day, see drift everywhere
    assert sum(len(alarms(seed, dated=False)) for seed in range(1, 16)) >= 12
    assert alarms(1, shift=3.0) == {"base_score"}


def test_users_rows_are_not_so_many_users() -> None:
    rng = np.random.default_rng(0)
    alarms = {True: 0, False: 0}
    for _ in range(20):
        user = np.arange(120).repeat(40)
        score = rng.normal(size=120).repeat(40)
        for grouped in alarms:
            before, now = (
                Rows({"base_score": score[part]}, user[part] if grouped else None, None, None, 2400)
                for part in (slice(2400), slice(2400, None))
            )
            alarms[grouped] += bool(moved(checked(now, before)))
    assert alarms[True] <= 3
    assert alarms[False] >= 15


def test_ranks_say_how_much_of_each_list_is_changed() -> None:
    rng = np.random.default_rng(0)

    def lists(swapped: float) -> pd.DataFrame:
        rank = np.argsort(rng.random((600, 10)), axis=1) + 1.0
        base = np.where((rng.random(600) < swapped)[:, None], rank[:, ::-1], rank)
        frame = pd.DataFrame({"rank": rank.ravel(), "base": base.ravel(), "x": 1.0})
        return frame.assign(request=np.repeat([f"r{k}" for k in range(600)], 10))

    roles = {"request": "request", "rank": "rank", "base_rank": "base", "slate": 3}
    still = run(lists(0.5), lists(0.5), day=None, roles=roles)
    assert moved(still.checks) == set()
    # columns and checks have half of the level each
    threshold = still.columns[0].signals[0].decision.threshold
    assert threshold == pytest.approx(-np.log10(0.05 / 2))
    report = run(lists(0.05), lists(0.5), day=None, roles=roles)
    assert moved(report.checks) == {"changed"}
    assert by_name(report.checks)["changed"].rows == (600, 600)
    assert report.notes == ()
    assert "policy" in report.verdict.sentence


def test_verdicts_raise_what_a_check_asks_for() -> None:
    now = table(2, days=2, first=FIRST, rows=700, effect=0.5)
    config = MonitorConfig(day="day", roles=ROLES)
    tables = ibis.memtable(BEFORE), ibis.memtable(now)
    raised = [Raised("effect", "", None, "effect", 1.0, 1)]
    report = monitor(*tables, config=config, raised=raised)
    assert moved(report.checks) == set()
    elsewhere = [Raised("overlap", "", None, "overlap", 1.0, 1)]
    assert moved(monitor(*tables, config=config, raised=elsewhere).checks) == {"effect"}


def test_values_that_cannot_be_are_told_and_the_rest_is_judged() -> None:
    report = run(table(1, days=7, first=FIRST).assign(chance=1.5))
    assert moved(report.checks) >= {"label_free", "outcome_residuals"}
    assert "cannot be judged" in report.verdict.sentence
    check = by_name(report.checks)["outcome_residuals"]
    assert check.cannot_tell is not None
    assert "1.5" in check.cannot_tell
    assert by_name(report.checks)["effect"].decision is not None


def test_predictions_that_are_missing_stop_serving() -> None:
    now = table(1, days=1, first=FIRST, rows=400)
    for share, advice in ((0.0, "nothing"), (0.12, "retrain"), (1.0, "stop")):
        gone = np.arange(len(now)) < share * len(now)
        report = run(now.assign(base_score=now["base_score"].mask(gone)))
        assert report.advice == advice, report.verdict.sentence
        assert moved(report.checks) == (set() if advice == "nothing" else {"missing base_score"})
    assert "Most values of base score are missing: stop serving" in report.verdict.sentence


def test_odd_values_are_told_or_stay_quiet() -> None:
    now = table(1, days=1, first=FIRST, rows=400)
    alone = by_name(run(now.assign(user_id=1)).checks)
    assert {check.level for check in alone.values()} == {"quiet"}
    assert alone["effect"].cannot_tell == "400 rows of 1 users in the window"
    still = BEFORE.assign(base_score=1.0), now.assign(base_score=1.0)
    assert run(still[1], still[0]).advice == "nothing"
    assert moved(run(now.assign(base_score=2.0), still[0]).checks) == {"base_score"}
    huge = (each.assign(user_id=2**62 + each["user_id"]) for each in (now, BEFORE))
    assert run(*huge).advice == "nothing"
    with pytest.raises(RowError, match="a user in every row of 'user_id' in the window; got 3"):
        run(now.assign(user_id=now["user_id"].where(now.index > 2)))


def test_a_page_of_a_model_alone(tmp_path: Path) -> None:
    report = run(table(1, days=2, first=FIRST))
    page = write_page(drift_document(report), tmp_path / "page.html").read_text()
    assert "base score: mean" in page
    assert "label free" in page
    undated = run(table(1, days=2, first=FIRST), day=None)
    write_page(drift_document(undated), tmp_path / "page.html")


def test_a_column_that_is_gone_is_told_first() -> None:
    report = run(table(1, days=7, first=FIRST).drop(columns="p"))
    assert report.verdict.sentence.startswith("The schema changed")
    assert "overlap" not in by_name(report.checks)
    assert "effect" in by_name(report.checks)
    with pytest.raises(SchemaError, match="'p'"):
        run(table(1, days=7, first=FIRST), BEFORE.drop(columns="p"))
    words = BEFORE.assign(user_id=BEFORE["user_id"].astype(str))
    with pytest.raises(SchemaError, match="numbers in 'user_id'"):
        run(words, words, day=None, roles={"base_score": "user_id"})


def test_of_long_tables_whole_users_are_read() -> None:
    roles = ROLES.model_copy(update={"most_rows": 1000})
    report = run(table(1, days=7, first=FIRST), roles=roles)
    before, now = by_name(report.checks)["base_score"].rows
    assert 300 < now < 1500
    assert before > 300
    assert "whole users" in report.notes[0]
