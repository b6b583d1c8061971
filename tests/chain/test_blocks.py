"""Rows read in spans, and training rows drawn from them."""

from __future__ import annotations

import threading
from dataclasses import fields, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker import paging
from causal_ranker.chain.blocks import BlockReader
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.logs import (
    LabelledLogs,
)
from causal_ranker.chain.sample import draw_samples, read_sample
from causal_ranker.errors import EmptyError
from causal_ranker.features import assemble
from causal_ranker.features.matrix import FeatureBlock
from tests.chain.tables import ENGINE, FEATURES, START, at, frame, label, logs, reader_of


def many(n: int = 300, seed: int = 0) -> LabelledLogs:
    rng = np.random.default_rng(seed)
    requests = pd.DataFrame(
        {
            "user_id": rng.integers(0, 20, n),
            "t0": [at(float(h)) for h in rng.uniform(0, 80, n)],
        }
    )
    candidates = requests.merge(pd.DataFrame({"item_id": range(4)}), how="cross")
    candidates["shown"] = rng.random(len(candidates)) < 0.5
    candidates["base_score"] = rng.random(len(candidates))
    plays = pd.DataFrame(
        {
            "play_id": range(200),
            "user_id": rng.integers(0, 20, 200),
            "item_id": rng.integers(0, 4, 200),
            "played_at": [at(float(h)) for h in rng.uniform(0, 80, 200)],
        }
    )
    return label(logs(candidates=candidates, plays=plays), hours=2)


def at_us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


@pytest.fixture(scope="module")
def labelled() -> LabelledLogs:
    return many()


@pytest.fixture(scope="module")
def reader(labelled: LabelledLogs) -> BlockReader:
    return reader_of(labelled)


@pytest.mark.parametrize(
    ("since", "until"), [(None, None), (at(40.3), None), (None, at(40.3)), (at(11.2), at(40.3))]
)
@pytest.mark.parametrize("rows", [1, 100, 10**6])
def test_spans_cover_every_row_once(
    labelled: LabelledLogs,
    reader: BlockReader,
    rows: int,
    since: datetime | None,
    until: datetime | None,
) -> None:
    spans = reader.spans(block_rows=rows, since=since, until=until)
    t0 = frame(labelled.dataset.table)["t0"]
    expected = t0[(t0 >= (since or START)) & (t0 < (until or at(1000)))]
    assert sum(span.rows for span in spans) == len(expected)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    for span in spans:
        assert span.rows == ((expected >= span.start) & (expected < span.end)).sum()
        assert span.rows <= rows or span.end - span.start <= timedelta(hours=1)
    if rows == 10**6:
        assert len(spans) == 1
    if since is not None:
        assert spans[0].start >= since
    if until is not None:
        assert spans[-1].end <= until


def test_blocks_are_the_rows_of_their_spans(labelled: LabelledLogs, reader: BlockReader) -> None:
    spans = reader.spans(block_rows=200)
    blocks = list(reader.read_blocks(spans))
    assert [len(block) for block in blocks] == [span.rows for span in spans]
    whole = reader.join(labelled.dataset.table)
    for block in blocks:
        found = whole.locate(block)
        np.testing.assert_array_equal(whole.features[found], block.features)
        np.testing.assert_array_equal(whole.item[found], block.item)


@pytest.mark.parametrize("in_memory", [2**30, 100])
def test_a_sample_is_read_span_by_span_wherever_it_lies(
    labelled: LabelledLogs,
    reader: BlockReader,
    in_memory: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "_IN_MEMORY", in_memory)
    rows = labelled.dataset.table.filter(lambda t: t.item_id != 2)
    spans = reader.spans(block_rows=200)
    sample = read_sample(reader, rows, spans=spans)
    expected = reader.join(rows)
    found = expected.locate(sample)
    assert sorted(found) == list(range(len(expected)))
    assert (np.diff(np.searchsorted([at_us(span.start) for span in spans], sample.t0)) >= 0).all()
    part = sample.take(sample.treatment == 1)
    for block, place in ((sample, found), (part, found[sample.treatment == 1])):
        for field in fields(FeatureBlock):
            values = getattr(block, field.name)
            np.testing.assert_array_equal(values, getattr(expected, field.name)[place])
            large = values.nbytes > in_memory and values.dtype != object
            assert isinstance(values, np.memmap) == large, field.name


def test_a_sample_of_no_span_is_refused(labelled: LabelledLogs, reader: BlockReader) -> None:
    with pytest.raises(EmptyError, match="longer log"):
        read_sample(reader, labelled.dataset.table, spans=[])


def test_candidates_of_a_request_are_its_rows(reader: BlockReader, labelled: LabelledLogs) -> None:
    asked = frame(labelled.requests).iloc[0]
    user, item, features = reader.candidate_rows(
        [asked["user_id"], 999], asked["t0"].to_pydatetime()
    )
    assert set(user) == {asked["user_id"]}
    assert sorted(item) == [0, 1, 2, 3]
    assert features.shape == (4, len(FEATURES.names) - 2)


def test_plays_are_all_kept_and_zeros_at_their_rates(
    labelled: LabelledLogs, reader: BlockReader
) -> None:
    config = ChainConfig(features=FEATURES, zero_rate=0.2, zero_rate_with_history=0.6)
    samples = draw_samples(
        ENGINE, dataset=labelled.dataset, pairs=reader.features.pairs, config=config, seed=1
    )
    sample = frame(samples.training)
    rows = frame(labelled.dataset.table)
    key = ["user_id", "item_id", "t0"]
    assert not sample.duplicated(key).any()
    pairs = set(map(tuple, frame(reader.features.pairs)[key].to_numpy()))
    known = [tuple(k) in pairs for k in rows[key].to_numpy()]
    weights = sample[[*key, "sampling_weight"]].rename(columns={"sampling_weight": "weight"})
    rows = rows.assign(known=known).merge(weights, on=key, how="left")
    kept = rows["weight"].notna()
    played = rows["outcome"] == 1
    assert kept[played].all()
    assert (rows["weight"][played] == 1).all()
    for has_history, rate in ((True, 0.6), (False, 0.2)):
        zeros = ~played & (rows["known"] == has_history)
        spread = 4 * np.sqrt(rate * (1 - rate) / zeros.sum())
        assert kept[zeros].mean() == pytest.approx(rate, abs=spread)
        assert np.allclose(rows["weight"][zeros & kept], 1 / rate)
    assert sample["sampling_weight"].sum() == pytest.approx(len(rows), rel=0.15)


@pytest.mark.parametrize("rates", [{}, {"zero_rate": 0.5, "propensity_rate": 0.5}])
def test_thinned_training_rows_share_no_play(
    labelled: LabelledLogs, reader: BlockReader, rates: dict[str, float]
) -> None:
    config = ChainConfig(features=FEATURES, thin=True, **rates)
    samples = draw_samples(
        ENGINE, dataset=labelled.dataset, pairs=reader.features.pairs, config=config, seed=1
    )
    key = ["user_id", "item_id", "t0"]
    allowed = set(map(tuple, frame(labelled.dataset.thin().table)[key].to_numpy()))
    whole = set(map(tuple, frame(labelled.dataset.table)[key].to_numpy()))
    for table in (samples.training, samples.even):
        rows = frame(table).sort_values(key)
        drawn = set(map(tuple, rows[key].to_numpy()))
        assert drawn <= allowed < whole
        assert rates or drawn == allowed
        again = rows.groupby(["user_id", "item_id"])["horizon_end"].shift() > rows["t0"]
        assert not again.any()
    assert samples.training.columns == labelled.dataset.table.columns


@pytest.mark.parametrize("zero_rate", [0.2, 1.0])
def test_an_even_sample_is_blind_to_the_outcome(
    zero_rate: float, labelled: LabelledLogs, reader: BlockReader
) -> None:
    rows = labelled.dataset.table
    key = ["user_id", "item_id", "t0"]
    config = ChainConfig(features=FEATURES, zero_rate=zero_rate, propensity_rate=0.3)

    def draw(table: ibis.Table, seed: int = 3) -> set[Any]:
        samples = draw_samples(
            ENGINE,
            dataset=replace(labelled.dataset, table=table),
            pairs=reader.features.pairs,
            config=config,
            seed=seed,
        )
        # Where every row trains, none is joined or written for that.
        assert samples.training.equals(table) == (zero_rate == 1)
        even = frame(samples.even)
        assert (even["sampling_weight"] == 1).all()
        return set(map(tuple, even[key].to_numpy()))

    chosen = draw(rows)
    total = rows.count().to_pyarrow().as_py()
    assert len(chosen) / total == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / total))
    assert draw(rows) == chosen
    assert draw(rows, seed=4) != chosen
    turned = rows.mutate(outcome=(1 - rows.outcome).cast("int8"))
    assert draw(turned) == chosen


def test_blocks_come_in_order_and_prepared(reader: BlockReader) -> None:
    spans = reader.spans(block_rows=1)
    assert len(spans) > 10
    mine, threads = threading.get_ident(), set()

    def prepare(block: FeatureBlock) -> None:
        threads.add(threading.get_ident())
        block.set_base(block.t0.astype(float), np.ones(len(block)))

    for span, block in zip(spans, reader.read_blocks(spans, prepare=prepare), strict=True):
        assert len(block) == span.rows
        np.testing.assert_array_equal(block.base_score, block.t0.astype(np.float32))
    assert mine not in threads


def test_what_fails_while_preparing_is_told(reader: BlockReader) -> None:
    def prepare(_: FeatureBlock) -> None:
        raise RuntimeError("no scores")

    with pytest.raises(RuntimeError, match="no scores"):
        list(reader.read_blocks(reader.spans(block_rows=100), prepare=prepare))


def test_a_look_up_by_search_finds_what_a_table_finds(
    labelled: LabelledLogs, reader: BlockReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_table = reader.join(labelled.dataset.table)
    monkeypatch.setattr(assemble, "_DENSE", 0)
    by_search = reader.join(labelled.dataset.table)
    np.testing.assert_array_equal(by_table.features, by_search.features)
