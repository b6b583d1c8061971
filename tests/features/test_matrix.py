"""Blocks: rows as arrays, found again and cut into requests."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from causal_ranker.features.config import FeatureConfig
from causal_ranker.features.matrix import FeatureBlock
from tests.features.logs import block_of, random_logs

SMALL = FeatureConfig(windows_days=(7,))


def text(value: Any) -> str:
    return f"id-{value}"


@pytest.fixture(scope="module", params=[int, text])
def block(request: pytest.FixtureRequest) -> FeatureBlock:
    return block_of(random_logs(3, name=request.param))


def assert_same(one: FeatureBlock, other: FeatureBlock) -> None:
    for field in fields(FeatureBlock):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_rows_come_in_order_of_user_t0_and_item(block: FeatureBlock) -> None:
    keys = list(zip(block.user, block.t0, block.item, strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(block)


def test_labels_and_clocks_come_along() -> None:
    logs = random_logs(3)
    block = block_of(logs)
    expected = logs.rows.sort_values(["user_id", "t0", "item_id"])
    np.testing.assert_array_equal(block.treatment, expected["treatment"])
    np.testing.assert_array_equal(block.outcome, expected["outcome"])
    for name in ("t0", "horizon_end"):
        clock = pd.DatetimeIndex(getattr(block, name).view("datetime64[us]"), tz="UTC")
        assert list(clock) == list(expected[name])
    np.testing.assert_array_equal(block.unit, block.user)  # nothing else was logged
    assert np.isnan(block.propensity).all()
    assert (block.weight == 1).all()


def test_what_the_log_says_is_used() -> None:
    logs = random_logs(3)
    rows = logs.rows.assign(
        assignment_unit=range(len(logs.rows)),
        propensity=np.linspace(0.1, 0.9, len(logs.rows)),
        analysis_weight=2.5,
        base_score=np.arange(len(logs.rows), dtype=float),
        base_rank=1,
    )
    block = block_of(replace(logs, rows=rows))
    expected = rows.sort_values(["user_id", "t0", "item_id"])
    np.testing.assert_array_equal(block.unit, expected["assignment_unit"])
    np.testing.assert_array_equal(block.propensity, expected["propensity"])
    np.testing.assert_array_equal(block.base_score, expected["base_score"])
    np.testing.assert_array_equal(block.base_rank, 1)
    assert (block.weight == 2.5).all()


def test_rows_without_labels() -> None:
    """The candidates of a request that is being served have neither label nor horizon."""
    table = pa.table(
        {"user_id": [1], "item_id": [2], "t0": pa.array([0], pa.timestamp("us", "UTC"))}
        | {name: pa.array([1.0], pa.float32()) for name in SMALL.names}
    )
    block = FeatureBlock.from_arrow(table, config=SMALL)
    assert block.treatment.tolist() == block.outcome.tolist() == [0]
    assert block.horizon_end.tolist() == block.t0.tolist() == [0]
    assert block.features.tolist() == [[1.0] * len(SMALL.names)]


def test_take_by_mask_and_by_place(block: FeatureBlock) -> None:
    mask = np.arange(len(block)) % 3 == 1
    taken = block.take(mask)
    assert len(taken) == mask.sum()
    assert_same(taken, block.take(np.flatnonzero(mask)))
    np.testing.assert_array_equal(taken.features, block.features[mask])
    np.testing.assert_array_equal(taken.user, block.user[mask])
    taken.set_base(np.zeros(len(taken)), np.zeros(len(taken)))
    assert np.isnan(block.base_score).all()  # a copy


def test_take_nothing(block: FeatureBlock) -> None:
    none = block.take(np.zeros(len(block), dtype=bool))
    assert len(none) == 0
    assert none.request().tolist() == []
    assert block.locate(none).tolist() == []


def test_locate_finds_every_row_again(block: FeatureBlock) -> None:
    rng = np.random.default_rng(0)
    places = rng.permutation(len(block))[: len(block) // 2]
    np.testing.assert_array_equal(block.locate(block.take(places)), places)
    np.testing.assert_array_equal(block.locate(block), np.arange(len(block)))


def test_requests_are_users_at_moments(block: FeatureBlock) -> None:
    keys = list(zip(block.user, block.t0, strict=True))
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    assert block.request().tolist() == [order[key] for key in keys]


def test_base_columns_stand_last(block: FeatureBlock) -> None:
    copy = block.take(np.arange(len(block)))
    score, rank = np.arange(len(block), dtype=float), np.arange(1, len(block) + 1)
    copy.set_base(score, rank)
    np.testing.assert_array_equal(copy.base_score, score)
    np.testing.assert_array_equal(copy.base_rank, rank)
    np.testing.assert_array_equal(copy.without_base, block.features[:, :-2])
    np.testing.assert_array_equal(copy.features[:, -2], score)
