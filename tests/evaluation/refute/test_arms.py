"""More exposure does more, and weighting makes arms alike, or the line says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.evaluation.balance import Balance
from causal_ranker.evaluation.refute.balancing import balance_after_weighting
from causal_ranker.evaluation.refute.check import Check
from causal_ranker.evaluation.refute.dosage import dose_response
from causal_ranker.evaluation.refute.estimates import judge
from causal_ranker.evaluation.refute.material import Dose, Reported
from causal_ranker.stats.intervals import Interval
from tests.evaluation.refute.world import material, on

LEVEL = 0.99


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0.8, "passed"), (0.0, "cannot tell"), (-0.8, "failed")]
)
def test_doses(slope: float, verdict: str) -> None:
    assert on(dose_response(material(1, tau=0.25, slope=slope), level=LEVEL)).verdict == verdict


def test_a_dose_of_two_amounts_is_cut_between_them() -> None:
    rows = material(1, tau=0.3, slope=0.8)
    assert rows.dose is not None
    most = np.where(rows.dose.amount > 2, 5.0, np.where(rows.dose.amount > 0, 4.0, np.nan))
    mostly = np.where(rows.dose.amount > 1, 5.0, np.where(rows.dose.amount > 0, 4.0, np.nan))
    for amount, share in ((most, 1 / 3), (mostly, 2 / 3)):
        found = on(dose_response(replace(rows, dose=Dose(amount, "shows")), level=LEVEL))
        assert found.verdict == "passed"
        got = int((amount == 5).sum())
        assert f"By shows: {got:,} shown rows that got more" in found.why
        assert got == pytest.approx(share * (amount > 0).sum(), rel=0.1)


def test_without_doses_nothing_is_run() -> None:
    rows = material(1, users=100)
    assert "position" in on(dose_response(replace(rows, dose=None), level=LEVEL)).why
    same = replace(rows, dose=Dose(np.ones(len(rows.rows)), "shows"))
    assert on(dose_response(same, level=LEVEL)).verdict == "not run"


def test_arms_are_alike_after_weighting() -> None:
    rows = material(2)
    found = on(balance_after_weighting(rows, judge(rows), level=LEVEL))
    assert found.verdict == "passed"
    assert found.why.startswith("2 of 4 covariates")


def test_weights_that_leave_a_confounder_out_leave_it_unbalanced() -> None:
    rows = material(2)
    blind = replace(
        rows, nuisance=rows.nuisance.model_copy(update={"propensity_features": ("fit", "noise")})
    )
    base = judge(blind)
    found = on(balance_after_weighting(blind, base, level=LEVEL))
    assert found.verdict == "failed"
    assert "taste" in found.why
    figure = found.figure
    assert figure is not None
    # By hand: weighted means of the two arms, in standard deviations of the unweighted ones.
    at, e = base.kept, base.values.propensity
    taste, t = rows.rows.features[:, 0].astype(float), rows.rows.treatment == 1
    means = [
        np.average(taste[at & arm], weights=1 / chance[at & arm])
        for arm, chance in ((t, e), (~t, 1 - e))
    ]
    ruler = np.sqrt((taste[at & t].var() + taste[at & ~t].var()) / 2)
    assert figure.point == pytest.approx((means[0] - means[1]) / ruler, rel=1e-5)


def test_balance_is_that_of_the_weights_in_question() -> None:
    rows = material(2)
    even = replace(rows, weighed_by=np.full(len(rows.rows), 0.5))
    assert on(balance_after_weighting(even, judge(rows), level=LEVEL)).verdict == "failed"
    assert on(balance_after_weighting(rows, judge(rows), level=LEVEL)).verdict == "passed"


def test_the_reports_own_balance_is_judged_where_there_is_one() -> None:
    rows = material(2, users=100)
    names = ("good", "bad", "constant", "unknown")
    before = np.array([0.3, 0.5, 0.0, np.nan])
    nothing = Interval(0.0, 0.0, 0.0, 0.0)

    def judged(after: list[float], figure: Interval | None) -> Check:
        balance = Balance(names, before, np.array(after))
        reported = Reported(nothing, None, 0.95, 0.1, balance, figure)
        told = replace(rows, reported=reported)
        return on(balance_after_weighting(told, judge(rows), level=LEVEL))

    nan, inf = np.nan, np.inf
    found = judged([0.02, 0.3, 0.0, nan], Interval(0.3, 0.2, 0.4, 0.05))
    assert found.verdict == "failed"
    assert found.why == (
        "2 of 4 covariates differ between the arms by more than 0.1 standard deviations before "
        "weighting, 1 after; most bad, from +0.50 to +0.30. 2 could not be compared: they are the "
        "same in every row, or unknown in an arm."
    )
    assert judged([0.02, -0.3, 0, nan], Interval(-0.3, -0.6, 0.0, 0.1)).verdict == "cannot tell"
    assert judged([0.02, 0.05, 0, nan], Interval(0.05, -0.2, 0.3, 0.1)).verdict == "passed"
    apart = judged([0.02, -inf, 0, nan], Interval(-inf, -inf, -inf, 0.0))
    assert (apart.verdict, apart.figure) == ("failed", None)
    before = np.array([0.0, nan, 0.0, nan])
    assert judged([0.0, nan, 0.0, 0.0], None).verdict == "not run"


def test_covariates_that_say_nothing_do_not_pass() -> None:
    rows = material(2, users=100)
    flat = rows.rows.features.copy()
    flat[:, :2], flat[:, 2] = 1.0, np.nan
    one = replace(rows, rows=replace(rows.rows, features=flat), weighed_by=np.full(len(flat), 0.5))
    found = on(balance_after_weighting(one, judge(rows), level=LEVEL))
    assert "3 could not be compared" in found.why
    assert "of 4 covariates" in found.why
    flat[:, 3] = -1.0
    assert on(balance_after_weighting(one, judge(rows), level=LEVEL)).verdict == "not run"
    # What is one value in each arm is no balance, however it is weighted.
    flat[:, 3] = rows.rows.treatment
    assert on(balance_after_weighting(one, judge(rows), level=LEVEL)).verdict == "failed"
    names = rows.rows.names
    coded = replace(one, rows=replace(one.rows, categorical=names[1:]))
    assert on(balance_after_weighting(coded, judge(rows), level=LEVEL)).verdict == "not run"


def test_few_users_cannot_tell_imbalance_from_chance() -> None:
    rows = material(3, users=30, requests=2)
    found = on(balance_after_weighting(rows, judge(rows), level=LEVEL))
    assert found.verdict == "cannot tell"
