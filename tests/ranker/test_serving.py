"""What is served is what was judged."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import (
    BundleError,
    EmptyError,
    UnknownUserError,
)
from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.registry import Registry
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.distill import DistillConfig, distill
from tests.ranker.season import (
    FEATURES,
    K,
    candidates_at_once,
    config,
    fit,
    season,
    tables,
)
from tests.ranker.shared import offer, small


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


@pytest.mark.parametrize(
    ("base", "features"),
    [(None, {}), ("boosted", {}), ("boosted", {"exposures": True, "clock": True})],
)
def test_uplift_and_order_are_served_as_they_were_judged(
    base: Any, features: dict[str, bool], tmp_path: Path
) -> None:
    wide = config(
        dr=config().dr.model_copy(update={"lowest_propensity": 1e-5}),
        features=FEATURES.model_copy(update=features),
    )
    ranker = fit(small()[0], base=base, config=wide)
    offline, served = served_as_judged(ranker, tmp_path / "model")
    assert offline["user_id"].nunique() == 40
    clock = {"hour_of_day", "day_of_week"} if features.get("clock") else set()
    assert set(load_bundle(tmp_path / "model").snapshot.clock) == clock
    for user, rows in offline.groupby("user_id"):
        offered = None
        if base is None:
            offered = list(zip(rows["item_id"], rows["base_score"], strict=True))
        found = served.rerank(user, offered, at=small()[0].log_end)
        assert found.fallback is None
        mine = rows.set_index("item_id").loc[list(found.items)]
        np.testing.assert_allclose(found.uplift, mine["uplift"], rtol=1e-9)
        np.testing.assert_allclose(found.base_score, mine["base_score"], rtol=1e-6)
        # Judged lists end at k; what stands behind shares the next rank.
        for rank, name in ((found.base_rank, "base"), (found.rank, ranker.policy_name_)):
            np.testing.assert_array_equal(np.minimum(rank, ranker.k + 1), mine[f"{name} rank"])


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
    assert_context_is_of_the_moment(folder, later.candidates)


def assert_context_is_of_the_moment(folder: Path, candidates: pd.DataFrame) -> None:
    """What all candidates of a request share is the request's to say; the last one goes on."""
    bundle = load_bundle(folder)
    plan, snapshot = bundle.uplift.plan, bundle.snapshot
    group = {feature.name: feature.group for feature in plan.schema.features}
    assert {name for name in group if group[name] == "moment"} == {
        "hour",
        "session_so_far",
        "device",
    }
    last = candidates.sort_values("t0").groupby("user_id").last()
    assert snapshot.moment["device"] == last["device"].mode()[0]
    assert snapshot.moment["hour"] == last["hour"].mode()[0]
    column = {name: plan.schema.names.index(name) for name in group}
    levels = plan.schema.features[column["device"]].levels
    assert levels is not None
    items = snapshot.items.ids[:5].tolist()
    for user in last.index[:20]:
        rows = bundle.read(int(user), items)
        X = plan.matrix(rows)
        for name in ("hour", "session_so_far"):
            assert set(X[:, column[name]]) == {float(np.float32(last.loc[user, name]))}
        assert {levels[int(code)] for code in X[:, column["device"]]} == {last.loc[user, "device"]}
        for level in levels:
            sent = plan.matrix(rows, sent={"device": level, "hour": 3})
            assert set(sent[:, column["device"]]) == {levels.index(level)}
            assert set(sent[:, column["hour"]]) == {3.0}


def test_saving_again_adds_a_version(ranker: CausalRanker, tmp_path: Path) -> None:
    folder = ranker.save(tmp_path / "models")
    first = load_bundle(folder).version
    assert ranker.save(folder) == folder
    registry = Registry(folder)
    newest = registry.current()
    assert [each.version for each in registry.versions()] == [newest, first]
    user = season()[1].candidates["user_id"].iloc[0]
    for path in (folder, registry.path_of(first)):
        found = CausalRanker.load(path).rerank(user, [(1, 0.2), (2, 0.9)])
        assert found.records() == ranker.rerank(user, [(1, 0.2), (2, 0.9)]).records()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match="nothing was overwritten"):
        ranker.save(tmp_path / "mine")


def test_a_student_is_published_in_the_place_of_the_learner(
    ranker: CausalRanker, report: Report, tmp_path: Path
) -> None:
    """The chain serves one LightGBM model; a student is one, whoever taught it."""
    lists = ranker.lists_
    at = lists.rows.sampled
    rows = Rows(
        features=lists.covariates,
        treatment=lists.rows.treatment[at],
        outcome=lists.rows.outcome[at],
        weight=lists.rows.sample_weight[at],
        user=lists.rows.user[at],
        unit=lists.rows.unit[at],
        propensity=lists.rows.propensity[at],
        names=tuple(FEATURES.names),
        categorical=tuple(FEATURES.categorical),
    )
    teacher = ranker.trained_.scorer.learner
    student = distill(teacher, rows, config=DistillConfig(), seed=1)
    other = copy(ranker)
    scorer = replace(ranker.trained_.scorer, learner=student)
    other.trained_ = replace(ranker.trained_, scorer=scorer)
    folder = other.save(tmp_path / "model")
    assert student.model_ is not None
    published = load_bundle(folder).path
    assert (published / "uplift.txt").read_text() == student.model_.model_to_string()
    served, past = CausalRanker.load(folder), CausalRanker.load(ranker.save(tmp_path / "teacher"))
    later = season()[1].candidates
    said = []
    for user in later["user_id"].unique()[:20]:
        found, theirs = (each.rerank(user, offer(later, user)) for each in (served, past))
        assert found.fallback is None
        order = np.argsort(np.array(found.items)), np.argsort(np.array(theirs.items))
        said.append(np.stack([found.uplift[order[0]], theirs.uplift[order[1]]]))
    assert np.corrcoef(np.concatenate(said, axis=1))[0, 1] > 0.95


def test_an_unknown_user_gets_the_base_order(ranker: CausalRanker) -> None:
    found = ranker.rerank(987_654_321, [(1, 0.2), (2, 0.9), (3, 0.5)])
    assert found.items == (2, 3, 1)
    assert found.fallback == "unknown_user"
    with pytest.raises(UnknownUserError):
        ranker.rerank(987_654_321)


def test_fall_backs_are_counted_as_long_as_the_ranker_lives(tmp_path: Path) -> None:
    past, later = small()
    ranker = fit(past)
    user = int(past.candidates["user_id"].iloc[0])
    ranker.rerank(user, [(1, 0.2), (987_654_321, 0.9)])
    ranker.rerank(987_654_321, [(1, 0.2)])
    ranker.save(tmp_path / "model")
    ranker.evaluate(**tables(later))
    ranker.rerank(987_654_321, [(1, 0.2)])
    counts = ranker.counts_
    assert (counts.requests, counts.unknown_items) == (3, 1)
    assert counts.fallbacks == {"unknown_user": 2}
    loaded = CausalRanker.load(tmp_path / "model")
    loaded.rerank(987_654_321, [(1, 0.2)])
    assert loaded.counts_.fallbacks == {"unknown_user": 1}
    assert ranker.counts_.requests == 3


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
    assert {*found.items} < {*past.candidates["item_id"]}
    stranger = CausalRanker.load(tmp_path / "model").rerank(987_654_321)
    assert stranger.fallback == "unknown_user"
    assert {*stranger.items} >= {*found.items}
    assert len(stranger.items) > len(found.items)
    assert np.isfinite(stranger.base_score).all()
    assert sorted(stranger.base_score.tolist(), reverse=True) == stranger.base_score.tolist()
    assert found.base_rank.tolist() == found.rank.tolist() == list(range(1, len(last) + 1))
    table = ranker.evaluate(**tables(later)).to_frame()
    assert table.loc["base", "play_rate"] > 1.3 * table.loc["random", "play_rate"]


def test_a_logged_base_serves_only_with_an_offer(ranker: CausalRanker) -> None:
    user = int(season()[0].candidates["user_id"].iloc[0])
    with pytest.raises(EmptyError, match="no base model"):
        ranker.rerank(user)


def test_the_report_knows_which_items_could_be_played() -> None:
    past, later = small()
    gone = past.items.assign(available_until=pd.Timestamp("2000-01-01", tz="UTC"))
    settings = {"k": K, "config": config(), "seed": 1}
    ranker = CausalRanker(**settings).fit(**tables(past), users=past.users, items=gone)
    found = json.loads(ranker.evaluate(**tables(later)).to_json())
    (counts,) = (each for each in found["sections"] if each["title"] == "Label counts")
    kinds = {row[0] for block in counts["blocks"] for row in block["rows"]}
    assert "unplayable" in kinds
    assert "true_negative" not in kinds
