"""Two scores on the same half-samples: what each draw is, and what the difference is worth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats import _half_samples
from causal_ranker.stats._codes import Clusters
from causal_ranker.stats._half_samples import HalfSamples, half_sample_deviations
from causal_ranker.stats._ranked import rank_rows
from causal_ranker.stats.curves import autoc, qini, rank_curve
from causal_ranker.stats.intervals import (
    PairedBands,
    half_sample_bands,
    paired_half_sample_bands,
)

Array = NDArray[np.float64]
GRID = np.array([0.05, 0.3, 0.5, 1.0])
AREAS = ("autoc_interval", "qini_interval")
CURVES = ("toc", "qini", "uplift")


def make_rows(n: int = 600) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(21)
    taste = rng.random(n)
    return {
        "first": taste + 0.2 * rng.normal(size=n),
        "second": np.round(taste + rng.normal(size=n), 1),
        "gamma": taste + rng.normal(size=n),
        "user": rng.integers(0, 60, n),
        "unit": rng.integers(0, 30, n),
        "weights": rng.integers(0, 3, n).astype(float),
    }


def compare(rows: dict[str, NDArray[Any]], *, seed: int = 4, **changed: Any) -> PairedBands:
    given = {"draws": 60, "grid": GRID, "rng": np.random.default_rng(seed), **changed}
    given.setdefault("weights", rows.get("weights"))
    return paired_half_sample_bands(
        rows["first"], rows["second"], rows["gamma"], rows["user"], **given
    )


@pytest.mark.parametrize("two_way", [True, False])
def test_each_score_is_as_it_is_alone(two_way: bool) -> None:
    r = make_rows()
    second = r["unit"] if two_way else None
    found = compare(r, second_cluster=second)
    alone = half_sample_bands(
        r["first"],
        r["gamma"],
        r["user"],
        draws=60,
        grid=GRID,
        rng=np.random.default_rng(4),
        second_cluster=second,
        weights=r["weights"],
    )
    for name in CURVES:
        for part in ("point", "low", "high", "low_everywhere", "high_everywhere"):
            mine, other = (getattr(getattr(bands, name), part) for bands in (found.first, alone))
            np.testing.assert_allclose(mine, other, atol=1e-12)
    for name in AREAS:
        assert vars(getattr(found.first, name)) == pytest.approx(vars(getattr(alone, name)))


def test_points_are_differences_of_curves_and_areas() -> None:
    r = make_rows()
    found = compare(r).difference
    kept = {"gamma": r["gamma"], "weights": r["weights"]}
    for name, area in zip(AREAS, (autoc, qini), strict=True):
        expected = area(r["first"], **kept) - area(r["second"], **kept)
        assert getattr(found, name).point == pytest.approx(expected, abs=1e-12)
    curves = [rank_curve(r[name], **kept) for name in ("first", "second")]
    gap = np.subtract(*(np.interp(GRID, curve.q, curve.gain) for curve in curves))
    for name, expected in (("toc", gap / GRID), ("qini", gap), ("uplift", gap)):
        np.testing.assert_allclose(getattr(found, name).point, expected, atol=1e-12)


def test_errors_are_those_of_differences_on_the_same_rows() -> None:
    """Each draw by filtering and sorting its rows again, for both scores."""
    r = make_rows()
    draws = 25
    found = compare(r, draws=draws).difference
    kept = np.flatnonzero(r["weights"])
    order = rank_rows(r["first"], r["gamma"], weights=r["weights"]).order
    labels = np.unique(r["user"][order])
    template = np.repeat([1.0, 0.0], [labels.size // 2, labels.size - labels.size // 2])
    chosen = np.random.default_rng(4).permuted(np.tile(template, (draws, 1)), axis=1)
    rows = []
    for draw in chosen:
        half = kept[np.isin(r["user"][kept], labels[draw == 1])]
        part = {"gamma": r["gamma"][half], "weights": r["weights"][half]}
        one, other = r["first"][half], r["second"][half]
        gain = [
            np.interp(GRID, curve.q, curve.gain)
            for curve in (rank_curve(one, **part), rank_curve(other, **part))
        ]
        areas = [area(one, **part) - area(other, **part) for area in (autoc, qini)]
        rows.append([*areas, *(gain[0] - gain[1])])
    size = labels.size
    scale = np.sqrt((size // 2) / (size - size // 2))
    expected = scale * np.std(rows, axis=0, ddof=1)
    assert [getattr(found, name).standard_error for name in AREAS] == pytest.approx(expected[:2])
    np.testing.assert_allclose(found.qini.standard_error, expected[2:], atol=1e-12)
    np.testing.assert_allclose(found.toc.standard_error, expected[2:] / GRID, atol=1e-12)


def exact_deviations(
    ranked: Any, samples: HalfSamples, monkeypatch: pytest.MonkeyPatch
) -> tuple[Array, Array]:
    with monkeypatch.context() as patch:
        patch.setattr(_half_samples, "_BINS", 10**6)
        found = half_sample_deviations(ranked, samples, grid=np.array([0.1, 0.5]))
    return found.autoc, found.coefficient


def gaps(score: Array, other: Array, gamma: Array, samples: HalfSamples) -> dict[str, Array]:
    """Differences of the two scores' areas, draw by draw."""
    one, two = (
        half_sample_deviations(
            rank_rows(each, gamma, weights=None), samples, grid=np.array([0.1, 0.5])
        )
        for each in (score, other)
    )
    return {name: getattr(one, name) - getattr(two, name) for name in ("autoc", "coefficient")}


@pytest.mark.parametrize(("noise", "close"), [(0.0, 2.5), (0.01, 1.1), (0.1, 1.02)])
def test_scores_that_differ_inside_bins_keep_their_error(
    noise: float, close: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise only neighbours change places, inside bins that alone would show nothing."""
    monkeypatch.setattr(_half_samples, "_BINS", 150)
    rng = np.random.default_rng(5)
    n = 6_000
    score = rng.random(n)
    gamma = score + rng.normal(size=n)
    other = score + noise * rng.normal(size=n)
    if not noise:
        order = np.argsort(score)
        other[order[0::2]], other[order[1::2]] = score[order[1::2]], score[order[0::2]]
    samples = HalfSamples.draw(Clusters(np.arange(n) // 20, n // 20), draws=400, rng=rng)
    binned = gaps(score, other, gamma, samples)
    monkeypatch.setattr(_half_samples, "_BINS", 10**6)
    exact = gaps(score, other, gamma, samples)
    for name, found in binned.items():
        assert 1 / close < found.std() / exact[name].std() < close
        assert noise == 0 or np.corrcoef(found, exact[name])[0, 1] > 0.95


def test_errors_of_close_scores_are_those_of_repeated_worlds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Most rows that change sides at a cut change them inside one of few bins.

    Bins end at the cuts; where they do not, the errors come out a quarter too small.
    """
    monkeypatch.setattr(_half_samples, "_BINS", 20)
    rng = np.random.default_rng(6)
    n, grid = 20_000, np.array([0.125, 0.525])
    gap, variances = [], []
    for world in range(200):
        score = rng.random(n)
        gamma, other = score + rng.normal(size=n), score + 0.01 * rng.normal(size=n)
        gain = [np.cumsum(gamma[np.argsort(-each)]) / n for each in (score, other)]
        gap.append((gain[0] - gain[1])[(grid * n).round().astype(int) - 1])
        if world < 6:
            found = paired_half_sample_bands(
                score, other, gamma, np.arange(n) // 20, draws=200, rng=rng, grid=grid
            )
            variances.append(found.difference.qini.standard_error**2)
    # 200 worlds tell a standard deviation to 5 %
    ratio = np.sqrt(np.mean(variances, axis=0)) / np.std(gap, axis=0)
    assert ((ratio > 0.86) & (ratio < 1.16)).all(), ratio


@pytest.mark.parametrize("two_way", [True, False])
def test_scores_of_one_order_differ_by_exactly_nothing(two_way: bool) -> None:
    r = make_rows()
    r["second"] = np.exp(3 * r["first"] - 1)
    found = compare(r, second_cluster=r["unit"] if two_way else None).difference
    for name in CURVES:
        band = getattr(found, name)
        for part in ("point", "low", "high", "low_everywhere", "high_everywhere"):
            assert (getattr(band, part) == 0).all()
    for name in AREAS:
        interval = getattr(found, name)
        assert (interval.point, interval.low, interval.high) == (0, 0, 0)


def test_the_other_way_round_is_the_opposite() -> None:
    r = make_rows()
    one = compare(r)
    other = compare({**r, "first": r["second"], "second": r["first"]})
    # integer labels are coded alike whichever score ranks them
    assert one.difference.autoc_interval.point == -other.difference.autoc_interval.point
    for name in AREAS:
        mine, theirs = (getattr(bands.difference, name) for bands in (one, other))
        assert mine.low == pytest.approx(-theirs.high)
    np.testing.assert_allclose(
        one.difference.toc.low_everywhere, -other.difference.toc.high_everywhere, atol=1e-12
    )


def test_pairing_cancels_what_moves_both() -> None:
    rng = np.random.default_rng(9)
    n = 4_000
    taste, user = rng.random(n), np.arange(n) // 10
    # users differ in how much their effects follow the taste, which both scores find
    gamma = taste * (1 + 3 * rng.normal(size=n // 10)[user])
    rows = {"first": taste, "second": taste + 0.1 * rng.normal(size=n), "gamma": gamma}
    found = compare({**rows, "user": user}, weights=None, draws=300)
    apart = np.hypot(
        found.first.autoc_interval.standard_error, found.second.autoc_interval.standard_error
    )
    assert found.difference.autoc_interval.standard_error < 0.4 * apart
    # of all rows both expose the same: not even rounding is left of the difference there
    end = found.difference.uplift
    assert (end.point[-1], end.low_everywhere[-1], end.high_everywhere[-1]) == (0, 0, 0)


def test_the_effect_of_the_best_share() -> None:
    r = make_rows()
    found = compare(r)
    band = found.first.uplift
    interval = found.first.uplift_at(0.3)
    assert interval.point == pytest.approx(band.point[1] / 0.3)
    assert interval.low == pytest.approx(band.low[1] / 0.3)
    assert interval.high == pytest.approx(band.high[1] / 0.3)
    assert interval.standard_error == pytest.approx(band.standard_error[1] / 0.3)
    everything = found.first.uplift_at(1.0).point
    assert everything == pytest.approx(np.average(r["gamma"], weights=r["weights"]))
    gap = found.difference.uplift_at(0.3)
    assert gap.point == pytest.approx(found.first.toc.point[1] - found.second.toc.point[1])
    assert gap.low < gap.point < gap.high
    with pytest.raises(ConfigError, match=r"share = 0\.31"):
        found.first.uplift_at(0.31)


def test_the_level_is_kept() -> None:
    found = compare(make_rows(), level=0.5)
    assert {found.first.level, found.second.level, found.difference.level} == {0.5}
    wide = compare(make_rows()).difference.qini_interval
    assert found.difference.qini_interval.high < wide.high


def test_input_is_checked() -> None:
    r = make_rows()
    for wrong in ({"draws": 1}, {"grid": [0.0]}, {"grid": [1.1]}, {"level": 0.0}):
        with pytest.raises(ConfigError):
            compare(r, **wrong)
    with pytest.raises(RowError, match="score"):
        compare({**r, "second": np.full(600, np.nan)})
    with pytest.raises(SchemaError, match="gamma"):
        compare({**r, "second": np.zeros(3)})
    with pytest.raises(RowError, match="2 clusters"):
        compare({**r, "user": np.zeros(600, dtype=int)})
