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
    KEY,
    K,
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
def small_report() -> Report:
    past, later = small()
    return fit(past).evaluate(**tables(later))


@pytest.fixture(scope="module")
def small_figures(small_report: Report) -> bytes:
    return figures(small_report)


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


def test_ids_may_be_strings(small_report: Report) -> None:
    past, later = small()
    named = fit(past, kind=as_text)
    # folds hash ids, so figures move; everything that does not rest on folds stays
    found = named.evaluate(**tables(later, as_text)).evaluation
    plain = small_report.evaluation
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


def test_a_published_folder_serves_what_the_ranker_serves(
    ranker: CausalRanker, report: Report, tmp_path: Path
) -> None:
    later = season()[1]
    ranker.evaluate(**tables(later))  # the latest logs are those that are published
    folder = ranker.save(tmp_path / "model")
    loaded = CausalRanker.load(folder)
    users = later.candidates["user_id"].unique()[:20]
    for user in users:
        offered = offer(later.candidates, user)
        one, other = (each.rerank(user, offered, k=K) for each in (ranker, loaded))
        assert one.records() == other.records()
        assert one.fallback is None
        assert len(one.items) == K
        assert set(one.items) <= {item for item, _ in offered}
        assert sorted(one.score.tolist(), reverse=True) == one.score.tolist()
    assert any(
        list(loaded.rerank(user, offer(later.candidates, user)).base_rank) != list(range(1, 21))
        for user in users
    )


def test_an_unknown_user_gets_the_base_order(ranker: CausalRanker) -> None:
    found = ranker.rerank(987_654_321, [(1, 0.2), (2, 0.9), (3, 0.5)])
    assert found.items == (2, 3, 1)
    assert found.fallback == "unknown_user"
    with pytest.raises(UnknownUserError):
        ranker.rerank(987_654_321)


def test_an_unknown_item_is_ranked_too(ranker: CausalRanker) -> None:
    user = season()[0].candidates["user_id"].iloc[0]
    found = ranker.rerank(int(user), [(1, 0.2), (987_654_321, 0.9)])
    assert set(found.items) == {1, 987_654_321}
    assert np.isfinite(found.uplift).all()


def test_the_built_in_base_serves_without_an_offer(tmp_path: Path) -> None:
    past, later = small()
    ranker = fit(past, base="boosted", policy="base")
    ranker.save(tmp_path / "model")
    user = int(past.candidates["user_id"].iloc[0])
    found = CausalRanker.load(tmp_path / "model").rerank(user)
    mine = past.candidates[past.candidates["user_id"] == user]
    last = mine[mine["t0"] == mine["t0"].max()]
    assert set(found.items) == set(last["item_id"])
    assert found.base_rank.tolist() == found.rank.tolist() == list(range(1, len(last) + 1))
    table = ranker.evaluate(**tables(later)).to_frame()
    assert table.loc["base", "play_rate"] > 1.3 * table.loc["random", "play_rate"]


def test_a_logged_base_serves_only_with_an_offer(ranker: CausalRanker) -> None:
    user = int(season()[0].candidates["user_id"].iloc[0])
    with pytest.raises(EmptyError, match="no base model"):
        ranker.rerank(user)


# ---------------------------------------------------------------- another treatment


@pytest.mark.parametrize("propensities", ["logged", "estimated"])
def test_the_same_treatment_again_gives_the_same_answer(propensities: str) -> None:
    """Refitting the judge for another treatment is what the main analysis does, if it is none."""
    stretches = small()
    if propensities == "estimated":
        stretches = [
            replace(logs, candidates=logs.candidates.drop(columns="propensity"))
            for logs in stretches
        ]
    past, later = stretches
    ranker = fit(past, base="boosted")
    report = ranker.evaluate(**tables(later))
    names = ("impressions", "plays", "candidates")
    whole = {n: pd.concat([getattr(logs, n) for logs in stretches]) for n in names}
    again = ranker.reassess(**whole, report_from=past.log_end, log_end=later.log_end)
    frozen = report.evaluation.comparison.result(ranker.policy_name_)
    assert again.frozen.uplift.point == pytest.approx(frozen.uplift.point, rel=1e-9)
    assert again.frozen.difference == frozen.difference
    assert again.average_effect == report.evaluation.average_effect
    ended = later.candidates[later.candidates["horizon_end"] <= later.log_end]
    assert again.treated_share == pytest.approx(ended["shown"].mean())


# ---------------------------------------------------------------- like any estimator


def test_parameters_as_in_scikit_learn() -> None:
    settings = {
        "learner": "dr",
        "policy": "uplift",
        "base": "boosted",
        "k": 7,
        "horizon_hours": 24.0,
        "config": config(),
        "seed": 9,
        "progress": True,
    }
    ranker = CausalRanker(**settings)
    assert ranker.get_params() == settings
    assert clone(ranker).get_params() == settings
    assert ranker.set_params(k=3, seed=1) is ranker
    assert (ranker.k, ranker.seed) == (3, 1)
    assert set(CausalRanker().get_params()) == set(settings)
    with pytest.raises(ValueError, match="slots"):
        ranker.set_params(slots=3)


def test_a_clone_is_not_fitted(ranker: CausalRanker) -> None:
    copy = clone(ranker)
    later = season()[1]
    for use in (
        lambda: copy.evaluate(**tables(later)),
        lambda: copy.rerank(1, [(1, 0.5)]),
        lambda: copy.save("nowhere"),
        lambda: copy.policy_name_,
    ):
        with pytest.raises(NotFittedError, match="Call fit"):
            use()


def test_a_loaded_ranker_only_serves(ranker: CausalRanker, tmp_path: Path) -> None:
    loaded = CausalRanker.load(ranker.save(tmp_path / "model"))
    with pytest.raises(NotFittedError, match="one that was loaded"):
        loaded.evaluate(**tables(season()[1]))
    with pytest.raises(NotFittedError):
        loaded.save(tmp_path / "again")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError):
        CausalRanker.load(tmp_path)


@pytest.mark.parametrize("policy", ["blend", "base"])
def test_a_named_policy_is_frozen(policy: str) -> None:
    past, _ = small()
    ranker = fit(past, policy=policy, learner="dr")
    assert ranker.policy_name_ == policy
    assert len(ranker.trained_.final_trials) == 1


def test_the_best_policy_of_the_choosing_days_is_frozen(ranker: CausalRanker) -> None:
    trained = ranker.trained_
    value = {each.policy: each.uplift.point for each in trained.choice.results}
    best = max((name for name in value if name != "base"), key=value.__getitem__)
    name, _, weight = best.partition(" ")
    assert trained.policy.kind == name
    assert trained.blend.weight == max(
        config().blend_weights, key=lambda each: value[f"blend {each:g}"]
    )
    assert not weight or float(weight) == trained.blend.weight


# ---------------------------------------------------------------- bases and bad input


def test_a_recommender_at_the_door_is_as_good_as_logged_scores() -> None:
    """The same scores give the same figures, whichever way they come in.

    Propensities are estimated here, so the rows they are learned from need their scores too.
    """
    stretches = season(users=150, days=8, last_days=2, seed=5)

    def without(*columns: str) -> list[Any]:
        return [
            replace(logs, candidates=logs.candidates.drop(columns=list(columns)))
            for logs in stretches
        ]

    scores = pd.concat([logs.candidates for logs in stretches])
    logged, bare = without("propensity"), without("propensity", "base_score", "base_rank")
    ranker, other = fit(logged[0]), fit(bare[0], base=FrameRecommender(scores))
    found = figures(other.evaluate(**tables(bare[1])))
    assert found == figures(ranker.evaluate(**tables(logged[1])))


def test_what_is_shown_for_certain_is_refused() -> None:
    """The top of the base list and nothing else: the two arms have no comparable rows."""
    past, _ = small()
    table = past.candidates
    decided = table.assign(shown=table["base_rank"] <= K).drop(columns="propensity")
    with pytest.raises(OverlapError, match="Explore"):
        fit(replace(past, candidates=decided))


def test_pinned_rows_are_left_out_and_counted() -> None:
    """A propensity of 1 is allowed: such a row has no overlap, and the others go on."""
    past, later = small()

    def pin(logs: Any) -> Any:
        pinned = logs.candidates["base_rank"] == 1
        table = logs.candidates
        return replace(
            logs,
            candidates=table.assign(
                propensity=table["propensity"].where(~pinned, 1.0), shown=table["shown"] | pinned
            ),
        )

    report = fit(pin(past)).evaluate(**tables(pin(later)))
    assert report.evaluation.share_left_out > 1 / 20


def test_candidates_without_base_scores_need_a_base() -> None:
    past, _ = small()
    bare = replace(past, candidates=past.candidates.drop(columns=["base_score", "base_rank"]))
    with pytest.raises(RowError, match="base recommender"):
        fit(bare)


def test_logs_that_were_seen_before_are_refused(ranker: CausalRanker) -> None:
    past, later = season()
    with pytest.raises(RowError, match="candidates from 2025-01-14 00:00:00 UTC on"):
        ranker.evaluate(**tables(past))
    both = pd.concat([past.plays.tail(3), later.plays])
    with pytest.raises(RowError, match=r"plays from .* 3 earlier rows"):
        ranker.evaluate(**{**tables(later), "plays": both})


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (lambda t: t.drop(columns="shown"), SchemaError, "shown"),
        (lambda t: t.assign(t0=t["t0"].dt.tz_localize(None)), SchemaError, "t0"),
        (lambda t: t.assign(propensity=1.5), RowError, "propensity"),
        (lambda t: pd.concat([t, t.head(2)]), RowError, "once|unique|duplicate|twice"),
        (lambda t: t.head(0), EmptyError, "candidates"),
        (lambda t: t.drop(columns="device"), SchemaError, "device"),
    ],
)
def test_broken_candidates_are_refused(broken: Any, error: Any, message: str) -> None:
    past, _ = small()
    with pytest.raises(error, match=message):
        fit(replace(past, candidates=broken(past.candidates)))


def test_a_log_shorter_than_its_choosing_days_is_refused() -> None:
    past, _ = small()
    with pytest.raises(EmptyError, match="30 days"):
        fit(past, config=config(choose_days=30))


def test_features_are_inferred_where_no_config_says_them() -> None:
    past, _ = small()
    ranker = CausalRanker(k=K).fit(**tables(past), users=past.users, items=past.items)
    features = ranker.config_.features
    assert set(features.user_numbers) == {"tenure_days", "taste_breadth", "skip_rate"}
    assert set(features.item_categories) == {"genre"}
    assert features.row_categories == ("device",)
    assert features.item_group is None
    assert set(FEATURES.row_numbers) == set(features.row_numbers)


def test_log_end_is_the_last_event_unless_said() -> None:
    past, _ = small()
    given = {name: table for name, table in tables(past).items() if name != "log_end"}
    settings = {"k": K, "config": config(choose_days=2), "seed": 1}
    ranker = CausalRanker(**settings).fit(**given, users=past.users, items=past.items)
    last = max(past.plays["played_at"].max(), past.candidates["t0"].max())
    assert ranker.trained_.window[1] == last - timedelta(days=2)


def test_progress_is_drawn_on_the_error_stream(capfd: pytest.CaptureFixture[str]) -> None:
    fit(small()[0], progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Nuisances" in err


@pytest.fixture(autouse=True)
def _quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing may talk on the side, LightGBM included."""
    yield
    out, err = capfd.readouterr()
    assert "LightGBM" not in out + err
