"""Rows for learners hold what was known before t0, as counted by hand, and the world's truth."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.covariates import GENRES
from causal_ranker.worlds.known import learner_rows
from causal_ranker.worlds.learner_rows import LearnerRows
from causal_ranker.worlds.logs import WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld
from causal_ranker.worlds.visits import DEVICES


@pytest.fixture(scope="module")
def drawn(small_logs: WorldLogs) -> LearnerRows:
    return learner_rows(small_logs, rows=5_000, seed=2, logged=True)


@pytest.fixture(scope="module")
def source(small_logs: WorldLogs, drawn: LearnerRows) -> pd.DataFrame:
    """The candidate rows that were drawn, found again by request and base score."""
    all_rows = small_logs.candidates.join(small_logs.truth[["tau", "y0", "y1"]])
    all_rows["score"] = all_rows[C.BASE_SCORE].astype(np.float32)
    keys = pd.DataFrame({C.ASSIGNMENT_UNIT: drawn.unit, "score": column(drawn, C.BASE_SCORE)})
    found = keys.merge(all_rows, on=[C.ASSIGNMENT_UNIT, "score"], how="left")
    assert len(found) == 5_000
    return found


def column(rows: LearnerRows, name: str) -> np.ndarray:
    return rows.features[:, rows.names.index(name)]


def test_truth_and_keys_are_those_of_the_row(drawn: LearnerRows, source: pd.DataFrame) -> None:
    np.testing.assert_array_equal(drawn.user, source[C.USER])
    np.testing.assert_array_equal(drawn.treatment, source[C.SHOWN])
    np.testing.assert_array_equal(drawn.propensity, source[C.PROPENSITY])
    np.testing.assert_allclose(drawn.tau, source["tau"], atol=1e-12)
    shown = source[C.SHOWN].to_numpy()
    np.testing.assert_array_equal(drawn.outcome[shown], source["y1"][shown])
    np.testing.assert_array_equal(drawn.outcome[~shown], source["y0"][~shown])
    assert (drawn.weight == 1).all()
    assert np.isfinite(drawn.features).all()
    assert drawn.features.shape == (5_000, len(drawn.names))


def test_outcomes_are_the_plays_of_the_logs(
    small_logs: WorldLogs, drawn: LearnerRows, source: pd.DataFrame
) -> None:
    """So that a learner of logs and one of these rows are taught the same."""
    joined = source.reset_index().merge(small_logs.plays, on=[C.USER, C.ITEM])
    within = joined[(joined[C.PLAYED_AT] >= joined[C.T0])]
    within = within[within[C.PLAYED_AT] < within[C.HORIZON_END]]
    np.testing.assert_array_equal(drawn.outcome == 1, source.index.isin(within["index"]))


def test_state_is_counted_strictly_before_t0(
    small_logs: WorldLogs, drawn: LearnerRows, source: pd.DataFrame
) -> None:
    plays, shown = small_logs.plays, small_logs.impressions
    for place in range(0, 5_000, 50):
        row = source.iloc[place]
        arrived = plays[plays["logged_at"] < row[C.T0]]
        earlier = shown[shown[C.T0] < row[C.T0]]
        of_user, of_item = arrived[C.USER] == row[C.USER], arrived[C.ITEM] == row[C.ITEM]
        pair = (earlier[C.USER] == row[C.USER]) & (earlier[C.ITEM] == row[C.ITEM])
        by_hand = {
            "user_plays": of_user.sum(),
            "item_plays": of_item.sum(),
            "pair_plays": (of_user & of_item).sum(),
            "pair_shown": pair.sum(),
        }
        for name, count in by_hand.items():
            assert column(drawn, name)[place] == count, name
    for name in ("user_plays", "item_plays", "pair_plays", "pair_shown"):
        assert column(drawn, name).max() > 0, name
    # The row's own impression is at t0; to count it would be to read the treatment.
    again = column(drawn, "pair_shown") == 0
    assert 0.05 < drawn.treatment[again].mean() < 0.5


def test_what_comes_later_changes_nothing(small_logs: WorldLogs, drawn: LearnerRows) -> None:
    cut = small_logs.candidates[C.T0].quantile(0.5)
    plays, shown = small_logs.plays, small_logs.impressions
    less = replace(
        small_logs, plays=plays[plays["logged_at"] < cut], impressions=shown[shown[C.T0] < cut]
    )
    found = learner_rows(less, rows=5_000, seed=2, logged=True)
    t0 = small_logs.candidates.groupby(C.ASSIGNMENT_UNIT)[C.T0].first()[drawn.unit]
    before = (t0 <= cut).to_numpy()
    assert 1_500 < before.sum() < 3_500
    np.testing.assert_array_equal(found.features[before], drawn.features[before])
    assert (found.features[~before] != drawn.features[~before]).any()


def test_events_that_arrive_twice_count_once(small_logs: WorldLogs, drawn: LearnerRows) -> None:
    first_come = small_logs.plays.sort_values(["logged_at", C.PLAY])
    late = first_come.assign(logged_at=first_come["logged_at"] + pd.Timedelta(hours=1))
    twice = pd.concat([first_come, late], ignore_index=True).sort_values("logged_at")
    found = learner_rows(replace(small_logs, plays=twice), rows=5_000, seed=2, logged=True)
    np.testing.assert_array_equal(found.features, drawn.features)


def test_covariates_and_words_are_the_tables(
    small_logs: WorldLogs, drawn: LearnerRows, source: pd.DataFrame
) -> None:
    user = small_logs.users.set_index(C.USER).loc[source[C.USER]]
    item = small_logs.items.set_index(C.ITEM).loc[source[C.ITEM]]
    assert set(drawn.categorical) == {"device", "main_device", "favourite_genre", "genre"}
    for name, levels, words in (
        ("device", DEVICES, source[C.DEVICE]),
        ("main_device", DEVICES, user["main_device"]),
        ("favourite_genre", GENRES, user["favourite_genre"]),
        ("genre", GENRES, item["genre"]),
    ):
        codes = column(drawn, name).astype(int)
        assert [levels[code] for code in codes] == list(words), name
    for name, table in (("skip_rate", user), ("buzz", item), (C.BASE_RANK, source)):
        np.testing.assert_allclose(column(drawn, name), table[name], rtol=1e-6)
    scores = small_logs.candidates[C.BASE_SCORE].to_numpy().reshape(-1, 24)
    rivals = np.log(np.exp(scores).sum(axis=1))[drawn.unit]
    np.testing.assert_allclose(column(drawn, "request_score"), rivals, rtol=1e-5)
    assert not {C.SHOWN, C.PROPENSITY, C.POSITION, C.USER, C.ITEM} & set(drawn.names)


def test_propensities_can_be_hidden_and_nothing_else_moves(
    small_logs: WorldLogs, drawn: LearnerRows
) -> None:
    hidden = learner_rows(small_logs, rows=5_000, seed=2, logged=False)
    assert np.isnan(hidden.propensity).all()
    for field in fields(LearnerRows):
        if field.name != "propensity":
            np.testing.assert_array_equal(getattr(hidden, field.name), getattr(drawn, field.name))


def test_rows_are_an_even_sample_and_censored_ones_are_left_out(small_logs: WorldLogs) -> None:
    ended = small_logs.candidates[C.HORIZON_END] <= small_logs.log_end
    assert 0 < ended.sum() < len(ended)
    everything = learner_rows(small_logs, rows=int(ended.sum()), seed=0, logged=True)
    np.testing.assert_array_equal(everything.unit, small_logs.candidates[C.ASSIGNMENT_UNIT][ended])
    some = [learner_rows(small_logs, rows=2_000, seed=seed, logged=True) for seed in range(5)]
    for rows in some:
        error = (rows.tau.mean() - everything.tau.mean()) / everything.tau.std()
        assert abs(error) < 4 / np.sqrt(2_000)
        assert 0.04 < 2_000 / ended.sum() < 0.1
    assert len({rows.tau.sum() for rows in some}) == 5


@pytest.mark.parametrize("rows", [0, 10**6])
def test_more_rows_than_there_are_are_refused(small_logs: WorldLogs, rows: int) -> None:
    with pytest.raises(ConfigError, match="as many as have ended"):
        learner_rows(small_logs, rows=rows, seed=0, logged=True)


def test_a_world_without_a_play_has_rows() -> None:
    config = WorldConfig(users=3, items=12, candidates=5, slate_size=2, days=3, seed=1)
    logs = StreamingWorld(config).simulate()
    silent = replace(logs, plays=logs.plays.iloc[:0])
    rows = learner_rows(silent, rows=5, seed=0, logged=True)
    assert (column(rows, "user_plays") == 0).all()
