"""Every feature against plain Python, on logs whose plays lie on the edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.features.logs import CONFIG, at, block_of, frame_of, play, random_logs, row
from tests.features.oracle import features_of


def as_text(value: Any) -> str:
    return f"id-{value}"


@pytest.mark.parametrize(("seed", "name"), [(0, int), (1, as_text), (2, int), (3, as_text)])
def test_every_feature_of_every_row(seed: int, name: Any) -> None:
    logs = random_logs(seed, name=name)
    built = frame_of(block_of(logs))
    records = logs.rows.to_dict("records")
    assert len(built) == len(records)
    expected = pd.DataFrame([features_of(logs, record) for record in records])
    assert set(expected.columns) == set(CONFIG.names)
    keys = [(r["user_id"], r["item_id"], r["t0"]) for r in records]
    came = built.loc[keys]
    for feature in CONFIG.names:
        # days are told to the second
        np.testing.assert_allclose(
            came[feature].to_numpy(np.float64),
            expected[feature].to_numpy(np.float64),
            rtol=2e-6,
            atol=2e-5 if "days_since" in feature else 1e-7,
            err_msg=feature,
        )


def test_the_random_logs_reach_every_case() -> None:
    """An oracle proves nothing about cases that do not occur."""
    frames = [
        pd.DataFrame([features_of(logs, r) for r in logs.rows.to_dict("records")])
        for logs in (random_logs(seed) for seed in range(4))
    ]
    found = pd.concat(frames)
    for feature in CONFIG.names[:-2]:
        assert found[feature].nunique() > 1, feature
    for feature in (
        "pair_days_since_play",
        "user_credited_share",
        "item_shown_share",
        "item_genre",
    ):
        assert found[feature].isna().any(), feature


def test_edges_by_hand() -> None:
    """Windows hold their first moment and not t0; a play counts for all items of a genre."""
    t0 = at(30)
    plays = [
        play(1, 0, t0),  # not yet
        play(1, 0, at(30, microseconds=-1), credit=0.5),
        play(1, 0, at(28)),  # the first moment of two days
        play(1, 0, at(28, microseconds=-1), credit=1.0),
        play(1, 2, at(23)),  # the first moment of seven days, the same genre as item 0
        play(1, 0, at(9)),  # the first moment of all history
        play(1, 0, at(9, microseconds=-1)),
        play(2, 0, at(29)),  # somebody else
    ]
    items = pd.DataFrame({"item_id": [0, 2], "minutes": 1.0, "genre": "crime", "kids": True})
    items["look"] = [[1.0, 2.0], [3.0, 4.0]]
    logs = replace(
        random_logs(0), rows=pd.DataFrame([row(1, 0, t0)]), plays=pd.DataFrame(plays), items=items
    )
    found = frame_of(block_of(logs)).iloc[0]
    assert found[[f"pair_plays_{d}d" for d in (2, 7, 21)]].tolist() == [2, 3, 4]
    assert found[[f"user_plays_{d}d" for d in (2, 7, 21)]].tolist() == [2, 4, 5]
    assert found[[f"group_plays_{d}d" for d in (2, 7, 21)]].tolist() == [2, 4, 5]
    assert found[[f"item_plays_{d}d" for d in (2, 7, 21)]].tolist() == [3, 4, 5]
    assert found["pair_credited_plays"] == 1.5
    assert found["user_credited_share"] == pytest.approx(2.5 / 9)
    assert found["pair_days_since_play"] == pytest.approx(0, abs=2e-5)


def test_plays_count_before_the_items_first_row() -> None:
    """The first request ever asks about items that were played, and shown to nobody yet."""
    logs = replace(
        random_logs(0),
        rows=pd.DataFrame([row(1, 0, at(30)), row(1, 1, at(30))]),
        plays=pd.DataFrame([play(3, 0, at(29)), play(4, 0, at(20))]),
    )
    found = frame_of(block_of(logs))
    assert found["item_plays_21d"].tolist() == [2, 0]
    assert found["item_rate_shown"].isna().all()
