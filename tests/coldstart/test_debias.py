from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from causal_ranker.coldstart.choice import held_out
from causal_ranker.coldstart.debias import DebiasConfig, debias
from causal_ranker.coldstart.gen import choose_gen
from causal_ranker.coldstart.named import NamedScores
from causal_ranker.coldstart.scores import FactoredScores, MatrixScores
from causal_ranker.coldstart.two_tiers import two_tiers
from causal_ranker.errors import EmptyError, RowError, SchemaError
from causal_ranker.recommenders.ids import Ids
from tests.coldstart.worlds import unfair

N_USERS, N_ITEMS = 120, 180
WARM = np.arange(0, N_ITEMS, 3)  # every third item is warm
COLD = np.setdiff1d(np.arange(N_ITEMS), WARM)
SCORES, LIKED = unfair(0, users=N_USERS, items=N_ITEMS)
USERS = Ids([f"user{at}" for at in range(N_USERS)], name="users")
ITEMS = Ids(range(N_ITEMS), name="items")
NAMED = NamedScores(SCORES, USERS, ITEMS)


def pairs(items: np.ndarray) -> pd.DataFrame:
    who, what = LIKED.matrix.nonzero()
    table = pd.DataFrame({"user_id": USERS.ids[who], "item_id": ITEMS.ids[what]})
    return table[np.isin(what, items)].sample(frac=1, random_state=0)


def test_the_strength_is_chosen_on_warm_items_and_new_ones_are_written() -> None:
    config = DebiasConfig(validation_share=0.3, most_loss=0.1, seed=4)
    found = debias(NAMED, pairs(WARM), config=config)
    train, held = held_out(WARM, share=0.3, seed=4)
    assert len(held) == 18
    wanted = choose_gen(
        SCORES.of_items(train),
        audience=LIKED.of_items(train),
        validation=SCORES.of_items(held),
        validation_audience=LIKED.of_items(held),
        most_loss=0.1,
    )
    assert found.choice is not None
    assert found.choice.config == wanted.config
    assert list(found.items.ids) == COLD.tolist()
    new = wanted.map(SCORES.items[COLD])
    np.testing.assert_allclose(found.scores.block(0, 9), new.block(0, 9), rtol=1e-5)
    assert found.counts == {
        "users": N_USERS,
        "users_without_positives": 0,
        "new_items": len(COLD),
        "warm_items": len(WARM),
        "held_out_items": 18,
        "pairs_of_other_users": 0,
        "pairs_of_other_items": 0,
    }


@pytest.mark.parametrize("method", ["scale", "gen"])
def test_users_without_positives_are_counted_and_keep_their_scores(method: str) -> None:
    table = pairs(WARM)
    config = DebiasConfig(method=method, validation_share=0.3, most_loss=0.1)
    found = debias(NAMED, table[~table["user_id"].isin(["user3", "user8"])], config=config)
    assert found.counts["users_without_positives"] == 2
    assert found.choice is not None
    assert found.choice.config is not None
    new, old = (scores.block(0, 9) for scores in (found.scores, SCORES.of_items(COLD)))
    np.testing.assert_allclose(new[[3, 8]], old[[3, 8]], rtol=1e-5)
    assert np.abs(new[4] - old[4]).max() > 1e-3


def test_a_matrix_is_as_good_as_its_embeddings() -> None:
    config = DebiasConfig(method="scale", validation_share=0.3)
    matrix = NamedScores(MatrixScores(SCORES.block(0, N_USERS)), USERS, ITEMS)
    one, two = (debias(named, pairs(WARM), config=config) for named in (NAMED, matrix))
    assert two.missed < 1e-6
    # The ridge penalises embeddings, which have other axes and lengths: near, not equal.
    first, second = (found.scores.block(0, N_USERS) for found in (one, two))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.95
    coarse = debias(matrix, pairs(WARM), config=config.model_copy(update={"width": 1}))
    assert 0.001 < coarse.missed < 1


def test_two_tiers_learn_nothing() -> None:
    found = debias(NAMED, pairs(WARM), config=DebiasConfig(method="two_tiers", head=5))
    wanted = two_tiers(SCORES.of_items(COLD), head=5)
    np.testing.assert_array_equal(found.scores.block(0, 7), wanted.block(0, 7))
    assert found.choice is None


def test_nothing_new_and_too_little_to_choose_on() -> None:
    with pytest.raises(EmptyError, match="pairs of all 180 items"):
        debias(NAMED, pairs(np.arange(N_ITEMS)))
    with pytest.raises(EmptyError, match=r"at least 15 warm items.*got 9 of 60"):
        debias(NAMED, pairs(WARM))
    with pytest.raises(EmptyError, match="none among 0; the first is no pair at all"):
        debias(NAMED, pairs(WARM).iloc[:0])
    bad = SCORES.block(0, N_USERS).copy()
    bad[3, 5] = np.nan
    named = NamedScores(MatrixScores(bad), USERS, ITEMS)
    for method in ("gen", "two_tiers"):
        with pytest.raises(RowError, match="NaN or infinity"):
            debias(named, pairs(WARM), config=DebiasConfig(method=method, validation_share=0.3))


def test_pairs_of_others_are_counted() -> None:
    more = pd.concat(
        [
            pairs(WARM),
            pd.DataFrame({"user_id": ["nobody", "user3"], "item_id": [3, 999]}),
        ]
    )
    found = debias(NAMED, more, config=DebiasConfig(method="two_tiers"))
    assert found.counts["pairs_of_other_users"] == 1
    assert found.counts["pairs_of_other_items"] == 1
    with pytest.raises(EmptyError, match="such as 'user0' and 0"):
        debias(NAMED, pairs(WARM).assign(item_id="0"))


def test_ids_fit_the_scores() -> None:
    with pytest.raises(SchemaError, match="ids of 120 users and 2 items"):
        NamedScores(FactoredScores(SCORES.users, SCORES.items), USERS, Ids([1, 2], name="items"))
