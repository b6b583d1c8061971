"""Rows from which nothing can be learned, or something that is not so, are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from causal_ranker.errors import CausalRankerError, DataError, EmptyError, RowError
from causal_ranker.uplift import checks
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.checks import check_rows
from causal_ranker.uplift.constant import ConstantEffect
from causal_ranker.uplift.dr import DRLearner
from causal_ranker.uplift.leaks import find_copies
from causal_ranker.uplift.nuisance import Nuisances
from causal_ranker.uplift.r import RLearner
from causal_ranker.uplift.s import SLearner
from causal_ranker.uplift.t import TLearner
from causal_ranker.uplift.x import XLearner
from tests.uplift.worlds import CONFIG, NUISANCE, draw

N = 800
GOOD = draw(51, n=N, logged=True).rows
T, Y = GOOD.treatment.astype(np.float32), GOOD.outcome.astype(np.float32)


def with_column(values: Any) -> Rows:
    """Put values into x2."""
    features = GOOD.features.copy()
    features[:, 2] = values
    return replace(GOOD, features=features)


def with_infinite(rows: Rows) -> Rows:
    features = rows.features.copy()
    features[[3, 5], 1], features[7, 3] = np.inf, -np.inf
    return replace(rows, features=features)


BAD: dict[str, tuple[Callable[[], Rows], type[CausalRankerError], str]] = {
    "infinite": (
        lambda: with_infinite(GOOD),
        RowError,
        rf"2 infinite of {N} rows in column 'x1', e.g. in rows \[3, 5\], and some in \['x3'\]",
    ),
    "constant outcome": (
        lambda: replace(GOOD, outcome=np.ones(N)),
        RowError,
        f"1 in all {N} rows",
    ),
    "treatment": (lambda: with_column(T), DataError, "column 'x2', which is the treatment"),
    "opposite": (lambda: with_column(1 - T), DataError, "column 'x2', which is the treatment"),
    "missing where untreated": (
        lambda: with_column(np.where(T == 1, 4.5, np.nan)),
        DataError,
        "column 'x2', which is the treatment",
    ),
    "treatment with gaps": (
        lambda: with_column(np.where(np.arange(N) % 3 > 0, T, np.nan)),
        DataError,
        "column 'x2', which is the treatment",
    ),
    "outcome": (lambda: with_column(7 - 3 * Y), DataError, "column 'x2', which is the outcome"),
    "more features than rows": (
        lambda: GOOD.take(np.array([np.flatnonzero(t == T)[0] for t in (0, 1, 1)])),
        DataError,
        "3 rows of 4 features",
    ),
    "one user": (
        lambda: replace(GOOD, user=np.full(N, "u7"), unit=np.full(N, "u7")),
        EmptyError,
        f"one user u7 in all {N} rows",
    ),
    "propensity of 0": (
        lambda: replace(GOOD, propensity=np.where(np.arange(N) == 9, 0, GOOD.propensity)),
        RowError,
        f"1 of {N} rows",
    ),
}
LEARNERS: dict[str, Any] = {
    "constant": lambda: ConstantEffect(config=CONFIG, seed=3),
    "s": lambda: SLearner(config=CONFIG, seed=3),
    "t": lambda: TLearner(config=CONFIG, seed=3),
    "x": lambda: XLearner(config=CONFIG, seed=3),
    "r": lambda: RLearner(config=CONFIG, seed=3),
    "dr": lambda: DRLearner(config=CONFIG, seed=3),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_refuses_in_one_line(learner: str, bad: str) -> None:
    make, error, message = BAD[bad]
    with pytest.raises(error, match=message) as caught:
        LEARNERS[learner]().fit(make())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("learner", ["constant", "t", "dr"])
def test_nuisances_of_elsewhere_are_no_way_around(learner: str) -> None:
    shared = Nuisances(config=NUISANCE, seed=3).fit(GOOD)
    given = shared if learner == "t" else shared.cross_fitted(GOOD)
    with pytest.raises(RowError, match="column 'x1'"):
        LEARNERS[learner]().fit(with_infinite(GOOD), nuisances=given)


HARMLESS = {
    "a constant column": lambda: with_column(1.0),
    "an empty column": lambda: with_column(np.nan),
    "nearly the treatment": lambda: with_column(np.where(np.arange(N) == 400, 1 - T, T)),
    "a few known values": lambda: with_column(np.where(np.arange(N) < 20, T, np.nan)),
    "a finer code": lambda: with_column(2 * T + (GOOD.features[:, 0] > 0)),
    "no outcome in one arm": lambda: replace(GOOD, outcome=GOOD.outcome * GOOD.treatment),
    "a user a row": lambda: replace(GOOD, user=np.arange(N), unit=np.arange(N)),
    "two users": lambda: replace(GOOD, user=np.arange(N) % 2, unit=np.arange(N) % 2),
    "some are shown for certain": lambda: replace(
        GOOD, propensity=np.where(np.arange(N) == 9, 1, GOOD.propensity)
    ),
    "as many features as rows": lambda: GOOD.take(
        np.concatenate([np.flatnonzero(Y == 0)[:2], np.flatnonzero(Y)[:2]])
    ),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_unusual_but_right_is_let_through(case: str) -> None:
    check_rows(HARMLESS[case](), kind="binary")


def test_counts_and_amounts_are_found_too() -> None:
    rng = np.random.default_rng(0)
    counts, amounts = rng.poisson(2.0, N), 1e3 + rng.normal(size=N)
    for kind, outcome, copy in (
        ("count", counts, np.sqrt(counts)),
        ("continuous", amounts, 5 - 2 * amounts),
        ("continuous", amounts, np.where(rng.random(N) < 0.5, amounts, np.nan)),
    ):
        rows = replace(with_column(copy), outcome=outcome)
        with pytest.raises(DataError, match="column 'x2', which is the outcome"):
            check_rows(rows, kind=kind)
    near = replace(with_column(amounts + 1e-2 * rng.normal(size=N)), outcome=amounts)
    check_rows(near, kind="continuous")


def test_rows_that_were_found_good_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    find = checks.find_copies
    monkeypatch.setattr(checks, "find_copies", lambda x, y: (seen.append(len(y)), find(x, y))[1])
    rows = replace(GOOD)
    DRLearner(config=CONFIG, seed=3).fit(rows)
    TLearner(config=CONFIG, seed=3).fit(rows)
    assert seen == [N, N]  # once for T and once for Y
    check_rows(rows, kind="continuous")
    check_rows(rows.take(np.arange(N)), kind="binary")
    assert len(seen) == 6


def by_dictionary(column: NDArray[np.float32], target: NDArray[np.int64]) -> bool:
    """Say whether each value of one always stands beside the same value of the other."""
    pairs = {(str(x), y) for x, y in zip(column.tolist(), target.tolist(), strict=True)}
    firsts, seconds = {x for x, _ in pairs}, {y for _, y in pairs}
    return len(pairs) == len(firsts) == len(seconds) > 1


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_copies_are_those_of_a_dictionary(data: st.DataObject) -> None:
    n = data.draw(st.integers(16, 30))
    levels = data.draw(st.integers(1, 3))
    target = np.array(data.draw(st.lists(st.integers(0, levels), min_size=n, max_size=n)))
    code = np.array([2.0, np.nan, -1.0, 0.5])
    copy = code[target].astype(np.float32)
    broken = copy.copy()
    broken[data.draw(st.integers(0, n - 1))] = data.draw(st.sampled_from([9.0, 2.0, -1.0]))
    x = np.column_stack([copy, broken])
    found = find_copies(x, target)
    assert found == [place for place in (0, 1) if by_dictionary(x[:, place], target)]


def test_what_a_sample_of_the_rows_suspects_all_rows_decide() -> None:
    """One row in fifty thousand tells a column from the treatment, and one has the outcome."""
    n = 50_000
    rng = np.random.default_rng(2)
    t = rng.integers(0, 2, n)
    rare = np.zeros(n)
    rare[31_234] = 1
    x = np.column_stack([t, t, rare, rng.normal(size=n)]).astype(np.float32)
    x[31_233, 1] = 1 - t[31_233]
    assert find_copies(x, t) == [0]
    assert find_copies(x, rare) == [2]
