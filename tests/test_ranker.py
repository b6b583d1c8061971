"""`CausalRanker` from logs to served lists, on a world whose effects are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from sklearn.base import clone

from causal_ranker.errors import (
    BundleError,
    EmptyError,
    NotFittedError,
    OverlapError,
    RowError,
    SchemaError,
    UnknownUserError,
)
from causal_ranker.evaluation.report import Report
from causal_ranker.logs.sources import connect, read_table
from causal_ranker.ranker import CausalRanker
from causal_ranker.recommenders.frame import FrameRecommender
from causal_ranker.worlds.policy_value import policy_value
from tests.season import (
    FEATURES,
    K,
    KEY,
    candidates_at_once,
    config,
    fit,
    season,
    tables,
    true_value,
)

POLICIES = ["random", "popularity", "base", "uplift", "blend"]


@pytest.fixture(scope="module")
def ranker() -> CausalRanker:
    return fit(season()[0])


@pytest.fixture(scope="module")
def report(ranker: CausalRanker) -> Report:
    return ranker.evaluate(**tables(season()[1]))


def figures(report: Report) -> bytes:
    return json.dumps(json.loads(report.to_json())["figures"]).encode()


def offer(table: pd.DataFrame, user: Any) -> list[tuple[Any, float]]:
    """Give what the base recommender offered at a user's last request."""
    mine = table[table["user_id"] == user]
    last = mine[mine["t0"] == mine["t0"].max()]
    return list(zip(last["item_id"].tolist(), last["base_score"].tolist(), strict=True))


# ---------------------------------------------------------------- what is estimated


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
    assert np.corrcoef(found, truth)[0, 1] > 0.45
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


def test_the_paired_difference_lies_around_the_truth(
    report: Report, scored: pd.DataFrame
) -> None:
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


# ---------------------------------------------------------------- the same again


def small() -> Any:
    return season(users=250, days=9, last_days=3, seed=5)


@pytest.fixture(scope="module")
def small_figures() -> bytes:
    past, later = small()
    return figures(fit(past).evaluate(**tables(later)))


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Rename ids: their order, and so the order of rows, stays."""
    return table.assign(
        **{
            name: table[name].map("{:05d}".format)
            for name in ("user_id", "item_id")
            if name in table
        }
    )


@pytest.mark.parametrize(
    "kind",
    [
        lambda table: table,
        polars.from_pandas,
        pa.Table.from_pandas,
        lambda table: table.sample(frac=1, random_state=0),
    ],
    ids=["pandas", "polars", "arrow", "shuffled"],
)
def test_equal_logs_give_equal_figures_byte_by_byte(small_figures: bytes, kind: Any) -> None:
    past, later = small()
    again = fit(past, kind=kind)
    assert figures(again.evaluate(**tables(later, kind))) == small_figures


def test_files_and_ibis_tables(small_figures: bytes, tmp_path: Path) -> None:
    past, later = small()
    engine = connect()
    for number, logs in enumerate((past, later)):
        for name in ("impressions", "plays", "candidates", "users", "items"):
            getattr(logs, name).to_parquet(tmp_path / f"{name}_{number}.parquet")

    def files(number: int) -> dict[str, Any]:
        paths = {n: tmp_path / f"{n}_{number}.parquet" for n in ("impressions", "plays")}
        candidates = read_table(
            str(tmp_path / f"candidates_{number}.parquet"), engine, name="candidates"
        )
        return {**paths, "candidates": candidates, "log_end": (past, later)[number].log_end}

    facts = {name: tmp_path / f"{name}_0.parquet" for name in ("users", "items")}
    ranker = CausalRanker(k=K, config=config(), seed=1).fit(**files(0), **facts)
    assert figures(ranker.evaluate(**files(1))) == small_figures


def test_evaluating_again_gives_the_same_report(ranker: CausalRanker, report: Report) -> None:
    """What an evaluation saw is no history of the next one."""
    assert figures(ranker.evaluate(**tables(season()[1]))) == figures(report)


def test_the_callers_tables_are_left_alone(report: Report) -> None:
    """The shared tables have been through `fit` and `evaluate` by now."""
    fresh = season.__wrapped__()
    for used, new in zip(season(), fresh, strict=True):
        for name in ("impressions", "plays", "candidates", "users", "items"):
            pd.testing.assert_frame_equal(getattr(used, name), getattr(new, name))


def test_ids_may_be_strings() -> None:
    past, later = small()
    named = fit(past, kind=as_text)
    # folds hash ids, so figures move; everything that does not rest on folds stays
    found = named.evaluate(**tables(later, as_text)).evaluation
    plain = fit(past).evaluate(**tables(later)).evaluation
    assert found.scope == plain.scope
    one, other = (each.comparison.result("base") for each in (found, plain))
    assert one.play_rate.point == other.play_rate.point
    assert one.uplift.point == pytest.approx(other.uplift.point, abs=0.01)
    user = as_text(later.candidates)["user_id"].iloc[0]
    served = named.rerank(user, offer(as_text(later.candidates), user))
    assert served.fallback is None
    assert all(isinstance(item, str) for item in served.items)


def test_block_size_decides_memory_and_not_results() -> None:
    """With the built-in base ranker, whose models change within the logs."""
    past, later = small()
    frames = []
    for rows in (10**6, 3_000):
        ranker = fit(past, base="boosted", config=config(block_rows=rows))
        frames.append(ranker.evaluate(**tables(later)).to_frame())
    for policy in ("base", "uplift", "blend", "popularity"):
        pd.testing.assert_series_equal(frames[0].loc[policy], frames[1].loc[policy], rtol=1e-9)


# ---------------------------------------------------------------- training and serving


def served_as_judged(ranker: CausalRanker, folder: Path) -> tuple[pd.DataFrame, CausalRanker]:
    """Judge requests at one moment, and publish for the same requests at the same moment."""
    past, later = small()
    asked = candidates_at_once(past, later, users=40)
    ranker.evaluate(later.impressions, later.plays, candidates=asked, log_end=later.log_end)
    lists = ranker.lists_
    offline = pd.DataFrame(
        {
            "user_id": lists.rows.user,
            "item_id": lists.item,
            "uplift": lists.rows.uplift,
            "base_score": lists.rows.base_score,
            **{f"{name} rank": rank for name, rank in lists.rows.rank.items()},
        }
    )
    ranker.save(folder, candidates=asked, at=past.log_end)
    return offline, CausalRanker.load(folder)


@pytest.mark.parametrize("base", [None, "boosted"])
def test_uplift_and_order_are_served_as_they_were_judged(base: Any, tmp_path: Path) -> None:
    wide = config(dr=config().dr.model_copy(update={"lowest_propensity": 1e-5}))
    ranker = fit(small()[0], base=base, config=wide)
    offline, served = served_as_judged(ranker, tmp_path / "model")
    assert offline["user_id"].nunique() == 40
    for user, rows in offline.groupby("user_id"):
        offered = None
        if base is None:
            offered = list(zip(rows["item_id"], rows["base_score"], strict=True))
        found = served.rerank(user, offered)
        assert found.fallback is None
        mine = rows.set_index("item_id").loc[list(found.items)]
        np.testing.assert_allclose(found.uplift, mine["uplift"], rtol=1e-9)
        np.testing.assert_allclose(found.base_score, mine["base_score"], rtol=1e-6)
        np.testing.assert_array_equal(found.base_rank, mine["base rank"])
        np.testing.assert_array_equal(found.rank, mine[f"{ranker.policy_name_} rank"])
