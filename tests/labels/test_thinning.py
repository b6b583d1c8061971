from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ibis
import ibis.backends.sql.compilers as sc
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.sampling import mark_sample
from causal_ranker.labels.thinning import LATER_EXPOSURE, mark_later_exposures, thin_rows
from causal_ranker.logs.sources import connect, read_table

START = datetime(2024, 3, 9, tzinfo=UTC)
ENGINE = connect(threads=1)
KEY = ["user_id", "item_id", "t0"]


def rows(minutes: list[int], lengths: list[int], *, user: int = 1) -> pd.DataFrame:
    t0 = START + pd.to_timedelta(minutes, unit="min")
    end = t0 + pd.to_timedelta(lengths, unit="min")
    return pd.DataFrame({"user_id": user, "item_id": 1, "t0": t0, "horizon_end": end})


def thin(frame: pd.DataFrame) -> pd.DataFrame:
    table = read_table(frame, ENGINE, name="rows")
    return thin_rows(table).to_pandas().sort_values(KEY, ignore_index=True)


def slowly(frame: pd.DataFrame) -> list[datetime]:
    """The rule as it reads, one pair at a time."""
    kept = []
    for _, pair in frame.sort_values("t0").groupby(["user_id", "item_id"]):
        runs: list[list[tuple[datetime, datetime]]] = []
        for t0, end in zip(pair["t0"], pair["horizon_end"], strict=True):
            ends = [e for run in runs for _, e in run]
            if not ends or t0 >= max(ends):
                runs.append([])
            runs[-1].append((t0, end))
        for run in runs:
            cell = max((end - t0).total_seconds() for t0, end in run) + 1
            seen = set()
            for t0, _ in run:
                place = int((t0 - run[0][0]).total_seconds() // cell)
                if place % 2 == 0 and place not in seen:
                    seen.add(place)
                    kept.append(t0)
    return sorted(kept)


moments = st.lists(st.integers(0, 400), min_size=1, max_size=30, unique=True)


@settings(max_examples=40)
@given(moments, st.lists(st.integers(1, 60), min_size=30, max_size=30))
def test_it_is_the_rule_and_no_horizons_overlap(minutes: list[int], lengths: list[int]) -> None:
    frame = rows(minutes, lengths[: len(minutes)])
    found = thin(frame)
    assert found["t0"].tolist() == slowly(frame)
    assert (found["t0"].iloc[1:].to_numpy() >= found["horizon_end"].iloc[:-1].to_numpy()).all()
    assert found["t0"].min() == frame["t0"].min()


def test_rows_that_do_not_overlap_all_stay() -> None:
    weeks = rows([0, 60, 120, 500], [60, 60, 60, 60])
    assert len(thin(weeks)) == 4


def test_what_comes_later_decides_about_no_row() -> None:
    """Removing rows from the end changes nothing before them, if horizons are of one length."""
    minutes = np.random.default_rng(0).choice(2000, 80, replace=False)
    whole = thin(rows(sorted(minutes.tolist()), [45] * 80))
    for cut in (300, 900, 1500):
        early = [m for m in sorted(minutes.tolist()) if m < cut]
        part = thin(rows(early, [45] * len(early)))
        before = whole[whole["t0"] < START + timedelta(minutes=cut)]
        pd.testing.assert_frame_equal(part, before.reset_index(drop=True))


def test_context_of_any_name_is_left_alone() -> None:
    names = ["latest", "run", "at_second", "length", "cell", "place", "draw"]
    frame = rows([0, 10, 500], [30, 30, 30]).assign(**{name: [3.5, 4.5, 5.5] for name in names})
    kept = thin(frame)
    assert len(kept) == 2
    table = read_table(frame, ENGINE, name="rows")
    marked = mark_sample(table, share=0.99, salt="names").to_pandas()
    for found in (kept, marked):
        expected = frame.set_index("t0").loc[found["t0"], names].reset_index(drop=True)
        pd.testing.assert_frame_equal(found[names].reset_index(drop=True), expected)


def test_pairs_do_not_touch_each_other() -> None:
    both = pd.concat([rows([0, 10, 70], [30] * 3), rows([5, 90], [30] * 2, user=2)])
    assert thin(both).groupby("user_id").size().to_dict() == {1: 2, 2: 2}


def test_the_mean_effect_is_kept_where_overlap_spoils_nothing_else() -> None:
    """T is drawn by a coin: thinning leaves the share of T and the difference of means alone."""
    rng = np.random.default_rng(1)
    parts = [
        rows(sorted(rng.choice(1000, 12, replace=False).tolist()), [60] * 12, user=user)
        for user in range(800)
    ]
    frame = pd.concat(parts, ignore_index=True)
    frame["treatment"] = (rng.random(len(frame)) < 0.3).astype(int)
    frame["outcome"] = (rng.random(len(frame)) < 0.2 + 0.1 * frame["treatment"]).astype(int)
    kept = thin(frame)
    assert 0.2 < len(kept) / len(frame) < 0.9
    share = kept["treatment"].mean()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / len(kept)))
    means = kept.groupby("treatment")["outcome"].mean()
    assert means[1] - means[0] == pytest.approx(0.1, abs=4 * np.sqrt(0.2 / len(kept) / 0.21))


def test_later_exposures_by_brute_force() -> None:
    rng = np.random.default_rng(2)
    frame = pd.concat(
        [rows(rng.choice(300, 20, replace=False).tolist(), [40] * 20, user=u) for u in range(6)]
    )
    times = START + pd.to_timedelta(rng.integers(0, 300, 60), unit="min")
    shown = pd.DataFrame({"user_id": rng.integers(0, 6, 60), "item_id": 1, "t0": times})
    found = mark_later_exposures(
        read_table(frame, ENGINE, name="rows"), read_table(shown, ENGINE, name="impressions")
    ).to_pandas()
    assert len(found) == len(frame)
    for row in found.itertuples():
        mine = shown[shown["user_id"] == row.user_id]["t0"]
        expected = ((mine > row.t0) & (mine < row.horizon_end)).any()
        assert getattr(row, LATER_EXPOSURE) == expected
    assert 0 < found[LATER_EXPOSURE].mean() < 1


@pytest.mark.parametrize(
    "compiler",
    [sc.BigQueryCompiler, sc.SnowflakeCompiler, sc.TrinoCompiler, sc.PostgresCompiler],
)
def test_it_compiles_elsewhere(compiler: type[sc.SQLGlotCompiler]) -> None:
    time = "timestamp('UTC')"
    kinds = {"user_id": "int64", "item_id": "int64", "t0": time, "horizon_end": time}
    table = ibis.table(kinds, name="rows")
    for expression in (thin_rows(table), mark_later_exposures(table, table.drop("horizon_end"))):
        assert "OVER" in compiler().to_sqlglot(expression).sql(compiler.dialect)


def test_a_sample_by_outcome_is_not_thinned() -> None:
    table = read_table(rows([0], [5]).assign(outcome=0), ENGINE, name="rows")
    dataset = UpliftDataset(table=table, censored=table.limit(0))
    assert dataset.thin().table.count().execute() == 1
    with pytest.raises(ConfigError, match="Thin first, then sample"):
        UpliftDataset(table=table, censored=table, zero_rate=0.5).thin()
