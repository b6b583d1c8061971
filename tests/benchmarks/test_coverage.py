"""The benchmark of coverage: its worlds are what they say, and its counts can be wrong."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from benchmarks import _list_coverage, coverage
from benchmarks._coverage import linear
from benchmarks._list_coverage import FIGURES, REFUSED, coverage_of
from benchmarks._lists import CANDIDATES, WORLDS, draw_lists, propensity
from benchmarks._regimes import Drawn
from causal_ranker.uplift.nuisance import NuisanceValues


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_have_the_chances_that_they_say(name: str) -> None:
    world = WORLDS[name]
    # Items decide for everybody at once: of those there must be many draws, not many users.
    draws = [draw_lists(world, np.random.default_rng(seed), users=400) for seed in range(60)]
    gaps = np.array([(d.treatment - propensity(world, d.x)).mean() for d in draws])
    assert abs(gaps.mean()) < 4 * gaps.std() / np.sqrt(len(gaps))
    expected = [d.x @ world.regime.organic + d.treatment * d.tau for d in draws]
    missed = np.array([(d.outcome - e).mean() for d, e in zip(draws, expected, strict=True)])
    assert abs(missed.mean()) < 4 * missed.std() / np.sqrt(len(missed))


def test_who_shares_luck() -> None:
    rng = np.random.default_rng(0)
    by_user, by_item = (draw_lists(WORLDS[name], rng) for name in ("confounded", "clustered"))
    assert by_user.unit is by_user.user
    assert by_item.unit is not by_item.user
    assert all(
        len(set(by_item.unit[start:stop])) == CANDIDATES
        for start, stop in pairwise(range(0, len(by_item.unit) + 1, CANDIDATES))
    )


@pytest.mark.slow
def test_intervals_hold_and_wrong_scores_are_seen() -> None:
    found = coverage_of("randomised", linear, draws=40)
    assert list(found) == [*FIGURES, REFUSED]
    assert found.pop(REFUSED) < 0.05
    assert min(found.values()) > 0.82  # 95 % - 3.5 binomial standard errors of 40 draws

    def shifted(drawn: Drawn) -> NuisanceValues:
        found = linear(drawn)
        # Either alone would be forgiven by doubly robust scores.
        treated = found.outcome_treated + drawn.x[:, 3]
        return replace(found, propensity=np.full(len(treated), 0.7), outcome_treated=treated)

    wrong = coverage_of("randomised", shifted, draws=10)
    assert wrong["AUTOC"] < 0.5
    assert wrong["uplift@10"] < 0.5


@pytest.mark.slow
def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "_WORLDS", ("randomised",))
    monkeypatch.setattr(coverage, "_NUISANCES", dict.fromkeys(coverage.BANDS, linear))
    # In this process, which alone knows what is patched.
    monkeypatch.setattr(coverage, "each_on_a_core", map)
    small = {name: replace(world, users=40) for name, world in WORLDS.items()}
    monkeypatch.setattr(_list_coverage, "WORLDS", small)
    monkeypatch.setattr(_list_coverage, "_MANY_USERS", 20_000)
    _list_coverage._truth.cache_clear()
    _list_coverage._learned.cache_clear()
    found = coverage.run(quick=True)
    assert all(len(row) == len(found.columns) for row in found.rows)
    assert [row[:3] for row in found.rows] == [
        ("linear", "randomised", 50),
        ("LightGBM", "randomised", 10),
    ]
    assert found.figures["checked"] == 2 * len(FIGURES) - 1
    assert 0.8 <= found.figures["min_coverage"] <= found.figures["max_coverage"] <= 1
    assert found.figures["type1"] < 0.12
    _list_coverage._truth.cache_clear()
    _list_coverage._learned.cache_clear()
