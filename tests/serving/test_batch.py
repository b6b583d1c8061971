"""Many lists at once are the lists that are served one by one, wherever a batch ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import BundleError, RowError
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.policies import BlendPolicy, UpliftPolicy
from causal_ranker.serving import batch
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.batch import BatchRanker, rank_batches
from causal_ranker.serving.bundle import (
    Bundle,
    BundleContents,
    load_bundle,
    model_files,
    write_bundle,
)
from tests.serving.shop import ITEM_IDS, ITEMS, UPLIFT_SCHEMA, USER_IDS, Shop, with_width

STRICT = ChainedPolicy(
    UpliftPolicy(),
    (
        Constrained(
            slots=8,
            floors=(Floor(column="genre", level="news", share=0.5),),
            caps=(Cap(column="genre", at_most=1),),
        ),
    ),
)
MADE = {
    "sent scores": {"base": None, "candidates": None, "policy": BlendPolicy(0.4)},
    "own scores": {"candidates": None, "policy": BlendPolicy(0.4)},
    "rules": {"base": None, "candidates": None, "policy": STRICT},
    "intervals": {"base": None, "candidates": None},
}
T0 = pd.Timestamp("2026-02-01")


@pytest.fixture(params=MADE)
def made(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Bundle:
    start = with_width(shop)[0] if request.param == "intervals" else shop.contents
    contents: BundleContents = replace(start, **MADE[request.param])
    return load_bundle(write_bundle(tmp_path / "made", contents=contents))


def sent(user: int) -> Any:
    """Scores of one decimal: they tie."""
    return (np.random.default_rng(user).normal(size=ITEMS)).round(0) / 2


def rows(shop: Shop) -> pd.DataFrame:
    """All items for each user, with the features that the snapshot has."""
    parts = []
    for place, user in enumerate(USER_IDS):
        none = np.full(ITEMS, np.nan)
        features = shop.uplift_features(place, np.arange(ITEMS), none, none)
        frame = pd.DataFrame(features, columns=list(UPLIFT_SCHEMA.names))
        frame = frame.drop(columns=["base_score", "base_rank"])
        told = {"user_id": user, "t0": T0, "item_id": ITEM_IDS.astype(object)}
        parts.append(frame.assign(**told, listed_score=sent(int(user))))
    return pd.concat(parts, ignore_index=True)


def served(bundle: Bundle) -> pd.DataFrame:
    parts = []
    for user in USER_IDS.tolist():
        pairs = list(zip(map(str, ITEM_IDS), sent(user), strict=True))
        found = rerank(bundle, user, candidates=None if bundle.base else pairs)
        relaxed = ",".join(found.relaxed) or None
        parts.append(pd.DataFrame(found.records()).assign(user_id=user, relaxed=relaxed))
    return pd.concat(parts).sort_values(["user_id", "item_id"], ignore_index=True)


def cut(frame: pd.DataFrame, size: int) -> list[pd.DataFrame]:
    return [frame[start : start + size] for start in range(0, len(frame), size)]


def ranked(bundle: Bundle, batches: list[pd.DataFrame], k: int | None = None) -> pd.DataFrame:
    found = rank_batches(batches, version=bundle.version, files=lambda: model_files(bundle), k=k)
    return pd.concat(found, ignore_index=True)


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    named = ["base_score", "base_rank", "uplift", "score", "rank"]
    named += [name for name in ("uplift_low", "uplift_high") if name in expected]
    for name in named:
        assert np.array_equal(found[name], expected[name]), name
    for name in ("user_id", "item_id", "relaxed"):
        assert found[name].tolist() == expected[name].tolist(), name


@pytest.mark.parametrize("size", [1, 5, 12, 17, 500])
def test_each_list_is_the_one_that_is_served(size: int, shop: Shop, made: Bundle) -> None:
    found, expected = ranked(made, cut(rows(shop), size)), served(made)
    same(found, expected)
    assert found["fallback"].isna().all()
    assert found["base_score"].duplicated().any()
    assert (found["relaxed"] == "caps").any() == (made.policy == STRICT)


def test_the_first_of_each_list_are_those_of_whole_lists(shop: Shop, made: Bundle) -> None:
    found, whole = ranked(made, cut(rows(shop), 7), k=2), ranked(made, [rows(shop)])
    expected = whole[whole["rank"] <= 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected)
    assert len(found) == 2 * len(USER_IDS)


def test_models_are_read_once_for_each_version(
    shop: Shop, made: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "_KEPT", {})
    reads: list[str] = []

    def files() -> Mapping[str, bytes]:
        reads.append("read")
        return model_files(made)

    for version in ("one", "one", "two", "two"):
        list(rank_batches([rows(shop)], version=version, files=files, k=1))
    assert len(reads) == 2
    assert list(rank_batches([rows(shop).head(0)], version="three", files=files, k=1)) == []
    assert len(reads) == 2


class NotFinite:
    """A model that says nothing of one row."""

    def __init__(self, model: Any, row: int) -> None:
        self._model, self._row = model, row

    def predict(self, X: Any) -> Any:
        found = self._model.predict(X)
        found[self._row] = np.nan
        return found


def test_a_list_with_a_row_that_has_no_uplift_is_in_base_order(shop: Shop, made: Bundle) -> None:
    ranker, table = BatchRanker(model_files(made)), rows(shop)
    whole = ranker.rank(table)
    ranker._uplift = NotFinite(ranker._uplift, 2 * ITEMS + 3)  # type: ignore[assignment]
    found = ranker.rank(table)
    fell = found["user_id"] == USER_IDS[2]
    assert (found["fallback"] == "model_not_finite").tolist() == fell.tolist()
    assert found.loc[fell, "uplift"].isna().all()
    assert (found.loc[fell, "rank"] == found.loc[fell, "base_rank"]).all()
    assert (found.loc[fell, "score"] == found.loc[fell, "base_score"]).all()
    pd.testing.assert_frame_equal(found[~fell], whole[~fell])


def test_rows_in_another_order_are_refused(shop: Shop, bundle: Bundle) -> None:
    table = rows(shop)
    mixed = table.sample(frac=1, random_state=0)
    twice = pd.concat([table.head(3), table.tail(-2)])
    apart = cut(table, ITEMS)
    for wrong in ([mixed], [twice], [apart[0], apart[2], apart[1]], [apart[0], apart[0]]):
        with pytest.raises(RowError, match="in order of user, t0 and item"):
            ranked(bundle, wrong)


def test_a_missing_base_score_is_told(shop: Shop, tmp_path: Path) -> None:
    contents = replace(shop.contents, base=None, candidates=None)
    bundle = load_bundle(write_bundle(tmp_path / "made", contents=contents))
    table = rows(shop)
    table.loc[5, "listed_score"] = np.nan
    with pytest.raises(RowError, match="nan for user 100 and item 'item-05'"):
        ranked(bundle, [table])


def test_what_travels_are_files_and_a_changed_one_is_refused(bundle: Bundle) -> None:
    files = model_files(bundle)
    assert {type(content) for content in files.values()} == {bytes}
    assert "uplift.txt" in files
    assert not [name for name in files if "npy" in name or "pkl" in name]
    without = {name: content for name, content in files.items() if name != "policy.json"}
    with pytest.raises(BundleError, match=r"policy\.json"):
        BatchRanker(without)
    bent = files["uplift.txt"].replace(b"leaf_value=", b"leaf_value=9", 1)
    with pytest.raises(BundleError, match=r"uplift\.txt"):
        BatchRanker({**files, "uplift.txt": bent})
