from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from causal_ranker.coldstart.compare import compare
from causal_ranker.coldstart.metrics import evaluate
from causal_ranker.coldstart.named import NamedScores
from causal_ranker.coldstart.ranking import Audience
from causal_ranker.coldstart.scores import MatrixScores
from causal_ranker.coldstart.sections import fairness_document, judged_sections, metric_figures
from causal_ranker.coldstart.uncertainty import gain_interval, ndcg_interval
from causal_ranker.errors import ConfigError, EmptyError
from causal_ranker.recommenders.ids import Ids
from causal_ranker.reporting.blocks import Figure, Table
from tests.coldstart.worlds import unfair

SCORES, LIKED = unfair(1, users=40, items=50)
BASE = NamedScores(SCORES, Ids(range(40), name="users"), Ids(range(50), name="items"))
PAIRS = pd.DataFrame(np.column_stack(LIKED.matrix.nonzero()), columns=["user_id", "item_id"])


def shuffled(users: np.ndarray, items: np.ndarray) -> NamedScores:
    """Reversed scores of some users and items, in another order."""
    matrix = -SCORES.block(0, 40)[np.ix_(users, items)]
    return NamedScores(
        MatrixScores(matrix), Ids(users.tolist(), name="u"), Ids(items.tolist(), name="i")
    )


OTHER = shuffled(np.r_[39:4:-1], np.r_[45:0:-1])


def test_only_what_all_rank_is_ranked_and_warm_items_are_not() -> None:
    warm = pd.DataFrame({"user_id": 0, "item_id": range(10)})
    found = compare({"base": [BASE], "other": [OTHER, OTHER]}, PAIRS, warm=warm)
    assert [len(judged) for judged in found.rankings.values()] == [1, 2]
    liked = Audience(LIKED.matrix.tocsc()[5:, 10:46].tocsr())
    for judged, sign in ((found.rankings["base"][0], 1), (found.rankings["other"][1], -1)):
        wanted = evaluate(
            MatrixScores(sign * SCORES.block(5, 40)[:, 10:46]), audience=liked, lengths=(15, 30)
        )
        assert judged.utility == wanted.utility
        np.testing.assert_array_equal(judged.gains, wanted.gains)
    rows = PAIRS["user_id"] >= 5
    assert found.counts == {
        "users": 35,
        "items": 36,
        "pairs": liked.matrix.nnz,
        "users_not_in_all": 5,
        "items_not_in_all": 5,
        "warm_items_left_out": 9,
        "pairs_of_other_users": int((~rows).sum()),
        "pairs_of_other_items": int((rows & ~PAIRS["item_id"].between(10, 45)).sum()),
    }


def test_lengths_are_those_asked_for_or_those_that_fit() -> None:
    found = compare({"base": [BASE]}, PAIRS, lengths=[3])
    assert list(found.rankings["base"][0].utility) == [3]
    with pytest.raises(ConfigError, match="from 1 to 50"):
        compare({"base": [BASE]}, PAIRS, lengths=[51])
    few = shuffled(np.arange(40), np.arange(6))
    assert list(compare({"few": [few]}, PAIRS).rankings["few"][0].utility) == [6]


def test_rankings_that_share_nothing() -> None:
    with pytest.raises(EmptyError, match="at least one ranking"):
        compare({}, PAIRS)
    with pytest.raises(EmptyError, match="50 items of which 0 are not warm"):
        compare({"base": [BASE]}, PAIRS, warm=PAIRS)
    text = NamedScores(SCORES, BASE.users, Ids(map(str, range(50)), name="items"))
    with pytest.raises(EmptyError, match="ids of one kind"):
        compare({"base": [BASE], "text": [text]}, PAIRS)


def test_tables_page_and_figures_say_the_same() -> None:
    rankings = compare({"base": [BASE], "other": [OTHER]}, PAIRS).rankings
    base, other = rankings["base"][0], rankings["other"][0]
    utility, fairness = (section.blocks[0] for section in judged_sections(rankings))
    assert isinstance(utility, Table)
    assert isinstance(fairness, Table)
    interval = ndcg_interval(base, k=15)
    assert utility.rows[0][:3] == (
        "base",
        f"{base.utility[15].ndcg:.4f} ({interval.low:.4f} to {interval.high:.4f})",
        base.utility[30].ndcg,
    )
    assert utility.rows[1][3:] == (
        *(other.utility[k].recall for k in (15, 30)),
        *(other.utility[k].precision for k in (15, 30)),
    )
    assert fairness.rows[1][1] == other.fairness.mean
    figures = metric_figures(other)
    worst = gain_interval(other, lowest=10)
    assert figures["mdg_min10_interval"] == (worst.low, worst.high)
    assert figures["mdg_min10"] == other.fairness.lowest[10] == worst.point
    assert (figures["ndcg15"], figures["items"]) == (other.utility[15].ndcg, 45)
    page = fairness_document(rankings, meta={"items": 45})
    drawing = page.sections[0].blocks[0]
    assert isinstance(drawing, Figure)
    assert f"{other.fairness.lowest[10]:.4f}" in drawing.alt
    worst_of, ndcg_of = (
        [f"{each.fairness.lowest[10]:.4f}" for each in (other, base)],
        [f"NDCG@15 {each.utility[15].ndcg:.4f}" for each in (other, base)],
    )
    assert page.verdict == (
        f"other gives the 10 % worst of 45 items a gain of {worst_of[0]} instead of a gain of "
        f"{worst_of[1]}. Users have {ndcg_of[0]} instead of {ndcg_of[1]} (base)."
    )
    alone = fairness_document({"base": [base]}, meta={})
    assert alone.verdict.endswith(f"{worst_of[1]} and users {ndcg_of[1]}.")
