"""One call runs them all, and a refuter that cannot run does not stop the others."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.refutation_section import refutation_section
from causal_ranker.evaluation.refute.check import Check, must_be_zero, not_run
from causal_ranker.evaluation.refute.estimates import AUTOC
from causal_ranker.evaluation.refute.material import RefuteConfig
from causal_ranker.evaluation.refute.run import REFUTERS, Refutation, refute
from causal_ranker.evaluation.report import build_report
from causal_ranker.reporting.blocks import Table, Text
from causal_ranker.stats.intervals import Interval
from tests.evaluation.refute.world import AVERAGE, material
from tests.evaluation.sample import make_evaluation


@pytest.fixture(scope="module")
def found() -> Refutation:
    return refute(material(1))


def test_a_line_for_each_refuter_and_estimate(found: Refutation) -> None:
    assert len({check.refuter for check in found.checks}) == REFUTERS + 1  # E-value, and strength
    assert found.rows == 6_000
    assert found.users == 400
    assert found.level == 0.99
    assert found.count("failed") == 0
    assert found.count("passed") + found.count("cannot tell") + found.count("not run") == len(
        found.checks
    )
    assert found.count("not run") == 0


def test_enough_rows_are_held_to_tell_something() -> None:
    # Of 60,000 a real log gave 115 of its 2,390 users, and eight of eleven lines told nothing.
    assert RefuteConfig().held == 200_000
    assert RefuteConfig(enabled=False).held == 0


def test_progress_is_told_refuter_by_refuter() -> None:
    calls: list[int] = []
    refute(material(1, users=60), advance=lambda: calls.append(1))
    assert len(calls) == REFUTERS


def test_the_same_rows_give_the_same_lines(found: Refutation) -> None:
    # As text: what has no standard error says NaN, which equals nothing.
    assert repr(refute(material(1))) == repr(found)


def test_rows_that_only_stand_in_lists_are_judged_and_never_fitted_on(found: Refutation) -> None:
    rows = material(1)
    even = np.random.default_rng(0).random(len(rows.rows)) < 0.5
    # Outcomes of the others move the lists' difference, and nothing else.
    one = replace(rows, sampled=even)
    flipped = np.where(even, rows.rows.outcome, 1 - rows.rows.outcome).astype(np.int8)
    other = replace(one, rows=replace(rows.rows, outcome=flipped))
    lines = {
        (a.refuter, a.estimate): repr(a.figure) == repr(b.figure)
        for a, b in zip(refute(one).checks, refute(other).checks, strict=True)
        if a.figure is not None and a.refuter not in ("placebo treatment", "outcome before t0")
    }
    for (_, estimate), same in lines.items():
        assert same == (estimate != "by noise minus as they come")


def test_lists_that_are_equal_have_no_difference_to_refute() -> None:
    rows = material(1, users=60)
    found = refute(replace(rows, gain=np.zeros(len(rows.rows))))
    assert {check.estimate for check in found.checks} == {AVERAGE, AUTOC}


def test_rows_without_overlap_are_not_run() -> None:
    (only,) = refute(replace(material(1, users=60), lowest_propensity=0.4999)).checks
    assert only.verdict == "not run"
    assert "a propensity in [0.4999, 0.5001]" in only.why


def test_lists_that_differ_only_where_overlap_lacks_are_not_run() -> None:
    rows = material(1, users=60, logged=True)
    gain, propensity = np.zeros(len(rows.rows)), rows.rows.propensity.copy()
    gain[:2], propensity[:2] = (0.5, -0.5), 0.99
    found = refute(replace(rows, gain=gain, rows=replace(rows.rows, propensity=propensity)))
    said = [check for check in found.checks if "rows with overlap that count" in check.why]
    assert {check.verdict for check in said} == {"not run"}
    assert len(said) >= 3


def test_rows_without_one_arm_say_so_in_one_line() -> None:
    rows = material(1, users=50)
    treated = replace(rows, rows=replace(rows.rows, treatment=np.ones(len(rows.rows), np.int8)))
    found = refute(treated)
    assert [check.verdict for check in found.checks] == ["not run"]
    assert "T = 0" in found.checks[0].why


def test_a_refuter_that_cannot_run_does_not_stop_the_others() -> None:
    rows = material(1, users=60)
    # Doses of so few rows that folds lack an arm.
    assert rows.dose is not None
    amount = np.full(len(rows.rows), np.nan)
    amount[np.flatnonzero(rows.rows.treatment)[:2]] = (1.0, 2.0)
    found = refute(replace(rows, dose=replace(rows.dose, amount=amount)))
    (dose,) = (check for check in found.checks if check.refuter == "dose")
    assert dose.verdict == "not run"
    assert dose.why.startswith("These rows do not allow it")
    assert found.checks[-1].refuter == "balance of the covariates"


@pytest.mark.parametrize(
    ("low", "high", "refuted", "verdict"),
    [
        (-0.1, 0.1, 0.2, "passed"),
        (-0.1, 0.1, -0.2, "passed"),
        (-0.1, 0.1, 0.05, "cannot tell"),
        (0.01, 0.2, 0.5, "failed"),
        (-0.2, -0.01, 0.5, "failed"),
    ],
)
def test_zero_has_to_be_inside_an_interval_that_says_something(
    low: float, high: float, refuted: float, verdict: str
) -> None:
    figure = Interval((low + high) / 2, low, high, 0.1)
    check = must_be_zero("x", "y", figure=figure, unit="per slot", refuted=refuted, failure="wrong")
    assert check.verdict == verdict
    assert (check.why == "wrong") == (verdict == "failed")


def cells(found: Refutation) -> tuple[str, Table, list[Table]]:
    text, table, *rest = refutation_section(found, outcome="purchases").blocks
    assert isinstance(text, Text)
    assert isinstance(table, Table)
    return text.text, table, [each for each in rest if isinstance(each, Table)]


def test_the_section_says_every_line_with_its_unit() -> None:
    checks = (
        Check("a", "e", Interval(0.01, -0.02, 0.04, 0.01), "per slot", "0", "passed", "w"),
        Check("b", "e", Interval(2.0, 1.5, 3.0, float("nan")), "ratio", ">", "failed", "v"),
        Check("c", "e", Interval(2.0, 1.5, float("inf"), 0), "times", ">", "cannot tell", "u"),
        Check("d", "e", None, "times", ">", "cannot tell", "t"),
        not_run("f", "e", why="no column"),
        not_run("f", "g", why="no column"),
    )
    text, table, (idle,) = cells(Refutation(checks, rows=1_000, users=10, level=0.99))
    assert text.startswith("Of 4 attempts to show that the estimates are false: 1 passed, 2 cannot")
    assert "1 failed" in text
    assert "(b)" in text
    assert [row[2] for row in table.rows] == [
        "+1.0 (-2.0 to 4.0) purchases per 100 slots",
        "2 (1.5 to 3)",
        "2 (1.5 or more) times",
        "",
    ]
    assert "1,000 of the report's rows" in table.note
    assert "1 % of reports" in table.note
    assert idle.note == "What was not tried: each line says what it would need."
    assert [list(row) for row in idle.rows] == [["f", "e, g", "no column"]]


def test_the_report_shows_it_after_the_balance_and_tells_machines(found: Refutation) -> None:
    evaluation: Evaluation = replace(make_evaluation(), refutation=found)
    report = build_report(evaluation, title="t", policy="uplift")
    titles = [section.title for section in report.document.sections]
    assert titles.index("Can this be false?") == titles.index("Balance of the covariates") + 1
    told = json.loads(report.to_json())["figures"]["refutation"]["checks"]
    assert len(told) == len(found.checks)
    assert told[0]["figure"]["point"] == asdict(found)["checks"][0]["figure"]["point"]
