"""The data set's methods, and the sampling of training rows."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.errors import ConfigError
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.sampling import IN_SAMPLE, mark_sample
from causal_ranker.logs.sources import read_table

MONDAY = datetime(2017, 1, 2, 5, tzinfo=UTC)
WEEK = timedelta(days=7)
USERS, ITEMS, WEEKS = 100, 50, 10


@cache
def rows(user: Any = int, item: Any = int) -> pd.DataFrame:
    users, items, weeks = (
        axis.ravel() for axis in np.mgrid[0:USERS, 0:ITEMS, 0:WEEKS].astype("int64")
    )
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "user_id": [user(number) for number in users],
            "item_id": [item(number) for number in items],
            "t0": pd.Timestamp(MONDAY) + pd.to_timedelta(7 * weeks, unit="D"),
            "treatment": rng.integers(0, 2, len(users)).astype("int8"),
            "outcome": (rng.random(len(users)) < 0.02).astype("int8"),
        }
    )
    kind = np.where(frame["outcome"] == 1, "organic_play", "control_negative")
    ones = dict.fromkeys(("sampling_weight", "censoring_weight", "analysis_weight"), 1.0)
    return frame.assign(horizon_end=frame["t0"] + WEEK, label_kind=kind, **ones)


def dataset(connection: Backend, frame: pd.DataFrame | None = None) -> UpliftDataset:
    frame = rows() if frame is None else frame
    last = frame[frame["t0"] == frame["t0"].max()]
    return UpliftDataset(
        table=read_table(frame, connection, name="labels"),
        censored=read_table(last, connection, name="censored"),
    )


def key(frame: pd.DataFrame) -> set[tuple[Any, ...]]:
    return set(frame[["user_id", "item_id", "t0"]].itertuples(index=False, name=None))


# big and negative integers, and strings, take the same doors as real ids do
IDS = {
    "small": (int, int),
    "big": (lambda n: 2**62 - 7919 * n, lambda n: 10**12 + n),
    "negative": (lambda n: -(10**17) - 987654321 * n, lambda n: -n),
    "strings": ("u{}".format, "i{}".format),
    "mixed": (int, "i{}".format),
}


@pytest.mark.parametrize("ids", IDS)
def test_sampling_keeps_plays_and_a_known_share_of_the_rest(ids: str, connection: Backend) -> None:
    frame = rows(*IDS[ids])
    sampled = dataset(connection, frame).sample_training(0.1, 0)
    got = sampled.to_pandas()
    assert sampled.zero_rate == 0.1
    assert key(frame[frame["outcome"] == 1]) == key(got[got["outcome"] == 1])
    zeros = (frame["outcome"] == 0).sum()
    kept = (got["outcome"] == 0).sum()
    assert abs(kept - 0.1 * zeros) < 4 * np.sqrt(zeros * 0.1 * 0.9)  # binomial, two-sided
    assert set(got.loc[got["outcome"] == 1, "sampling_weight"]) == {1.0}
    assert set(got.loc[got["outcome"] == 0, "sampling_weight"]) == {10.0}
    np.testing.assert_array_equal(got["analysis_weight"], got["sampling_weight"])


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("by", ["user_id", "item_id", "t0", "treatment"])
def test_the_sample_is_even_over_users_items_and_weeks(
    ids: str, by: str, connection: Backend
) -> None:
    # Chi-square over groups: too uneven and too even are both a fault of the hash.
    frame = rows(*IDS[ids])
    table = read_table(frame, connection, name="labels")
    marked = mark_sample(table, share=0.2, salt="test").to_pandas()
    groups = marked.groupby(by)[IN_SAMPLE].agg(["sum", "count"])
    mean = 0.2 * groups["count"]
    chi = (((groups["sum"] - mean) ** 2) / (mean * 0.8)).sum()
    degrees = len(groups)
    assert abs(chi - degrees) < 4.5 * np.sqrt(2 * degrees)


def test_neighbours_are_sampled_independently(connection: Backend) -> None:
    table = read_table(rows(), connection, name="labels")
    marked = mark_sample(table, share=0.5, salt="test").to_pandas()
    grid = marked.sort_values(["user_id", "item_id", "t0"])[IN_SAMPLE].to_numpy()
    grid = grid.reshape(USERS, ITEMS, WEEKS) - 0.5
    for axis in range(3):
        for lag in (1, 2, 3):
            a = np.delete(grid, np.s_[-lag:], axis=axis)
            b = np.delete(grid, np.s_[:lag], axis=axis)
            assert abs(4 * np.mean(a * b)) < 4.5 / np.sqrt(a.size)


def test_the_sample_does_not_depend_on_the_order_of_rows(connection: Backend) -> None:
    frame = rows()
    once = dataset(connection, frame).sample_training(0.1, 5).to_pandas()
    shuffled = frame.sample(frac=1, random_state=0)
    again = dataset(connection, shuffled).sample_training(0.1, 5).to_pandas()
    pd.testing.assert_frame_equal(once, again)


def in_sample(user: Any, item: Any, t0: datetime, *, share: float, salt: str) -> bool:
    """Recompute the choice in plain Python."""
    seconds = int((t0 - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() // 1)
    if isinstance(user, str) or isinstance(item, str):
        digest = hashlib.md5(f"{salt}|{user}|{item}|{seconds}".encode()).hexdigest()
        return int(digest, 16) / 16**32 < share
    prime, h = 2147483579, 0
    salts = np.frombuffer(hashlib.blake2b(salt.encode(), digest_size=16).digest(), dtype=">u4")
    for step, value in zip(salts.tolist(), (user, item, seconds, 0), strict=True):
        h = pow(h + step + value, 3, prime)
    return h < round(share * prime)


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("salt", ["zeros-0", "zeros-1", "zeros-2", "zeros-3"])
def test_the_sample_is_that_of_another_implementation(
    ids: str, salt: str, connection: Backend
) -> None:
    frame = rows(*IDS[ids]).sample(300, random_state=0).drop(columns="outcome")
    frame["t0"] += pd.Timedelta(microseconds=999_999)  # seconds are cut, not rounded
    table = read_table(frame, connection, name="labels")
    marked = mark_sample(table, share=0.4, salt=salt).to_pandas()
    expected = [
        in_sample(row.user_id, row.item_id, row.t0, share=0.4, salt=salt)
        for row in marked.itertuples()
    ]
    assert marked[IN_SAMPLE].tolist() == expected


def test_seeds_give_independent_samples(connection: Backend) -> None:
    zeros = (rows()["outcome"] == 0).sum()
    drawn = []
    for seed in (1, 2):
        got = dataset(connection).sample_training(0.3, seed).to_pandas()
        drawn.append(key(got[got["outcome"] == 0]))
    both = len(drawn[0] & drawn[1])
    assert abs(both - 0.09 * zeros) < 4 * np.sqrt(zeros * 0.09 * 0.91)


def test_weights_multiply_with_censoring(connection: Backend) -> None:
    frame = rows().assign(censoring_weight=1.5)
    got = dataset(connection, frame).sample_training(0.25, 0).to_pandas()
    expected = np.where(got["outcome"] == 1, 1.5, 6.0)
    np.testing.assert_array_equal(got["analysis_weight"], expected)


def test_a_full_sample_is_the_data_set_itself(connection: Backend) -> None:
    whole = dataset(connection)
    assert whole.sample_training(1, 0) is whole


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, float("nan")])
def test_a_rate_that_cannot_be(rate: float, connection: Backend) -> None:
    with pytest.raises(ConfigError, match="zero_rate"):
        dataset(connection).sample_training(rate, 0)


def test_sampling_twice_is_refused(connection: Backend) -> None:
    with pytest.raises(ConfigError, match="not sampled yet"):
        dataset(connection).sample_training(0.5, 0).sample_training(0.5, 1)


def test_between_is_closed_at_its_start_and_open_at_its_end(connection: Backend) -> None:
    whole = dataset(connection)
    part = whole.between(MONDAY + WEEK, MONDAY + 3 * WEEK)
    frame = part.to_pandas()
    assert set(frame["t0"]) == {MONDAY + WEEK, MONDAY + 2 * WEEK}
    assert len(frame) == 2 * USERS * ITEMS
    assert part.censored_rows == 0
    assert whole.censored_rows == USERS * ITEMS
    assert whole.between(MONDAY, MONDAY + 10 * WEEK).censored_rows == USERS * ITEMS


@pytest.mark.parametrize(
    ("start", "end"),
    [(datetime(2017, 1, 2), MONDAY), (MONDAY, datetime(2017, 3, 1)), (MONDAY, MONDAY)],
)
def test_times_that_cannot_be(start: datetime, end: datetime, connection: Backend) -> None:
    with pytest.raises(ConfigError, match="time zone"):
        dataset(connection).between(start, end)


def test_kinds_counts_every_row_once(connection: Backend) -> None:
    frame = rows()
    kinds = dataset(connection, frame).kinds()
    assert list(kinds.columns) == ["label_kind", "treatment", "rows"]
    counts = kinds.set_index(["label_kind", "treatment"])["rows"]
    expected = frame.groupby(["label_kind", "treatment"]).size()
    last = frame[frame["t0"] == frame["t0"].max()].groupby("treatment").size()
    assert counts.drop("censored").to_dict() == expected.to_dict()
    assert counts["censored"].to_dict() == last.to_dict()


def test_to_pandas_is_ordered_and_aware(connection: Backend) -> None:
    frame = dataset(connection, rows().sample(frac=1, random_state=2)).to_pandas()
    assert str(frame["t0"].dt.tz) == "UTC"
    ordered = frame.sort_values(["t0", "user_id", "item_id"], ignore_index=True)
    pd.testing.assert_frame_equal(frame, ordered)
