"""Cannibalisation: the rows' own outcomes stay as they are, and totals lose the known share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.logs import TruthColumns, WorldLogs
from causal_ranker.worlds.streaming import StreamingWorld

COOL, HOT = 0.5, 50.0


def world(share: float, heat: float = 1.0, **changed: Any) -> WorldLogs:
    """Two days, so that the horizons of a user's first request end within the log."""
    settings: dict[str, Any] = {
        "users": 500,
        "items": 80,
        "days": 2,
        "visit_rate": 1.0,
        "candidates": 20,
        "slate_size": 6,
        "negative_share": 0.0,
        "background_plays": 0.0,
        "discovery_rate": 0.3,
    }
    config = WorldConfig(**(settings | changed), cannibalisation=share, temperature=heat)
    return StreamingWorld(config).simulate()


def first_rows(logs: WorldLogs) -> Any:
    """Candidate rows of every user's first request: no state is carried on to them."""
    rows = logs.candidates
    first = rows[C.T0] == rows.groupby(C.USER)[C.T0].transform("min")
    return (first & (rows[C.HORIZON_END] <= logs.log_end)).to_numpy()


def totals(logs: WorldLogs) -> Any:
    """Titles that each user plays within the horizon of the first request, by brute force."""
    rows = logs.candidates[first_rows(logs)].drop_duplicates(C.USER)
    plays = rows[[C.USER, C.T0, C.HORIZON_END]].merge(logs.plays, on=C.USER)
    inside = plays[C.PLAYED_AT].between(plays[C.T0], plays[C.HORIZON_END], inclusive="left")
    counts = plays[inside].groupby(C.USER)[C.ITEM].nunique()
    return counts.reindex(np.sort(rows[C.USER]), fill_value=0).to_numpy()


@pytest.fixture(scope="module")
def slates() -> dict[tuple[float, float], WorldLogs]:
    """The same draws behind slates of two temperatures, without and with cannibalisation."""
    return {(share, heat): world(share, heat) for share in (0.0, 0.5, 1.0) for heat in (COOL, HOT)}


def test_with_all_of_it_no_slate_moves_the_total(slates: Any) -> None:
    for share, moves in ((0.0, True), (0.5, True), (1.0, False)):
        cool, hot = slates[share, COOL], slates[share, HOT]
        assert (cool.candidates[C.SHOWN] != hot.candidates[C.SHOWN])[first_rows(cool)].any()
        one, other = totals(cool), totals(hot)
        assert one.size > 300
        assert ((one != other).mean() > 0.1) == moves
        assert (one == other).all() != moves


def test_rows_keep_their_outcomes_and_their_effects(slates: Any) -> None:
    plain, half = slates[0.0, COOL], slates[0.5, COOL]
    rows = first_rows(plain)
    pd.testing.assert_frame_equal(plain.candidates[rows], half.candidates[rows])
    same = [name for name in plain.truth if name != TruthColumns.TOTAL_TAU]
    pd.testing.assert_frame_equal(plain.truth.loc[rows, same], half.truth.loc[rows, same])
    # what was taken the place of lies outside the candidates
    listed = half.candidates.loc[rows, [C.USER, C.ITEM, C.T0, C.HORIZON_END]]

    def within(logs: WorldLogs) -> int:
        plays = listed.merge(logs.plays, on=[C.USER, C.ITEM])
        inside = plays[C.PLAYED_AT].between(plays[C.T0], plays[C.HORIZON_END], inclusive="left")
        return len(plays[inside].drop_duplicates([C.USER, C.ITEM]))

    assert within(plain) == within(half) > 100
    assert totals(half).sum() > totals(plain).sum()


def test_half_of_it_leaves_half_of_what_a_slate_moves() -> None:
    left = {1: [], -1: []}  # type: dict[int, list[float]]
    for seed in range(8):
        plain, half = (
            totals(world(share, COOL, seed=seed)) - totals(world(share, HOT, seed=seed))
            for share in (0.0, 0.5)
        )
        for sign, found in left.items():
            found.append(half[plain == sign].mean())
    for sign, found in left.items():
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        assert error < 0.05
        assert abs(np.mean(found) - 0.5 * sign) < 3.5 * error, (sign, np.mean(found), error)


def test_the_truth_on_totals_is_the_share_that_is_left() -> None:
    logs = world(0.25, negative_share=0.3)
    tau, total = (logs.truth[name] for name in (TruthColumns.TAU, TruthColumns.TOTAL_TAU))
    assert (tau > 0).any()
    assert (tau < 0).any()
    np.testing.assert_allclose(total[tau > 0], 0.75 * tau[tau > 0])
    np.testing.assert_array_equal(total[tau <= 0], tau[tau <= 0])


def test_settings_that_cannot_be_are_refused() -> None:
    WorldConfig(items=40, candidates=20, slate_size=5, cannibalisation=0.1)
    WorldConfig(items=39, candidates=20, slate_size=5)
    with pytest.raises(ConfigError, match="twice as many items"):
        WorldConfig(items=39, candidates=20, slate_size=5, cannibalisation=0.1)
    with pytest.raises(ConfigError, match="cannibalisation"):
        WorldConfig(cannibalisation=1.5)
