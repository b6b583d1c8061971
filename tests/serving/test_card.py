"""A model's card says what its bundle says, and claims nothing that was not found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.reporting.blocks import Document, Table
from causal_ranker.reporting.html import to_html
from causal_ranker.reporting.json import to_json
from causal_ranker.reranking.policies import BlendPolicy
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.card import model_card
from tests.serving.shop import Shop

COMPARED = {
    "policy": "blend",
    "difference_to_base": 0.012,
    "low": 0.003,
    "high": 0.021,
    "requests": 1234,
}


def card_of(shop: Shop, folder: Path, evaluation: dict[str, Any]) -> Document:
    contents = replace(shop.contents, policy=BlendPolicy(0.2), evaluation=evaluation)
    return model_card(load_bundle(write_bundle(folder / "model", contents=contents)))


def words_of(card: Document, title: str) -> str:
    (section,) = [each for each in card.sections if each.title == title]
    return to_json(Document("", "", [section]))


def test_it_says_what_was_found(shop: Shop, tmp_path: Path) -> None:
    card = card_of(shop, tmp_path, COMPARED)
    assert card.verdict == (
        "The policy blend brings more than the base list: +1.20 plays per 100 slots (95 % +0.30 to "
        "+2.10), on 1,234 requests after its training window."
    )
    assert "0.012" in words_of(card, "What was found before it was published")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(-0.02, -0.01, "brings less"), (-0.02, 0.01, "may bring more or less")],
)
def test_it_claims_no_gain_that_the_interval_does_not_hold(
    shop: Shop, tmp_path: Path, low: float, high: float, said: str
) -> None:
    card = card_of(shop, tmp_path, {**COMPARED, "low": low, "high": high})
    assert f"The policy blend {said}" in card.verdict


def test_without_an_evaluation_it_says_so(shop: Shop, tmp_path: Path) -> None:
    card = card_of(shop, tmp_path, {})
    assert card.verdict.startswith("Nothing says what this model brings")
    assert "Nothing. Evaluate it" in words_of(card, "What was found before it was published")


def test_other_figures_are_shown_as_they_are(shop: Shop, tmp_path: Path) -> None:
    card = card_of(shop, tmp_path, {"auc": {"base": 0.5}})
    assert "those of whoever published it" in card.verdict
    found = json.loads(words_of(card, "What was found before it was published"))
    assert found["sections"][0]["blocks"][0]["rows"] == [["auc", '{"base": 0.5}']]


def test_every_feature_stands_once_in_it_and_its_parts_are_the_bundles(
    shop: Shop, tmp_path: Path
) -> None:
    card = card_of(shop, tmp_path, {})
    bundle = load_bundle(tmp_path / "model")
    (table,) = next(each for each in card.sections if each.title == "What it reads").blocks
    assert isinstance(table, Table)
    told = [name.split(" (")[0] for row in table.rows for name in str(row[2]).split(", ")]
    assert sorted(told) == sorted(bundle.uplift.plan.schema.names)
    assert sum(int(str(row[1])) for row in table.rows) == len(told)
    parts = words_of(card, "What it is made of")
    assert "blend" in parts
    assert f"{bundle.snapshot.users.ids.size:,} and {bundle.snapshot.items.ids.size:,}" in parts
    assert card.meta["version"] == bundle.version
    assert bundle.version in to_html(card)
