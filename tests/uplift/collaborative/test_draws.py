"""Draws: seeded, and of each pair or triple with exactly the chance that its loss states."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.uplift.collaborative.absent import AbsentPairs
from causal_ranker.uplift.collaborative.base import FactorModel
from causal_ranker.uplift.collaborative.cause import CausE, CausEConfig
from causal_ranker.uplift.collaborative.dlce import BLCE, DLCE, DLTO, DLCEConfig, DLTOConfig
from causal_ranker.uplift.collaborative.interactions import Interactions, from_dense
from causal_ranker.uplift.collaborative.kernels import absent_items
from causal_ranker.uplift.collaborative.pairwise import BPR, ULBPR, ULBPRConfig
from causal_ranker.uplift.collaborative.pointwise import MF, ULRMF, MFConfig, ULRMFConfig
from causal_ranker.uplift.collaborative.strata import ListedPairs, Strata, batches

EXPOSED = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=np.bool_)
PLAYED = np.array([[1, 0, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 1, 0, 0]], dtype=np.bool_)
PROPENSITY = np.linspace(0.05, 0.9, 15).reshape(3, 5)
CELLS = list(product(range(3), range(5)))
Weights = dict[tuple[Any, ...], float]


def data() -> Interactions:
    return from_dense(EXPOSED, PLAYED, propensity=PROPENSITY)


def kind(user: int, item: int) -> str:
    return ("R" if EXPOSED[user, item] else "NR") + ("P" if PLAYED[user, item] else "NP")


def evenly(cells: list[tuple[int, int]], *rest: Any, total: float) -> Weights:
    return {(*cell, *rest): total / len(cells) for cell in cells}


def of(*kinds: str) -> list[tuple[int, int]]:
    return [cell for cell in CELLS if kind(*cell) in kinds]


def against(cells: list[tuple[int, int]], *, others: Any, flip: bool, total: float) -> Weights:
    """Each cell against each other item of its user, evenly, as (user, up, down, slope)."""
    found: Weights = {}
    for user, item in cells:
        rest = [other for other in range(5) if others(user, item, other)]
        for other in rest:
            pair = (other, item) if flip else (item, other)
            found[(user, *pair, 1.0)] = total / len(cells) / len(rest)
    return found


def plus(*parts: Weights) -> Weights:
    found: Weights = {}
    for part in parts:
        for key, value in part.items():
            found[key] = found.get(key, 0) + value
    return found


def dlce(*, chi: float, up: bool = True, down: bool = True, weighted: bool = True) -> Weights:
    """Of the formula, term by term: the total weight of each (u, i, j, slope) in an epoch."""
    found: Weights = {}
    for user, item in CELLS:
        if not PLAYED[user, item]:
            continue
        shown, p = EXPOSED[user, item], PROPENSITY[user, item]
        if not (up if shown else down):
            continue
        weight = 1 / max(p if shown else 1 - p, chi) if weighted else 1.0
        for other in set(range(5)) - {item}:
            found[(user, item, other, 2.0 if shown else -2.0)] = weight / 4
    return found


def up(user: int, _: int, other: int) -> bool:
    return kind(user, other) != "RP"


def down(user: int, _: int, other: int) -> bool:
    return kind(user, other) in ("RP", "NRNP")


STATED: dict[str, tuple[FactorModel[Any], Weights]] = {
    "mf": (
        MF(config=MFConfig(played_share=0.3)),
        plus(
            evenly(of("RP", "NRP"), 1.0, total=0.3),
            evenly(of("RNP", "NRNP"), -1.0, total=0.7),
        ),
    ),
    "ulrmf": (
        ULRMF(config=ULRMFConfig(played_share=0.3, shown_share=0.6, alpha=0.4)),
        plus(
            evenly(of("RP"), 1.0, total=0.18),
            evenly(of("RNP"), -1.0, total=0.42),
            evenly(of("NRP"), -1.0, total=0.12),
            evenly(of("NRNP"), 1.0, total=0.28 * 0.4),
            evenly(of("NRNP"), -1.0, total=0.28 * 0.6),
        ),
    ),
    "cause": (
        CausE(config=CausEConfig(played_share=0.3, shown_share=0.6)),
        plus(
            evenly(of("RP"), 1, 1.0, total=0.18),
            evenly(of("RNP"), 1, -1.0, total=0.42),
            evenly(of("NRP"), 0, 1.0, total=0.12),
            evenly(of("NRNP"), 0, -1.0, total=0.28),
        ),
    ),
    "bpr": (
        BPR(),
        against(of("RP", "NRP"), others=lambda u, _, j: not PLAYED[u, j], flip=False, total=1.0),
    ),
    "ulbpr": (
        ULBPR(config=ULBPRConfig(alpha=0.4)),
        plus(
            against(of("RP"), others=up, flip=False, total=0.6),
            against(of("RNP", "NRP"), others=down, flip=True, total=0.4),
        ),
    ),
    "dlce": (DLCE(config=DLCEConfig(omega=2.0, chi=0.3)), dlce(chi=0.3)),
    "dlto": (DLTO(config=DLTOConfig(omega=2.0, chi=0.01)), dlce(chi=0.01, down=False)),
    "blce": (
        BLCE(config=BLCE._default.model_copy(update={"omega": 2.0})),
        dlce(chi=1.0, weighted=False),
    ),
}


@pytest.mark.parametrize("name", STATED)
def test_each_loss_is_drawn_as_stated(name: str) -> None:
    """Shares of weight by pair or triple are those stated, within 4.5 standard errors."""
    model, stated = STATED[name]
    draws, rng = model._draws(data()), np.random.default_rng(0)
    weight: Counter[tuple[Any, ...]] = Counter()
    squares: Counter[tuple[Any, ...]] = Counter()
    for _ in range(3000):
        for batch in draws.epoch(rng):
            w = np.ones(len(batch[0]))
            if len(batch) == 5:
                *batch, w = [*batch[:3], batch[4], batch[3]]
            for *key, value in zip(*(each.tolist() for each in batch), w.tolist(), strict=True):
                weight[tuple(key)] += value
                squares[tuple(key)] += value**2
    assert weight.keys() == stated.keys()
    whole = sum(weight.values())
    expected = sum(stated.values())
    for key, share in stated.items():
        error = np.sqrt(squares[key]) / whole
        assert abs(weight[key] / whole - share / expected) < 4.5 * error, key


def test_weights_of_an_epoch_are_those_of_the_formula_and_not_only_their_shares() -> None:
    model, stated = STATED["dlce"]
    for batch in model._draws(data()).epoch(np.random.default_rng(0)):
        assert batch[3].sum() == pytest.approx(sum(stated.values()), rel=1e-6)


@pytest.mark.parametrize("name", STATED)
def test_draws_are_decided_by_the_seed(name: str) -> None:
    def drawn(seed: int) -> list[bytes]:
        draws, rng = STATED[name][0]._draws(data()), np.random.default_rng(seed)
        return [each.tobytes() for _ in range(5) for batch in draws.epoch(rng) for each in batch]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@given(st.data(), st.integers(1, 5), st.integers(1, 6))
def test_absent_pairs_are_all_and_only_those_not_listed(
    data: st.DataObject, users: int, items: int
) -> None:
    listed = np.array(sorted(data.draw(st.sets(st.integers(0, users * items - 1)))), dtype=np.int64)
    rest = np.setdiff1d(np.arange(users * items), listed)
    shuffled = np.random.default_rng(0).permutation(listed)
    absent = AbsentPairs(shuffled, n_users=users, n_items=items)
    assert absent.size == rest.size
    # The r-th pair that is not listed is the r-th of them: what is even in r is even in pairs.
    owner = (rest // items).astype(np.int32)
    rank = np.concatenate([np.arange(n, dtype=np.int32) for n in absent.of_user])
    np.testing.assert_array_equal(owner * items + absent._items(owner, rank), rest)
    slow = np.empty_like(owner)
    absent_items(owner, rank, absent._starts, absent._before, slow)
    np.testing.assert_array_equal(owner * items + slow, rest)
    np.testing.assert_array_equal(absent.of_user, np.bincount(rest // items, minlength=users))
    some = np.repeat(np.flatnonzero(absent.of_user), 20).astype(np.int32)
    drawn = absent.draw_items(some, rng=np.random.default_rng(1))
    assert drawn.dtype == np.int32
    assert np.isin(some * items + drawn, rest).all()
    if rest.size:
        user, item = absent.draw(50, rng=np.random.default_rng(2))
        assert np.isin(user * items + item, rest).all()


def test_items_of_a_user_are_drawn_evenly() -> None:
    absent = AbsentPairs(np.array([1, 4, 5, 6, 8]), n_users=3, n_items=5)
    user = np.full(30_000, 1, dtype=np.int32)  # lacks items 2 and 4
    drawn = np.bincount(absent.draw_items(user, rng=np.random.default_rng(0)), minlength=5)
    assert drawn[[0, 1, 3]].tolist() == [0, 0, 0]
    assert abs(drawn[2] - 15_000) < 4 * np.sqrt(30_000 / 4)


def test_an_empty_class_leaves_its_share_to_the_others() -> None:
    def of_user(user: int, size: int) -> ListedPairs:
        return ListedPairs(np.full(size, user, np.int32), np.arange(size, dtype=np.int32))

    strata = Strata([of_user(0, 3), of_user(1, 2), of_user(2, 0)], shares=[0.1, 0.3, 0.6])
    user, _, stratum = strata.draw(20_000, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(user, stratum)
    assert not (stratum == 2).any()
    assert abs((stratum == 0).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 20_000)


def test_long_epochs_come_in_parts_that_leave_nothing_out() -> None:
    parts = list(batches(2**17 + 5))
    assert [part.stop - part.start for part in parts] == [2**16, 2**16, 5]
    assert parts[0].start == 0
    assert all(one.stop == two.start for one, two in pairwise(parts))
    assert list(batches(0)) == []


def test_each_play_comes_once_an_epoch_however_many_batches_there_are() -> None:
    rng = np.random.default_rng(0)
    exposed = rng.random((400, 500)) < 0.5
    played = rng.random((400, 500)) < 0.5
    many = from_dense(exposed, played, propensity=np.full((400, 500), 0.5))
    for model in (DLCE(), BPR()):
        batch = list(model._draws(many).epoch(rng))
        assert len(batch) == 2
        user, item, other = (np.concatenate([each[at] for each in batch]) for at in range(3))
        np.testing.assert_array_equal(np.sort(user * 500 + item), many.keys[many.played])
        assert (item != other).all()
