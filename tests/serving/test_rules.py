"""List rules of a bundle's policy, where it is served."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import BundleError, ConfigError, RowError
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.diversified import Diversified
from causal_ranker.reranking.limits import Cap, Floor
from causal_ranker.reranking.policies import UpliftPolicy
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from tests.serving.shop import GENRES, ITEM_IDS, ITEMS, Shop

SENT = [(str(item), float(ITEMS - place)) for place, item in enumerate(ITEM_IDS)]


def ruled(*rules: Any) -> ChainedPolicy:
    return ChainedPolicy(UpliftPolicy(), rules)


ONE_EACH = ruled(Constrained(slots=3, caps=(Cap(column="genre", at_most=1),)))
NEWS = Floor(column="genre", level="news", share=0.5)


def test_rules_read_the_snapshot(shop: Shop, bundle: Bundle) -> None:
    plain = rerank(bundle, 105, candidates=SENT)
    capped = rerank(replace(bundle, policy=ONE_EACH), 105, candidates=SENT)
    genre = dict(zip(map(str, ITEM_IDS), shop.genre, strict=True))
    expected: list[Any] = []
    for item in plain.items:
        if len(expected) < 3 and genre[item] not in [genre[each] for each in expected]:
            expected.append(item)
    assert capped.items[:3] == tuple(expected) != plain.items[:3]
    assert capped.items[3:] == tuple(item for item in plain.items if item not in expected)
    assert capped.fallback is None
    assert capped.relaxed == ()
    assert sorted(capped.items) == sorted(plain.items)


def test_what_gave_way_is_told_and_counted(bundle: Bundle) -> None:
    strict = ruled(Constrained(slots=8, floors=(NEWS,), caps=(Cap(column="genre", at_most=1),)))
    there = replace(bundle, policy=strict)
    found = rerank(there, 105, candidates=SENT)
    assert found.relaxed == ("caps",)
    rerank(there, 105, candidates=SENT[:1])
    assert there.counts.relaxed == {"caps": 1}
    assert there.counts.fallbacks == {}


def test_columns_of_the_request_go_before_the_snapshot(bundle: Bundle) -> None:
    there = replace(bundle, policy=ruled(Constrained(slots=4, floors=(NEWS,))))
    news = ["news" if item == "item-11" else "drama" for item, _ in SENT]
    found = rerank(there, 105, candidates=SENT, columns={"genre": news})
    assert found.items[1] == "item-11"
    assert found.relaxed == ("floors",)  # one item of news cannot fill two slots
    # an item that the snapshot does not know has no genre, unless it is sent
    new = [*SENT[:5], ("never-seen", 0.5)]
    genre = [None, "drama", "drama", "drama", "news", "news"]
    told = rerank(there, 105, candidates=new, columns={"genre": genre})
    assert told.relaxed == ()
    assert {"never-seen", "item-04"} < {*told.items[:4]}
    # the candidates may come in any order
    turned = rerank(there, 105, candidates=SENT[::-1], columns={"genre": news[::-1]})
    assert turned.items == found.items


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (
            {"price": [1.0] * ITEMS},
            ConfigError,
            "columns that the policy reads: genre; got 'price'",
        ),
        ({"genre": ["news"]}, RowError, "a value of 'genre' for each of 12 candidates; got 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    bundle: Bundle, columns: Any, error: Any, message: str
) -> None:
    there = replace(bundle, policy=ONE_EACH)
    with pytest.raises(error, match=message):
        rerank(there, 105, candidates=SENT, columns=columns)
    with pytest.raises(ConfigError, match="together with the candidates"):
        rerank(there, 105, columns=columns)
    with pytest.raises(ConfigError, match="it reads none"):
        rerank(bundle, 105, candidates=SENT, columns=columns)


def test_numbers_have_to_be_numbers(bundle: Bundle) -> None:
    dear = ruled(Constrained(slots=2, floors=(Floor(column="price", share=1.0),)))
    there = replace(bundle, policy=dear)
    prices: list[Any] = [0.0] * (ITEMS - 2) + [3.0, None]
    found = rerank(there, 105, candidates=SENT, columns={"price": prices})
    assert found.items[0] == "item-10"
    with pytest.raises(RowError, match="values of 'price'"):
        rerank(there, 105, candidates=SENT, columns={"price": ["dear"] * ITEMS})


def test_a_bundle_holds_its_rules(shop: Shop, bundle: Bundle, tmp_path: Path) -> None:
    policy = ruled(
        Diversified(group="genre", share=0.25),
        Constrained(slots=5, max_moves=3, max_base_loss=0.2, floors=(NEWS,)),
    )
    folder = write_bundle(tmp_path / "model", contents=replace(shop.contents, policy=policy))
    again = load_bundle(folder)
    assert again.policy == policy
    assert json.loads((folder / "policy.json").read_text())["kind"] == "chained"
    mine = rerank(replace(bundle, policy=policy), 105, candidates=SENT)
    assert rerank(again, 105, candidates=SENT).records() == mine.records()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Diversified(group="studio", share=0.1), "the column 'studio', which the policy reads"),
        (Constrained(slots=3, floors=(Floor(column="genre", share=0.5),)), "the level of 'genre'"),
        (
            Constrained(slots=3, floors=(Floor(column="genre", share=0.5, level="opera"),)),
            f"a level of 'genre'.*'opera'; it has '{GENRES[0]}'",
        ),
    ],
)
def test_a_bundle_whose_rules_read_what_is_not_there_does_not_load(
    shop: Shop, tmp_path: Path, rule: Any, message: str
) -> None:
    contents = replace(shop.contents, policy=ruled(rule))
    folder = write_bundle(tmp_path / "model", contents=contents)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_a_bundle_of_before_there_were_rules_still_loads(published: Path) -> None:
    assert json.loads((published / "policy.json").read_text()) == {"kind": "uplift"}
    assert load_bundle(published).policy == UpliftPolicy()


def test_a_failing_rule_leaves_the_base_order(bundle: Bundle, monkeypatch: Any) -> None:
    there = replace(bundle, policy=ONE_EACH)

    def explode(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(Constrained, "arrange", explode)
    found = rerank(there, 105, candidates=SENT)
    assert found.fallback == "model_error"
    assert found.items == tuple(item for item, _ in SENT)
    np.testing.assert_array_equal(found.base_rank, np.arange(1, ITEMS + 1))
