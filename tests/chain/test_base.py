"""Base scores of whole lists, and never from a model of the future."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.boosting import BoostConfig, predict_trees
from causal_ranker.chain.base import BoostedBase, LoggedBase, RecommenderBase, filled_blocks
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import label_logs
from causal_ranker.chain.tune import tune_base
from causal_ranker.errors import ConfigError, RowError
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.recommenders.boosted import BoostedRecommender
from causal_ranker.recommenders.frame import FrameRecommender
from causal_ranker.uplift.candidates import Candidate
from tests.chain.blocks import DAY, block, requests
from tests.chain.tables import ENGINE, FEATURES, at, logs, reader_of

TREES = BoostConfig(rounds=20, leaves=4, min_rows_leaf=20, feature_share=1.0)
START = datetime(1970, 1, 1, tzinfo=UTC)


def nobody(users: Any, at: datetime) -> Any:
    raise AssertionError("nobody asks")


def recommender() -> BoostedRecommender:
    return BoostedRecommender(nobody, names=["x"], categorical=[], seed=0)


def history(days: int = 40, per_day: int = 60, seed: int = 0) -> FeatureBlock:
    """Requests of many days; x tells the chance of a play, and every second horizon is long."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    features = np.full((n, 3), np.nan, dtype=np.float32)
    features[:, 0] = rng.normal(size=n)
    made = requests(
        days,
        per_day,
        features=features,
        outcome=(rng.random(n) < 1 / (1 + np.exp(-features[:, 0]))).astype(np.int8),
    )
    made.horizon_end[::2] += 2 * DAY
    return made


def config(*, trials: tuple[BoostConfig, ...] = (TREES,), **settings: Any) -> ChainConfig:
    mine = {"base_trials": trials, "base_stops": (1.0,), "base_first_days": 7, "base_refit_days": 5}
    # Copied, as a base with one trial is less than the causal layer gets, and refused.
    return ChainConfig().model_copy(update=mine | settings)


def tuned(rows: FeatureBlock, *, cut: int, **settings: Any) -> BoostedRecommender:
    made = recommender()
    tune_base(made, rows, cut=cut, config=config(**settings), advance=lambda: None)
    return made


def test_logged_scores_are_left_as_they_are() -> None:
    rows = block(3, features=[[9, 0.5, 2], [9, 0.7, 1], [9, 0.1, 3]])
    LoggedBase().fill(rows)
    assert rows.base_score.tolist() == pytest.approx([0.5, 0.7, 0.1])
    assert LoggedBase().speaks(-(10**15))


def test_a_candidate_without_a_logged_score_is_named() -> None:
    rows = block(3, item=[5, 6, 7], features=[[9, 0.5, 2], [9, np.nan, 1], [9, 0.1, 3]])
    with pytest.raises(RowError, match=r"1 of 3 rows without one, e.g. items \[6\]"):
        LoggedBase().fill(rows)


def test_models_turn_at_the_first_days_and_then_at_each_refit() -> None:
    rows = history()
    made = tuned(rows, cut=20 * DAY)
    assert made.turns.tolist() == [7 * DAY, 12 * DAY, 17 * DAY, 20 * DAY]


def test_no_model_saw_a_row_that_ended_after_it_came_into_force() -> None:
    """Turn the outcomes around from each moment on: the model in force then stays the same."""
    rows = history()
    cut = 20 * DAY
    before = tuned(rows, cut=cut)
    for moment in before.turns:
        ended = rows.horizon_end <= moment
        turned = block(
            len(rows),
            **{name: getattr(rows, name) for name in ("user", "item", "t0", "horizon_end")},
            features=rows.features,
            outcome=np.where(ended, rows.outcome, 1 - rows.outcome),
        )
        after = tuned(turned, cut=cut)
        x = rows.without_base
        for later in before.turns:
            one, other = (predict_trees(each.model_at(int(later)), x) for each in (before, after))
            assert np.array_equal(one, other) == (later <= moment)


def test_each_model_uses_all_rows_that_had_ended() -> None:
    rows = history()
    made = tuned(rows, cut=20 * DAY)
    for moment in made.turns:
        ended = rows.horizon_end <= moment
        expected = made.train(
            rows.without_base[ended], rows.outcome[ended], weight=np.ones(ended.sum()), config=TREES
        )
        x = rows.without_base
        np.testing.assert_array_equal(
            predict_trees(made.model_at(int(moment)), x), predict_trees(expected, x)
        )


def test_the_trial_that_predicts_later_plays_best_is_kept() -> None:
    rows, cut = history(), 30 * DAY
    wild = BoostConfig(rounds=100, learning_rate=0.5, leaves=63, min_rows_leaf=1)
    made, told = recommender(), []
    trials = tune_base(
        made,
        rows,
        cut=cut,
        config=config(trials=(wild, TREES)),
        advance=lambda: told.append(1),
    )
    assert [trial.config for trial in trials] == [wild, TREES]
    assert trials[1].loss < trials[0].loss
    assert len(told) == 3
    model = made.model_at(cut)
    late = rows.t0 >= cut
    p, y = predict_trees(model, rows.without_base[late]), rows.outcome[late]
    by_hand = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert trials[1].loss == pytest.approx(by_hand)


def test_a_stop_is_judged_and_kept_as_the_fit_of_so_many_rounds() -> None:
    rows, cut = history(), 30 * DAY
    long = BoostConfig(rounds=60, learning_rate=0.5, leaves=31, min_rows_leaf=2)
    made = recommender()
    trials = tune_base(
        made,
        rows,
        cut=cut,
        config=config(trials=(long,), base_stops=(0.05, 0.5, 1.0)),
        advance=lambda: None,
    )
    assert [trial.config.rounds for trial in trials] == [3, 30, 60]
    losses = []
    for trial in trials:
        alone = tuned(rows, cut=cut, trials=(trial.config,)).model_at(cut)
        late = rows.t0 >= cut
        p, y = predict_trees(alone, rows.without_base[late]), rows.outcome[late]
        losses.append(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))
    np.testing.assert_allclose([trial.loss for trial in trials], losses)
    # Sixty wild trees learn the noise by heart; the refits stop where the winner stopped.
    assert np.argmin(losses) == 0
    assert {made.model_at(int(moment)).num_trees() for moment in made.turns} == {3}


def test_a_base_that_is_tuned_less_than_the_causal_layer_is_refused() -> None:
    with pytest.raises(ConfigError, match="base_trials times base_stops at least the settings of"):
        ChainConfig(base_stops=(1.0,))
    with pytest.raises(ConfigError, match="got 3 and 12"):
        ChainConfig(base_stops=(1.0, 1.0))
    trees = BoostConfig()
    constant = Candidate(learner="constant")
    few = {"base_trials": (trees,), "blend_weights": (0.5,)}
    ChainConfig(base_stops=(0.5, 1.0), candidates=(constant,), **few)
    one = Candidate(learner="dr", final=trees, stops=(1.0,))
    with pytest.raises(ConfigError, match="got 2 and 3"):
        ChainConfig(base_stops=(0.5, 1.0), candidates=(constant, one), **few)


def test_each_request_is_scored_by_the_model_of_its_time() -> None:
    rows = history()
    made = tuned(rows, cut=20 * DAY)
    asked = history(days=25, per_day=6, seed=1)
    BoostedBase(made).fill(asked)
    for t0 in np.unique(asked.t0):
        here = asked.t0 == t0
        model = made.model_at(int(t0))
        assert BoostedBase(made).speaks(int(t0)) == (model is not None)
        if model is None:
            assert np.isnan(asked.base_score[here]).all()
            assert np.isnan(asked.base_rank[here]).all()
            continue
        expected = predict_trees(model, asked.without_base[here])
        np.testing.assert_allclose(asked.base_score[here], expected, rtol=1e-6)
        order = np.argsort(-expected, kind="stable")
        assert asked.base_rank[here][order].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_recommender_is_asked_at_each_moment() -> None:
    scores = pd.DataFrame(
        {
            "user_id": [0, 0, 0, 0, 1, 1],
            "item_id": [0, 1, 0, 1, 0, 1],
            "t0": [START + timedelta(days=d) for d in (0, 0, 1, 1, 1, 1)],
            "base_score": [0.1, 0.9, 0.8, 0.2, 0.5, 0.4],
        }
    )
    rows = block(
        6,
        user=[0, 0, 0, 0, 1, 1],
        item=[0, 1, 0, 1, 0, 1],
        t0=np.array([0, 0, 1, 1, 1, 1]) * DAY,
    )
    base = RecommenderBase(FrameRecommender(scores))
    base.fill(rows)
    assert rows.base_score.tolist() == pytest.approx(scores["base_score"].tolist())
    assert rows.base_rank.tolist() == [2, 1, 1, 2, 1, 2]
    assert base.speaks(0)


def test_a_candidate_the_recommender_does_not_score_is_named() -> None:
    scores = pd.DataFrame({"user_id": [0], "item_id": [0], "base_score": [1.0]})
    rows = block(2, user=[0, 0], item=[0, 7])
    with pytest.raises(RowError, match=r"user .*0.* and item .*7"):
        RecommenderBase(FrameRecommender(scores)).fill(rows)


def test_the_shortcut_says_what_the_door_says() -> None:
    """On blocks read from logs: by the features at hand, or asked through `candidates`."""
    fine = BoostConfig(rounds=20, leaves=8, min_rows_leaf=3, feature_share=1.0)
    rng = np.random.default_rng(4)
    days, users, items = 8, 12, 6
    keys = list(product(range(users), range(items), range(days)))
    candidates = pd.DataFrame(keys, columns=["user_id", "item_id", "day"])
    candidates = candidates[rng.random(len(candidates)) < 0.8]  # not everyone chooses from all
    candidates["t0"] = [at(24.0 * day) for day in candidates.pop("day")]
    candidates["shown"] = rng.random(len(candidates)) < 0.5
    plays = pd.DataFrame(
        {
            "play_id": range(400),
            "user_id": rng.integers(0, users, 400),
            "item_id": rng.integers(0, items, 400),
            "played_at": [at(float(h)) for h in rng.uniform(0, 24 * days, 400)],
        }
    )
    shown = candidates[candidates["shown"]]
    impressions = shown[["user_id", "item_id", "t0"]].assign(impression_id=range(len(shown)))
    labelled = label_logs(
        ENGINE,
        logs(candidates=candidates, plays=plays, impressions=impressions),
        log_end=at(24 * days),
        horizon_hours=24,
        config=ChainConfig(features=FEATURES),
    )
    reader = reader_of(labelled)
    made = BoostedRecommender(
        reader.candidate_rows,
        names=FEATURES.names[:-2],
        categorical=FEATURES.categorical,
        seed=0,
    )
    whole = reader.join(labelled.dataset.table)
    cut = round(at(24 * 6).timestamp() * 1_000_000)
    tune_base(
        made,
        whole,
        cut=cut,
        config=config(trials=(fine,), base_first_days=2, base_refit_days=2),
        advance=lambda: None,
    )
    assert len(made.turns) == 3
    late = [span for span in reader.spans(block_rows=100) if span.start >= at(24 * 3)]
    assert len(late) == 5
    for span in late:
        short, asked = reader.read(span), reader.read(span)
        BoostedBase(made).fill(short)
        RecommenderBase(made).fill(asked)
        np.testing.assert_array_equal(short.base_score, asked.base_score)
        np.testing.assert_array_equal(short.base_rank, asked.base_rank)
        assert np.unique(short.base_score).size > 10
        assert np.unique(short.base_rank).size >= 5


class Asking:
    """A recommender that asks the engine which the blocks are read from."""

    def candidates(self, users: Any, *, at: datetime, k: int | None = None) -> pd.DataFrame:
        found = ENGINE.raw_sql("SELECT count(*) FROM range(1000000) AS t(i) WHERE i % 7 = 0")
        assert found.fetchone()[0] == 142_858
        keys = list(product(users, range(4)))
        table = pd.DataFrame(keys, columns=["user_id", "item_id"])
        return table.assign(base_score=np.linspace(1, 0, len(table)))


@pytest.mark.parametrize("own", [True, False])
def test_blocks_are_filled_whoever_the_base_is(own: bool) -> None:
    n = 200
    rng = np.random.default_rng(0)
    asked = pd.DataFrame(
        {"user_id": rng.integers(0, 9, n), "t0": [at(float(h)) for h in rng.uniform(0, 80, n)]}
    )
    candidates = asked.merge(pd.DataFrame({"item_id": range(4)}), how="cross")
    candidates["shown"] = rng.random(len(candidates)) < 0.5
    candidates["base_score"] = rng.random(len(candidates))
    labelled = label_logs(
        ENGINE,
        logs(candidates=candidates),
        log_end=at(110),
        horizon_hours=2,
        config=ChainConfig(features=FEATURES),
    )
    reader = reader_of(labelled)
    spans = reader.spans(block_rows=40)
    assert len(spans) > 10
    base = LoggedBase() if own else RecommenderBase(Asking())
    blocks = list(filled_blocks(reader, spans, base=base))
    for span, filled in zip(spans, blocks, strict=True):
        assert len(filled) == span.rows
        assert not np.isnan(filled.base_score).any()
        plain = reader.read(span)
        np.testing.assert_array_equal(filled.item, plain.item)
        if not own:
            assert (filled.base_rank.reshape(-1, 4) == [1, 2, 3, 4]).all()
