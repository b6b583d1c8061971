from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.errors import RowError
from causal_ranker.experiments.quasi.discontinuity import regression_discontinuity
from causal_ranker.experiments.quasi.slate import slate_margins
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns
from causal_ranker.worlds.streaming import StreamingWorld

SLOTS, CANDIDATES = 3, 10


def test_margins_by_hand() -> None:
    found = slate_margins([3, 1, 2, 5, 9, 6], [1, 0, 0, 0, 1, 1], request=list("aaabbb"))
    assert found == pytest.approx([0.5, -1.5, -0.5, -0.5, 3.5, 0.5])


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ([0, 1, 0, 1], "0 requests that show all .* and 2 that"),
        ([1, 1, 1, 0], "1 requests that show all .* and 0 that"),
        ([1, 0, 0, 0], "1 requests that show all"),
    ],
)
def test_slates_that_the_score_did_not_decide(shown: list[int], words: str) -> None:
    with pytest.raises(RowError, match=words):
        slate_margins([2, 1, 4, 3], shown, request=[0, 0, 1, 1])


def test_equal_scores_at_the_end_decide_nothing() -> None:
    with pytest.raises(RowError, match="1 that show one below"):
        slate_margins([2, 1, 1], [1, 1, 0], request=[0, 0, 0])


def test_the_effect_of_the_last_slot_is_found_in_a_world() -> None:
    """Slates by base score: means mislead, as what is shown is what would be played."""
    config = WorldConfig(
        users=600,
        items=60,
        days=5,
        candidates=CANDIDATES,
        slate_size=SLOTS,
        organic_rate=0.15,
        discovery_rate=0.6,
        negative_share=0.0,
        seed=4,
    )
    logs = StreamingWorld(config).simulate()
    rows, truth = logs.candidates, logs.truth
    score = rows["base_score"].to_numpy()
    slot = 1 + np.argsort(np.argsort(-score.reshape(-1, CANDIDATES), axis=1), axis=1).ravel()
    shown = slot <= SLOTS
    examined = shown & (slot <= truth[TruthColumns.EXAMINED_TO])
    played = np.where(examined, truth[TruthColumns.Y_EXAMINED], truth[TruthColumns.Y0])
    margin = slate_margins(score, shown, request=rows["assignment_unit"])
    found = regression_discontinuity(played, margin, treatment=shown, cluster=rows["user_id"])
    last = truth[TruthColumns.ATTENTION] * truth[TruthColumns.SCROLL] ** (SLOTS - 1)
    near = np.abs(margin) < 0.3 * found.bandwidth
    true = float((last * truth[TruthColumns.EFFECT_IF_EXAMINED])[near].mean())
    naive = played[shown].mean() - played[~shown].mean()
    assert naive > found.robust.high
    assert true > 4 * found.effect.standard_error
    assert abs(found.effect.point - true) < 3 * found.effect.standard_error
    assert found.robust.low < true < found.robust.high
