from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker.coldstart.choice import held_out
from causal_ranker.coldstart.content import Content
from causal_ranker.coldstart.deepmusic import DeepMusicRidge, DeepMusicRidgeConfig
from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.named import NamedScores, audience_of
from causal_ranker.coldstart.recommender import (
    ColdStartRecommender,
    FitConfig,
    Fitted,
    fit_recommender,
)
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores
from causal_ranker.coldstart.tables import ContentColumns
from causal_ranker.errors import BundleError, EmptyError, RowError, SchemaError
from causal_ranker.recommenders.ids import Ids

N_ITEMS, COLD = 200, 50
GENRES = ("Drama", "Comedy", "Horror", "War")
COLUMNS = ContentColumns(categories=("genres",))
ITEMS = Ids([f"film{at}" for at in range(N_ITEMS)], name="items")
GENRE = np.random.default_rng(0).integers(4, size=N_ITEMS)
CONTENT = Content(categories=[[GENRES[code]] for code in GENRE])
CONFIG = FitConfig(width=4)


def liked(items: slice) -> pd.DataFrame:
    """Users like films of one genre, and a film here and there of the others."""
    rng = np.random.default_rng(1)
    taste = np.arange(60)[:, None] % 4 == GENRE
    who, what = np.nonzero(rng.random(taste.shape) < np.where(taste, 0.5, 0.05))
    pairs = pd.DataFrame({"user_id": who, "item_id": ITEMS.ids[what]})
    return pairs[np.isin(pairs["item_id"], ITEMS.ids[items])]


WARM, LATER = liked(slice(COLD, None)), liked(slice(0, COLD))


def fitted(
    content: Content = CONTENT,
    embeddings: NamedScores | None = None,
    config: FitConfig = CONFIG,
) -> Fitted:
    model = DeepMusicRidge(DeepMusicRidgeConfig(l2=1.0, without_content=config.without_content))
    return fit_recommender(
        model,
        WARM,
        items=ITEMS,
        content=content,
        columns=COLUMNS,
        embeddings=embeddings,
        config=config,
    )


def later_ndcg(found: Fitted) -> float:
    named = found.recommender.embed(ITEMS, CONTENT).of_items(np.arange(COLD))
    heard = audience_of(LATER, users=named.users, items=named.items)
    return evaluate(named.scores, audience=heard.audience, lengths=(10,)).utility[10].ndcg


def test_new_items_are_found_by_their_content() -> None:
    found = fitted()
    assert found.counts == {
        "users": 60,
        "users_without_positives": 0,
        "warm_items": 135,
        "held_out_items": 15,
        "cold_items": COLD,
        "warm_items_without_content": 0,
        "pairs_of_other_users": 0,
        "pairs_of_other_items": 0,
    }
    assert found.held_out is not None
    assert len(found.held_out.gains) == 15
    # half of a genre is liked: no ranking by genre finds much more than that at the head
    assert later_ndcg(found) > 0.5 > 2 * 0.16


def test_items_held_out_teach_nothing() -> None:
    """Others may have liked them: the fit is the same."""
    found = fitted()
    _, held = held_out(np.arange(COLD, N_ITEMS), share=0.1, seed=0)
    rows = np.isin(WARM["item_id"], ITEMS.ids[held])
    assert 0 < rows.sum() < len(WARM)
    other = WARM.copy()
    liking = other.loc[rows, "user_id"].to_numpy()
    other.loc[rows, "user_id"] = np.random.default_rng(3).permutation(liking)
    again = fit_recommender(
        DeepMusicRidge(DeepMusicRidgeConfig(l2=1.0)),
        other,
        items=ITEMS,
        content=CONTENT,
        columns=COLUMNS,
        config=CONFIG,
    )
    one, two = (each.recommender.embed(ITEMS, CONTENT) for each in (found, again))
    order_of = two.users.rows(one.users.ids.tolist())
    np.testing.assert_allclose(
        one.scores.block(0, 60), two.scores.block(0, 60)[order_of], rtol=1e-4, atol=1e-5
    )


def test_embeddings_of_ones_own() -> None:
    rng = np.random.default_rng(2)
    users = Ids(range(59), name="users")  # one less than in the pairs
    taste = np.eye(4)[np.arange(59) % 4]
    films = np.eye(4)[GENRE] + 0.01 * rng.normal(size=(N_ITEMS, 4))
    order = rng.permutation(np.arange(COLD, N_ITEMS))[:120]
    own = NamedScores(
        FactoredScores(taste, films[order]), users, Ids(ITEMS.ids[order].tolist(), name="items")
    )
    found = fitted(embeddings=own)
    assert (found.counts["users"], found.counts["warm_items"]) == (59, 108)
    assert found.counts["pairs_of_other_users"] == (WARM["user_id"] == 59).sum() > 0
    scores = found.recommender.embed(ITEMS, CONTENT).scores.block(0, 59)
    assert (GENRE[scores.argmax(axis=1)] == np.arange(59) % 4).all()
    matrix = NamedScores(
        MatrixScores(np.ones((60, 2))),
        Ids(range(60), name="u"),
        Ids(["film60", "film61"], name="i"),
    )
    with pytest.raises(SchemaError, match="got a matrix of scores"):
        fitted(embeddings=matrix)


def test_a_saved_one_embeds_alike(tmp_path: Path) -> None:
    found = fitted().recommender
    found.save(tmp_path / "model")
    back = ColdStartRecommender.load(tmp_path / "model")
    assert back.columns == COLUMNS
    one, two = (each.embed(ITEMS, CONTENT) for each in (found, back))
    np.testing.assert_array_equal(one.scores.block(0, 60), two.scores.block(0, 60))
    assert two.users.ids.tolist() == one.users.ids.tolist()
    for name in ("reader.json", "encoder.npz", "model.json"):
        path = tmp_path / "model" / name
        kept = path.read_bytes()
        path.write_bytes(kept[:20])
        with pytest.raises(BundleError, match=f"a cold-start {path.stem}"):
            ColdStartRecommender.load(tmp_path / "model")
        path.write_bytes(kept)


def test_items_without_content_are_refused_or_counted() -> None:
    told = [list(names) for names in CONTENT.parts["categories"]]
    told[0], told[-1] = [], []  # a cold one, and a warm one
    content = Content(categories=told)
    with pytest.raises(RowError, match="2 of 200 items with none"):
        fitted(content)
    found = fitted(content, config=CONFIG.model_copy(update={"without_content": "mean"}))
    assert found.counts["warm_items_without_content"] == 1
    assert found.counts["warm_items"] + found.counts["held_out_items"] == 149
    named = found.recommender.embed(ITEMS, content)
    assert found.recommender.model.fallbacks_ == 2
    np.testing.assert_array_equal(named.scores.block(0, 60)[:, 0], named.scores.block(0, 60)[:, -1])


def test_tables_that_do_not_belong_together() -> None:
    with pytest.raises(EmptyError, match="ids are of one type"):
        fit_recommender(
            DeepMusicRidge(),
            WARM.assign(item_id=7),
            items=ITEMS,
            content=CONTENT,
            columns=COLUMNS,
        )
