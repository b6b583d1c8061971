"""What `CausalRanker` estimates, against the known effects of a world."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from causal_ranker.worlds.policy_value import policy_value
from tests.ranker.season import (
    KEY,
    K,
    season,
    true_value,
)

POLICIES = ["random", "popularity", "base", "uplift", "blend"]


def whole(logs: Any) -> pd.DataFrame:
    """Candidates and truth side by side, of the requests whose horizon ended."""
    rows = logs.candidates.merge(logs.truth.drop(columns="assignment_unit"), on=KEY)
    return rows[rows["horizon_end"] <= logs.log_end].reset_index(drop=True)


@pytest.fixture(scope="module")
def scored(ranker: CausalRanker, report: Report) -> pd.DataFrame:
    """Every candidate of the report with its predicted uplift."""
    lists = ranker.lists_
    found = pd.DataFrame(
        {
            "user_id": lists.rows.user,
            "item_id": lists.item,
            "t0": pd.DatetimeIndex(lists.t0.view("datetime64[us]"), tz="UTC"),
            "uplift": lists.rows.uplift,
            "propensity_used": lists.rows.propensity,
            "gamma": lists.rows.gamma,
        }
    )
    rows = whole(season()[1])
    merged = rows.merge(found, on=KEY, how="left", validate="1:1")
    assert merged["uplift"].notna().all()  # with a curve rate of 1 all rows are kept
    return merged


def inside(rows: pd.DataFrame) -> Any:
    return rows["propensity"].between(0.02, 0.98).to_numpy()


def test_logged_propensities_are_the_ones_used(scored: pd.DataFrame) -> None:
    np.testing.assert_array_equal(scored["propensity"], scored["propensity_used"])


def test_predicted_uplift_follows_the_true_effect(scored: pd.DataFrame) -> None:
    found, truth = scored["uplift"], scored["tau"]
    assert np.corrcoef(found, truth)[0, 1] > 0.6
    assert np.corrcoef(scored["base_score"], truth)[0, 1] < np.corrcoef(found, truth)[0, 1]
    assert found[inside(scored)].mean() == pytest.approx(truth[inside(scored)].mean(), abs=0.015)


def test_the_uplift_ranking_is_worth_more_than_the_base_ranking(scored: pd.DataFrame) -> None:
    values = {
        name: policy_value(scored, scored[name].to_numpy(), k=K).uplift_at_k
        for name in ("uplift", "base_score", "tau")
    }
    assert values["uplift"] > values["base_score"] * 1.15
    assert values["tau"] > values["uplift"]


@pytest.mark.parametrize("policy", ["base", "uplift"])
def test_the_estimate_lies_around_the_truth(
    report: Report, scored: pd.DataFrame, policy: str
) -> None:
    column = {"base": "base_score", "uplift": "uplift"}[policy]
    truth = true_value(scored, scored[column].to_numpy(), inside(scored))
    found = report.evaluation.comparison.result(policy).uplift
    assert abs(found.point - truth) < 3 * found.standard_error
    assert 0.003 < found.standard_error < 0.02


def test_the_paired_difference_lies_around_the_truth(report: Report, scored: pd.DataFrame) -> None:
    truth = [
        true_value(scored, scored[column].to_numpy(), inside(scored))
        for column in ("uplift", "base_score")
    ]
    found = report.evaluation.comparison.result("uplift").difference
    assert abs(found.point - (truth[0] - truth[1])) < 3 * found.standard_error


def test_the_average_effect_lies_around_the_truth(report: Report, scored: pd.DataFrame) -> None:
    truth = scored["tau"][inside(scored)].mean()
    found = report.evaluation.average_effect
    assert abs(found.point - truth) < 3 * found.standard_error
    naive = scored.assign(y=_outcomes(scored))
    rates = naive[inside(naive)].groupby("shown")["y"].mean()
    assert abs(rates[True] - rates[False] - truth) > 4 * found.standard_error


def test_nothing_is_cannibalised_where_nothing_is(report: Report, scored: pd.DataFrame) -> None:
    """The world takes no play from another title: the total gains what the items gain."""
    found = report.evaluation.totals
    assert found is not None
    assert found.left is not None
    assert abs(found.left.point - 1) < 3 * found.left.standard_error
    truth = [
        true_value(scored, scored[column].to_numpy(), inside(scored))
        for column in ("uplift", "base_score")
    ]
    (uplift,) = (each for each in found.policies if each.policy == "uplift")
    total = uplift.total_difference
    assert abs(total.point - (truth[0] - truth[1])) < 3 * total.standard_error
    # what a user plays in all varies more than one item, and the model takes most of that off
    ratio = total.standard_error / uplift.item_difference.standard_error
    assert 1 < ratio < 15


def test_accuracy_prefers_the_base_list_and_uplift_does_not(report: Report) -> None:
    found = report.evaluation.accuracy
    assert found is not None
    ndcg = {each.policy: each.ndcg.point for each in found.policies}
    causes = {each.policy: each.uplift.point for each in report.evaluation.comparison.results}
    assert max(ndcg, key=lambda name: ndcg[name]) == "base"
    assert max(causes, key=lambda name: causes[name]) in ("uplift", "blend")
    for each, result in zip(found.policies, report.evaluation.comparison.results, strict=True):
        assert each.ips is not None
        far = abs(each.ips.interval.point - result.uplift.point)
        assert far < 3 * each.ips.interval.standard_error
    assert found.items == 100


def _outcomes(rows: pd.DataFrame) -> pd.Series:
    """Whether a play of the item by the user began within the horizon, by brute force."""
    plays = season()[1].plays.merge(rows[[*KEY, "horizon_end"]], on=["user_id", "item_id"])
    hits = plays[plays["played_at"].between(plays["t0"], plays["horizon_end"], inclusive="left")]
    keys = set(hits[KEY].itertuples(index=False, name=None))
    return pd.Series([key in keys for key in rows[KEY].itertuples(index=False, name=None)])


def test_the_report_counts_requests_users_and_plays(report: Report, scored: pd.DataFrame) -> None:
    scope = report.evaluation.scope
    primary = scored[inside(scored)]
    assert scope.requests == primary["assignment_unit"].nunique()
    assert scope.sampled_rows == len(scored)
    assert scope.curve_rows == len(primary)
    assert report.evaluation.share_left_out == pytest.approx(1 - len(primary) / len(scored))
    top = primary.assign(y=_outcomes(scored)[primary.index]).sort_values(
        "base_score", ascending=False, kind="stable"
    )
    rate = top.groupby("assignment_unit").head(K)["y"].sum() / scope.requests / K
    found = report.evaluation.comparison.result("base").play_rate.point
    assert found == pytest.approx(rate, abs=1e-12)


def test_the_report_compares_five_policies(ranker: CausalRanker, report: Report) -> None:
    table = report.to_frame()
    assert list(table.index) == POLICIES
    assert report.evaluation.comparison.k == K
    assert (table.loc["base", ["difference", "difference_low", "difference_high"]] == 0).all()
    assert table.loc["base", "overlap"] == 1
    assert table.loc["random", "overlap"] == pytest.approx(K / 19.6, abs=0.03)
    assert ranker.policy_name_ in ("uplift", "blend")
