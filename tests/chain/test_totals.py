"""Total plays looked up for blocks: an outcome that judges lists and makes none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import label_logs, read_logs
from causal_ranker.chain.totals import Totals
from causal_ranker.errors import RowError
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.logs.sources import connect
from tests.chain.blocks import requests
from tests.chain.test_score import RANKINGS, Judge, lists, scorer
from tests.ranker.season import FEATURES, season, tables


def table(block: FeatureBlock, total: Any) -> ibis.Table:
    frame = pd.DataFrame(
        {
            "user_id": block.user,
            "t0": pd.to_datetime(block.t0, unit="us", utc=True),
            "horizon_end": pd.to_datetime(block.horizon_end, unit="us", utc=True),
        }
    ).drop_duplicates()
    return ibis.memtable(frame.assign(total_plays=total).sample(frac=1, random_state=0))


@pytest.mark.parametrize("name", [int, str])
def test_each_row_gets_its_own_request_in_any_order(name: Any) -> None:
    rows = requests(5, 3)
    rows = replace(rows, user=np.array([name(user) for user in rows.user], dtype=object))
    if name is int:
        rows = replace(rows, user=rows.user.astype(np.int64))
    totals = Totals(table(rows, [10, 11, 12, 13, 14]))
    np.testing.assert_array_equal(totals.of(rows), np.repeat([10, 11, 12, 13, 14], 3))
    order = np.random.default_rng(0).permutation(15)
    np.testing.assert_array_equal(
        totals.of(rows.take(order)), np.repeat([10, 11, 12, 13, 14], 3)[order]
    )
    assert totals.of(rows.take(np.array([], dtype=np.int64))).size == 0


def test_horizons_of_one_request_are_told_apart() -> None:
    rows = requests(2, 3)
    end = rows.horizon_end.copy()
    end[::3] += 5
    rows = replace(rows, horizon_end=end)
    totals = Totals(table(rows, [1, 2, 3, 4]))
    np.testing.assert_array_equal(totals.of(rows), [1, 2, 2, 3, 4, 4])


def test_a_horizon_that_was_not_counted_is_refused() -> None:
    rows = requests(3, 2)
    totals = Totals(table(rows.take(np.arange(4)), [1, 2]))
    with pytest.raises(RowError, match=r"none in 1 of 3 \(user 2\)"):
        totals.of(rows)


class Total:
    """Nobody plays more than the first feature says."""

    def scores(
        self, features: Any, user: Any, *, total: Any, treatment: Any, propensity: Any
    ) -> Any:
        left = total - features[:, 0]
        return np.where(treatment == 1, left / propensity, -left / (1 - propensity))


def test_totals_judge_lists_and_make_none() -> None:
    rows = lists(n=8)
    total = np.arange(8) * 3
    judged = replace(scorer(Judge()), total=Total())  # type: ignore[arg-type]
    given = {"rankings": RANKINGS, "k": 2, "curve_rate": 1.0}
    with_totals, without = (
        judged.score([rows], **given, rng=np.random.default_rng(1), totals=each)  # type: ignore[arg-type]
        for each in (Totals(table(rows, total)), None)
    )
    assert without.rows.total_gamma is None
    for name in ("gamma", "uplift", "propensity", "base_score"):
        one, other = getattr(with_totals.rows, name), getattr(without.rows, name)
        np.testing.assert_array_equal(one, other)
    for name, ranks in with_totals.rows.rank.items():
        np.testing.assert_array_equal(ranks, without.rows.rank[name])
    found = with_totals.rows.total_gamma
    assert found is not None
    inside = with_totals.rows.primary
    assert np.isnan(found[~inside]).all()
    e, t = rows.propensity, rows.treatment
    left = np.repeat(total, 5) - rows.features[:, 0]
    wanted = (t - e) / (e * (1 - e)) * left
    np.testing.assert_allclose(found[inside], wanted[inside], rtol=1e-6)


def test_totals_of_a_whole_log_by_brute_force() -> None:
    logs = season(users=250, days=9, last_days=3, seed=5)[1]
    connection = connect(threads=1)
    given = tables(logs)
    end = given.pop("log_end")
    labelled = label_logs(
        connection,
        read_logs(connection, **given),
        log_end=end,
        horizon_hours=None,
        config=ChainConfig(features=FEATURES),
    )
    rows = logs.candidates[logs.candidates["horizon_end"] <= end]
    key = ["user_id", "t0", "horizon_end"]
    asked = rows.drop_duplicates(key)[key].reset_index(drop=True)
    plays = asked.reset_index(names="request").merge(logs.plays, on="user_id")
    inside = plays["played_at"].between(plays["t0"], plays["horizon_end"], inclusive="left")
    wanted = (
        plays[inside].groupby("request")["item_id"].nunique().reindex(asked.index, fill_value=0)
    )
    micros = {
        name: asked[name].to_numpy(dtype="datetime64[us]").astype(np.int64) for name in key[1:]
    }
    block = requests(len(asked), 1, user=asked["user_id"].to_numpy(), **micros)
    np.testing.assert_array_equal(labelled.totals.of(block), wanted)
    assert wanted.max() > 5
    assert int(labelled.requests["rows"].sum().to_pyarrow().as_py()) == len(rows)
    # an outcome: no table that features come from has it
    for each in (labelled.dataset.table, labelled.history.plays, labelled.history.daily):
        assert "total_plays" not in each.columns
    assert "total_plays" not in FeatureBlock.__dataclass_fields__
