"""All signals of all columns as one family: how often it alarms without drift, and with it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, chi2_contingency, ks_2samp, ttest_ind

from causal_ranker.drift.columns import Levels, compare_columns
from causal_ranker.drift.days import Calendar
from causal_ranker.drift.profiles import Categories, Numbers, Profile
from causal_ranker.drift.signals import chance_of_rows

MONDAY = np.datetime64("2025-01-06")
#: Effects of any size count, so that chance alone decides.
ANY = Levels(distribution=0, mean=0, spread=0, quantile=0, missing=0, new_categories=0, alarm=1)
Table = dict[tuple[str, str | None], Profile]


def profiles(
    rng: np.random.Generator, day: np.ndarray, like: Table | None = None, *, together: float = 0.0
) -> Table:
    """Six columns of numbers, some skewed or with gaps, and one of categories, over days."""
    place = day - day.min()
    size = int(place.max()) + 1
    weekend = day % 7 >= 5
    moved = together * rng.normal(size=(size, 6))
    found: Table = {}
    for k in range(6):
        values = rng.normal(size=day.size) + moved[place, k] + weekend * k / 4
        if k % 3 == 1:
            values = np.exp(values / 2)
        if k % 3 == 2:
            values[rng.random(day.size) < 0.02] = np.nan
        before = None if like is None else like[f"x{k}", None]
        assert before is None or isinstance(before, Numbers)
        found[f"x{k}", None] = Numbers.of_values(values, place, size=size, like=before)
    p = 1 / np.arange(1, 31)
    words = np.array([f"c{i}" for i in range(30)])[rng.choice(30, day.size, p=p / p.sum())]
    old = None if like is None else like["words", None]
    assert old is None or isinstance(old, Categories)
    found["words", None] = Categories.of_values(words.tolist(), place, size=size, like=old)
    return found


def any_alarm(run: int, *, days: int, rows: int) -> bool:
    rng = np.random.default_rng([run, days])
    if days == 1:
        flat = np.zeros(rows, np.int64)
        reference = profiles(rng, flat)
        window = profiles(rng, flat[: rows // 2], reference)
        calendar = Calendar(np.zeros(1, np.int64), np.zeros(1, np.int64))
    else:
        reference = profiles(rng, np.repeat(np.arange(days), rows), together=0.1)
        window = profiles(rng, np.repeat(days, rows), reference, together=0.1)
        known = MONDAY + np.arange(days + 1)
        calendar = Calendar.of_days(known[:days], known[days:])
    found, _ = compare_columns(
        reference, window, calendar=calendar, level=0.05, levels=ANY, seed=0, raised={}
    )
    return any(each.level != "quiet" for each in found)


@pytest.mark.parametrize(("days", "rows", "runs"), [(1, 1000, 300), (42, 100, 200)])
def test_without_drift_the_family_keeps_its_level(days: int, rows: int, runs: int) -> None:
    """On independent rows, and on days with weekends that move together."""
    alarms = sum(any_alarm(run, days=days, rows=rows) for run in range(runs))
    assert binom.ppf(0.001, runs, 0.02) <= alarms <= binom.ppf(0.999, runs, 0.05)


def test_chance_among_rows_is_that_of_known_tests() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=4000), rng.normal(0.03, 1.03, size=3000)
    a[:40], b[:60] = np.nan, np.nan
    one = Numbers.of_values(a, np.zeros(4000, np.int64), size=1)
    two = Numbers.of_values(b, np.zeros(3000, np.int64), size=1, like=one)
    p = chance_of_rows(two, one, whole=one)
    here = [x[~np.isnan(x)] for x in (a, b)]
    assert p["distribution"] == pytest.approx(ks_2samp(*here, method="asymp").pvalue, rel=0.5)
    assert p["mean"] == pytest.approx(ttest_ind(*here).pvalue, rel=0.15)
    ends = np.quantile(here[0], [0.05, 0.95])
    outside = [np.sum((x <= ends[0]) | (x > ends[1])) for x in here]
    table = [[outside[0], 3960 - outside[0]], [outside[1], 2940 - outside[1]]]
    assert p["spread"] == pytest.approx(chi2_contingency(table).pvalue, rel=0.3)
    below = [np.sum(x <= np.median(here[0])) for x in here]
    table = [[below[0], 3960 - below[0]], [below[1], 2940 - below[1]]]
    assert p["median"] == pytest.approx(
        chi2_contingency(table, correction=False).pvalue, rel=0.3, abs=0.03
    )
    exact = 2 * binom.sf(59, 100, 3000 / 7000)
    assert p["missing"] == pytest.approx(exact)


def test_nothing_to_tell_is_a_p_value_of_one() -> None:
    empty = Numbers.of_values(np.full(5, np.nan), np.zeros(5, np.int64), size=1)
    assert set(chance_of_rows(empty, empty, whole=empty).values()) == {1.0}
    words = Categories.of_values([None, None], np.zeros(2, np.int64), size=1)
    assert set(chance_of_rows(words, words, whole=words).values()) == {1.0}


def test_singletons_of_the_reference_foretell_new_categories() -> None:
    """A column of rare names has new ones every day, and that is no drift."""
    rng = np.random.default_rng(0)
    names = [f"n{k}" for k in (rng.pareto(1.0, size=9000) * 20).astype(int)]
    one = Categories.of_values(names[:6000], np.zeros(6000, np.int64), size=1)
    two = Categories.of_values(names[6000:], np.zeros(3000, np.int64), size=1, like=one)
    assert two.new > 100
    assert chance_of_rows(two, one, whole=one)["new_categories"] > 0.05
    few = Categories.of_values(["a", "b"] * 3000, np.zeros(6000, np.int64), size=1)
    odd = Categories.of_values(
        ["a", "b", "c", "d", "e"] * 5, np.zeros(25, np.int64), size=1, like=few
    )
    assert chance_of_rows(odd, few, whole=few)["new_categories"] < 1e-4
