"""Placebos pass where nothing is wrong, and fail where what they look for is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from causal_ranker.evaluation.refute.estimates import AUTOC, judge
from causal_ranker.evaluation.refute.material import Earlier, Material
from causal_ranker.evaluation.refute.placebo import (
    _givers,
    negative_controls,
    placebo_outcome,
    placebo_treatment,
)
from tests.evaluation.refute.world import AVERAGE, GAIN, material, on

LEVEL = 0.99


def uneven(seed: int) -> Material:
    """Requests of one to nine rows, of one to four requests a user, in any order."""
    rng = np.random.default_rng(seed)
    whole = material(seed, users=40, requests=4, candidates=9)
    fewer = np.repeat(rng.integers(1, 10, 160), 9) > np.tile(np.arange(9), 160)
    some = np.repeat(rng.integers(1, 5, 40), 36) > np.tile(np.repeat(np.arange(4), 9), 40)
    return whole.of(rng.permutation(np.flatnonzero(fewer & some)))


@pytest.mark.parametrize("seed", range(4))
def test_treatments_come_from_another_request_of_the_same_user(seed: int) -> None:
    rows = uneven(seed)
    giver = _givers(rows)
    given = giver >= 0
    user, request = rows.rows.user, rows.request
    assert (user[giver[given]] == user[given]).all()
    assert (request[giver[given]] != request[given]).all()
    assert len(set(giver[given].tolist())) == given.sum()  # nobody's twice
    single = np.array([len(set(request[user == each].tolist())) == 1 for each in user])
    assert not given[single].any()
    assert given[~single].mean() > 0.8


@pytest.mark.parametrize("logged", [False, True])
def test_a_placebo_has_no_effect_where_nothing_is_hidden(logged: bool) -> None:
    rows = material(1, logged=logged)
    checks = placebo_treatment(rows, judge(rows), level=LEVEL)
    assert [check.estimate for check in checks] == [AVERAGE, GAIN, AUTOC]
    assert on(checks).verdict == "passed"
    assert {check.verdict for check in checks} <= {"passed", "cannot tell"}


def test_what_makes_users_see_more_and_play_more_is_found_out() -> None:
    rows = material(1, hidden="taste")
    found = on(placebo_treatment(rows, judge(rows), level=LEVEL))
    assert found.verdict == "failed"
    assert "for a reason that the features do not hold" in found.why
    assert "carry over from one request to the next" in found.why
    assert found.figure is not None
    assert found.figure.low > 0


def test_a_log_that_lies_about_who_sees_more_is_found_out() -> None:
    rows = material(1, logged=True, hidden="taste")
    lie = replace(rows, rows=replace(rows.rows, propensity=np.full(len(rows.rows), 0.5)))
    assert on(placebo_treatment(lie, judge(lie), level=LEVEL)).verdict == "failed"


def test_a_treatment_comes_with_the_chance_it_had() -> None:
    # Of models that do not know the fit, and weights by the fit of another row, one would show.
    rows = material(1, users=1_200, logged=True, hidden="fit", pull=1.5)
    assert on(placebo_treatment(rows, judge(rows), level=LEVEL)).verdict == "passed"


def test_users_of_one_request_have_nobody_to_take_from() -> None:
    rows = material(1, users=100, requests=1)
    checks = placebo_treatment(rows, judge(rows), level=LEVEL)
    assert {check.verdict for check in checks} == {"not run"}
    assert "two requests" in checks[0].why


def test_the_past_is_not_changed_where_nothing_is_hidden() -> None:
    rows = material(2)
    assert on(placebo_outcome(rows, judge(rows), level=LEVEL)).verdict == "passed"


@pytest.mark.parametrize("hidden", ["taste", "fit"])
def test_the_past_tells_of_what_is_hidden(hidden: str) -> None:
    rows = material(2, hidden=hidden)
    found = on(placebo_outcome(rows, judge(rows), level=LEVEL))
    assert found.verdict == "failed"
    assert found.figure is not None
    assert found.figure.low > 0


def test_a_past_that_chances_were_estimated_from_is_not_run() -> None:
    rows = material(2)
    assert rows.earlier is not None
    seen = replace(rows, earlier=Earlier(rows.earlier.outcome, ("fit",)))
    checks = placebo_outcome(seen, judge(seen), level=LEVEL)
    assert {check.verdict for check in checks} == {"not run"}
    assert "could not fail" in checks[0].why
    assert "More rows change nothing: log the propensities" in checks[0].why
    # The propensity does not read what it may not read.
    blind = seen.nuisance.model_copy(update={"propensity_features": ("taste", "noise")})
    other = replace(seen, nuisance=blind)
    assert on(placebo_outcome(other, judge(other), level=LEVEL)).verdict != "not run"


def test_a_past_in_the_features_is_kept_from_outcome_models_where_chances_were_logged() -> None:
    rows = material(2, logged=True, hidden="other")
    assert rows.earlier is not None
    before = rows.earlier.outcome

    def with_past(read_by: tuple[str, ...]) -> float:
        features = np.column_stack([rows.rows.features, before + 0.01 * rows.rows.features[:, 2]])
        names = (*rows.rows.names, "played_before")
        known = replace(
            rows,
            rows=replace(rows.rows, features=features.astype(np.float32), names=names),
            earlier=Earlier(before, read_by),
        )
        found = on(placebo_outcome(known, judge(known), level=LEVEL)).figure
        assert found is not None
        return found.standard_error

    # Models that read the answer leave no noise: whatever is wrong, they would not show it.
    assert with_past(()) < 0.5 * with_past(("played_before",))


def test_where_every_feature_counts_plays_the_arms_means_are_compared() -> None:
    rows = material(2, logged=True)
    assert rows.earlier is not None
    known = replace(rows, earlier=Earlier(rows.earlier.outcome, rows.rows.names))
    found = on(placebo_outcome(known, judge(known), level=LEVEL))
    assert found.verdict == "passed"
    assert found.figure is not None
    assert found.figure.low < 0 < found.figure.high


def test_without_a_past_or_without_plays_in_it_nothing_is_run() -> None:
    rows = material(2)
    for earlier, why in (
        (None, "needs an outcome"),
        (Earlier(np.zeros(len(rows.rows), dtype=np.int8)), "0 in every row"),
    ):
        checks = placebo_outcome(replace(rows, earlier=earlier), judge(rows), level=LEVEL)
        assert {check.verdict for check in checks} == {"not run"}
        assert why in checks[0].why


def test_spared_items_show_no_effect_until_a_confounder_is_hidden() -> None:
    sound, confounded = (material(3, users=1_200, pull=1.2, hidden=each) for each in ("", "fit"))
    assert on(negative_controls(sound, judge(sound), level=LEVEL)).verdict == "passed"
    assert on(negative_controls(confounded, judge(confounded), level=LEVEL)).verdict == "failed"


def test_items_that_are_affected_are_no_negative_controls() -> None:
    rows = material(3, tau=0.3)
    shifted = replace(rows, controls=~np.asarray(rows.controls))
    assert on(negative_controls(shifted, judge(shifted), level=LEVEL)).verdict == "failed"


def test_no_controls_and_controls_of_one_arm_are_not_run() -> None:
    rows = material(3, users=100)
    base = judge(rows)
    assert "column" in on(negative_controls(replace(rows, controls=None), base, level=LEVEL)).why
    one = replace(rows, controls=rows.rows.treatment == 1)
    found = on(negative_controls(one, base, level=LEVEL))
    assert found.verdict == "not run"
    assert "both arms" in found.why
