"""Nuisances: nobody is judged by models that saw him, and logged propensities are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.boosting import BoostConfig
from causal_ranker.errors import EmptyError, NotFittedError, RowError
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.nuisance import NuisanceConfig, Nuisances, NuisanceValues
from causal_ranker.uplift.propensity import logged_propensity
from tests.uplift.worlds import NUISANCE, TREES, Truth, draw, scores


def fitted(rows: Rows, **settings: Any) -> Nuisances:
    return Nuisances(config=NuisanceConfig(**{**dict(NUISANCE), **settings}), seed=3).fit(rows)


def values_of(rows: Rows, **settings: Any) -> NuisanceValues:
    return fitted(rows, **settings).cross_fitted(rows)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return draw(20)


@pytest.fixture(scope="module")
def values(truth: Truth) -> NuisanceValues:
    return values_of(truth.rows)


def test_scores_are_those_of_the_formula(truth: Truth, values: NuisanceValues) -> None:
    found = values.scores(truth.rows.treatment, truth.rows.outcome)
    expected = scores(
        truth.rows, values.propensity, mu0=values.outcome_control, mu1=values.outcome_treated
    )
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def changed(one: NuisanceValues, other: NuisanceValues, *names: str) -> NDArray[np.bool_]:
    """Mark the rows of which some of the named nuisances differ."""
    return np.any([getattr(one, name) != getattr(other, name) for name in names], axis=0)


OUTCOMES = ("outcome_treated", "outcome_control")


@pytest.mark.parametrize("user", [0, 1, 2, 3])
def test_a_users_rows_say_nothing_about_himself(
    truth: Truth, values: NuisanceValues, user: int
) -> None:
    """Whatever a user did, his nuisances are the same; those of others may move."""
    mine = truth.rows.user == user
    for name, nuisances in (("outcome", OUTCOMES), ("treatment", ("propensity", *OUTCOMES))):
        flipped = getattr(truth.rows, name).copy()
        flipped[mine] = 1 - flipped[mine]
        moved = changed(values, values_of(replace(truth.rows, **{name: flipped})), *nuisances)
        assert not moved[mine].any()
        assert moved[~mine].any()


def test_a_users_rows_share_their_models_wherever_they_are(truth: Truth) -> None:
    """Later rows of a user are judged by the models that did not see his earlier ones."""
    nuisances = fitted(truth.rows)
    rows, x = truth.rows, truth.rows.features
    e = nuisances.propensity(x, rows.user, logged=rows.propensity)
    later = nuisances.predict(x, rows.user, propensity=e)
    same = nuisances.cross_fitted(rows)
    for name in ("propensity", *OUTCOMES):
        np.testing.assert_array_equal(getattr(later, name), getattr(same, name))


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_every_row_gets_a_probability(truth: Truth, folds: int) -> None:
    found = values_of(truth.rows.take(np.arange(3_000)), folds=folds)
    for name in ("propensity", *OUTCOMES):
        assert ((getattr(found, name) > 0) & (getattr(found, name) < 1)).all()


def test_the_order_of_rows_does_not_matter(truth: Truth, values: NuisanceValues) -> None:
    order = np.random.default_rng(0).permutation(len(truth.rows))
    shuffled = values_of(truth.rows.take(order))
    for name in ("propensity", *OUTCOMES):
        expected = getattr(values, name)[order]
        np.testing.assert_allclose(getattr(shuffled, name), expected, atol=1e-9)


def test_swapped_arms_swap_the_outcome_models() -> None:
    rows = draw(21, logged=True).rows
    swapped = values_of(replace(rows, treatment=1 - rows.treatment, propensity=1 - rows.propensity))
    found = values_of(rows)
    np.testing.assert_array_equal(found.outcome_treated, swapped.outcome_control)
    np.testing.assert_array_equal(found.outcome_control, swapped.outcome_treated)
    np.testing.assert_allclose(
        found.scores(rows.treatment, rows.outcome),
        -swapped.scores(1 - rows.treatment, rows.outcome),
        atol=1e-12,
    )


@pytest.mark.parametrize("tau", [-0.1, 0.0, 0.15])
@pytest.mark.parametrize("logged", [True, False])
def test_the_mean_score_is_the_average_effect_in_a_confounded_world(
    tau: float, logged: bool
) -> None:
    truth = draw(22, n=24_000, tau=tau, logged=logged)
    gamma = values_of(truth.rows).scores(truth.rows.treatment, truth.rows.outcome)
    error = gamma.std() / np.sqrt(len(gamma))
    assert error < 0.012
    assert abs(gamma.mean() - tau) < 3 * error
    assert abs(truth.naive - tau) > 6 * error


def test_either_model_may_be_wrong() -> None:
    """Doubly robust: with one useless nuisance the other one still finds the effect."""
    truth = draw(23, n=24_000, tau=0.1)
    rows = truth.rows
    useless = BoostConfig(rounds=1, learning_rate=1e-6)
    blind: dict[str, Any] = {"propensity": useless, "propensity_kinds": ("boosted",)}
    for settings in ({"outcome": useless}, blind):
        gamma = values_of(rows, **settings).scores(rows.treatment, rows.outcome)
        assert gamma.mean() == pytest.approx(0.1, abs=0.035), settings
    both = values_of(rows, outcome=useless, **blind)
    gamma = both.scores(rows.treatment, rows.outcome)
    assert abs(gamma.mean() - 0.1) > 0.06


def test_logged_propensities_are_used_as_they_are() -> None:
    truth = draw(24, n=4_000, logged=True)
    nuisances = fitted(truth.rows)
    np.testing.assert_array_equal(nuisances.cross_fitted(truth.rows).propensity, truth.propensity)
    x, user = truth.rows.features, truth.rows.user
    found = nuisances.propensity(x, user, logged=truth.propensity)
    np.testing.assert_array_equal(found, truth.propensity)
    with pytest.raises(NotFittedError, match="Log the propensity"):
        nuisances.propensity(x, user, logged=np.full(len(x), np.nan))


def test_a_log_that_begins_to_log_propensities_uses_them(truth: Truth) -> None:
    nuisances = fitted(truth.rows)
    logged = np.full(len(truth.rows), 0.37)
    found = nuisances.propensity(truth.rows.features, truth.rows.user, logged=logged)
    np.testing.assert_array_equal(found, logged)


@pytest.mark.parametrize("bad", [np.nan, 0.0, -0.1, 1.1])
def test_half_logged_propensities_are_refused(bad: float) -> None:
    rows = draw(25, n=400, logged=True).rows
    propensity = rows.propensity.copy()
    propensity[[7, 9]] = bad
    with pytest.raises(RowError, match="2 of 400"):
        fitted(replace(rows, propensity=propensity))


def test_nothing_logged_is_not_an_error() -> None:
    assert logged_propensity(np.full(3, np.nan)) is None


def test_a_certain_showing_is_outside_the_band_and_no_error() -> None:
    """The contract of the logs allows a propensity of 1: such rows have no overlap."""
    rows = draw(26, n=4_000, logged=True).rows
    pinned = np.zeros(4_000, dtype=bool)
    pinned[::50] = True
    rows = replace(
        rows,
        propensity=np.where(pinned, 1.0, rows.propensity),
        treatment=np.where(pinned, 1, rows.treatment),
    )
    found = values_of(rows)
    assert (found.propensity[pinned] == 1).all()
    part = found.take(~pinned)
    np.testing.assert_array_equal(part.propensity, rows.propensity[~pinned])
    assert np.isfinite(part.scores(rows.treatment[~pinned], rows.outcome[~pinned])).all()


@pytest.mark.parametrize("arm", [0, 1])
@pytest.mark.parametrize("logged", [True, False])
def test_an_empty_arm_is_refused(arm: int, logged: bool) -> None:
    rows = draw(27, n=800, logged=logged).rows
    with pytest.raises(EmptyError, match=f"T = {1 - arm}"):
        fitted(rows.take(rows.treatment == arm))


def test_one_user_cannot_be_cross_fitted() -> None:
    rows = draw(28, n=400).rows
    with pytest.raises(EmptyError):
        fitted(replace(rows, user=np.zeros(400, dtype=int), unit=np.zeros(400, dtype=int)))


def test_unfitted_nuisances_say_so(truth: Truth) -> None:
    empty = Nuisances(config=NUISANCE, seed=3)
    rows = truth.rows
    with pytest.raises(NotFittedError):
        empty.cross_fitted(rows)
    with pytest.raises(NotFittedError):
        empty.predict(rows.features, rows.user, propensity=truth.propensity)


def test_the_propensity_may_be_kept_to_some_features(truth: Truth) -> None:
    """Without the confounder the propensity model knows nothing; the outcome models still do."""
    blind = values_of(truth.rows, propensity_features=("x1", "x3"))
    seeing = values_of(truth.rows)
    assert np.corrcoef(seeing.propensity, truth.propensity)[0, 1] > 0.9
    assert abs(np.corrcoef(blind.propensity, truth.propensity)[0, 1]) < 0.1
    np.testing.assert_array_equal(blind.outcome_treated, seeing.outcome_treated)


def test_progress_is_told_once_a_model() -> None:
    rows, told = draw(29, n=800).rows, []
    config = NuisanceConfig(folds=3, outcome=TREES, propensity=TREES)
    Nuisances(config=config, seed=3).fit(rows, advance=lambda: told.append(1))
    assert len(told) == 1 + 2 * 3
