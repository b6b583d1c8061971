from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.stats import _half_samples
from causal_ranker.stats._codes import Clusters, clusterings
from causal_ranker.stats._half_samples import (
    HalfSamples,
    half_sample_deviations,
    rank_statistics,
)
from causal_ranker.stats._ranked import rank_rows
from causal_ranker.stats.curves import autoc, qini, rank_curve
from causal_ranker.stats.intervals import clustered_mean, half_sample_bands

GRID = np.array([0.05, 0.3, 0.5, 1.0])
Rows = dict[str, NDArray[Any]]


def make_rows(n: int = 400, *, ties: bool) -> Rows:
    rng = np.random.default_rng(11)
    score = rng.random(n)
    user, unit = rng.integers(0, 40, n), rng.integers(0, 25, n)
    gamma = score + rng.normal(size=n) + rng.normal(size=40)[user] * score
    return {
        "score": np.round(score, 1) if ties else score,
        "gamma": gamma + rng.normal(size=25)[unit] * score,
        "user": user,
        "unit": unit,
        "weights": rng.integers(0, 3, n).astype(float),
    }


@pytest.mark.parametrize("ties", [True, False])
def test_points_are_those_of_the_curves(ties: bool) -> None:
    r = make_rows(ties=ties)
    found = half_sample_bands(
        r["score"],
        r["gamma"],
        r["user"],
        draws=5,
        rng=np.random.default_rng(0),
        grid=GRID,
        weights=r["weights"],
    )
    curve = rank_curve(r["score"], r["gamma"], weights=r["weights"])
    gain = np.interp(GRID, curve.q, curve.gain)
    np.testing.assert_array_equal(found.q, GRID)
    np.testing.assert_allclose(found.toc.point, gain / GRID - curve.gain[-1], atol=1e-12)
    np.testing.assert_allclose(found.qini.point, gain - GRID * curve.gain[-1], atol=1e-12)
    assert found.autoc_interval.point == autoc(r["score"], r["gamma"], weights=r["weights"])
    assert found.qini_interval.point == qini(r["score"], r["gamma"], weights=r["weights"])


@pytest.mark.parametrize("ties", [True, False])
def test_a_draw_is_the_statistic_of_the_chosen_rows(ties: bool) -> None:
    r = make_rows(ties=ties)
    ranked = rank_rows(r["score"], r["gamma"], weights=r["weights"])
    rows = np.flatnonzero(r["weights"])
    (way,) = clusterings(r["user"], None, size=400, rows=rows)
    codes = np.zeros(400, dtype=np.int64)
    codes[rows] = way.codes
    draws = 6
    samples = HalfSamples.draw(
        Clusters(codes, way.count), draws=draws, rng=np.random.default_rng(3)
    )
    found = half_sample_deviations(ranked, samples, grid=GRID)
    rng = np.random.default_rng(3)
    areas, tocs = [], []
    for _ in range(draws):
        chosen = np.flatnonzero(rng.permuted(np.repeat([1.0, 0.0], way.count // 2)))
        assert chosen.size == 20
        labels = {r["user"][rows[way.codes == code][0]] for code in chosen}
        half = np.isin(r["user"], list(labels))
        kept = {key: r[key][half] for key in ("score", "gamma", "weights")}
        areas.append((autoc(**kept), qini(**kept)))
        curve = rank_curve(**kept)
        tocs.append(np.interp(GRID, curve.q, curve.gain) / GRID - curve.gain[-1])
    expected = np.array(areas) - np.mean(areas, axis=0)
    np.testing.assert_allclose(
        np.column_stack([found.autoc, found.coefficient]), expected, atol=1e-12
    )
    np.testing.assert_allclose(found.toc, np.array(tocs) - np.mean(tocs, axis=0), atol=1e-12)


@pytest.mark.parametrize("clusters", [4, 5])
def test_the_scale_is_exact_for_a_statistic_that_is_a_mean_over_clusters(clusters: int) -> None:
    # one row of score 1 and one of score 0 in each cluster: TOC(.5) = mean over clusters of
    # (gamma_1 - gamma_0) / 2, and QINI = TOC(.5) / 4, in every half-sample
    rng = np.random.default_rng(4)
    gamma = rng.normal(size=(clusters, 2))
    cluster, score = np.repeat(np.arange(clusters), 2), np.tile([1.0, 0.0], clusters)
    found = half_sample_bands(score, gamma.ravel(), cluster, draws=20_000, rng=rng, grid=[0.5, 1.0])
    exact = clustered_mean((gamma[:, 0] - gamma[:, 1]) / 2, np.arange(clusters))
    assert found.toc.point[0] == pytest.approx(exact.point)
    assert found.toc.standard_error[0] == pytest.approx(exact.standard_error, rel=0.02)
    assert found.toc.low[0] == pytest.approx(exact.low, abs=0.02 * (exact.high - exact.low))
    assert found.qini_interval.standard_error == pytest.approx(exact.standard_error / 4, rel=0.02)


def influence_of_qini(score: NDArray[Any], gamma: NDArray[Any]) -> NDArray[Any]:
    """Influence of each row on E[gamma (1/2 - u)], u the share ranked above the row."""
    above = (score[None, :] > score[:, None]).mean(axis=1)
    # a row also pushes down all rows below it
    pushed = ((score[:, None] > score[None, :]) * gamma[None, :]).mean(axis=1)
    return gamma * (0.5 - above) - pushed


@pytest.mark.parametrize("second", [None, "unit"])
def test_qini_error_agrees_with_its_influence_function(second: str | None) -> None:
    r = make_rows(2000, ties=False)
    other = None if second is None else r[second]
    found = half_sample_bands(
        r["score"],
        r["gamma"],
        r["user"],
        draws=1500,
        rng=np.random.default_rng(5),
        grid=[1.0],
        second_cluster=other,
    )
    influence = influence_of_qini(r["score"], r["gamma"])
    exact = clustered_mean(influence, r["user"], second_cluster=other)
    assert found.qini_interval.standard_error == pytest.approx(exact.standard_error, rel=0.08)


def test_bands_are_ordered_and_close_at_the_end() -> None:
    r = make_rows(ties=False)
    found = half_sample_bands(
        r["score"],
        r["gamma"],
        r["user"],
        draws=100,
        rng=np.random.default_rng(6),
        grid=GRID,
        second_cluster=r["unit"],
        weights=r["weights"],
    )
    for band in (found.toc, found.qini):
        assert (band.low_everywhere[:-1] < band.low[:-1]).all()
        assert (band.low[:-1] < band.point[:-1]).all()
        assert (band.point[:-1] < band.high[:-1]).all()
        assert (band.high[:-1] < band.high_everywhere[:-1]).all()
        assert band.point[-1] == band.low_everywhere[-1] == band.high_everywhere[-1] == 0


@pytest.mark.parametrize("seed", range(6))
def test_the_simultaneous_band_is_never_inside_the_pointwise_one(seed: int) -> None:
    # at a single point the two mean the same, and a quantile of few draws may come out lower
    r = make_rows(ties=False)
    found = half_sample_bands(
        r["score"], r["gamma"], r["user"], draws=20, rng=np.random.default_rng(seed), grid=[0.5]
    )
    assert found.toc.low_everywhere[0] <= found.toc.low[0]
    assert found.qini.high_everywhere[0] >= found.qini.high[0]


def test_a_constant_score_has_no_uncertainty() -> None:
    r = make_rows(ties=False)
    found = half_sample_bands(
        np.zeros(400), r["gamma"], r["user"], draws=10, rng=np.random.default_rng(0), grid=[1.0]
    )
    assert (found.autoc_interval.low, found.autoc_interval.high) == (0, 0)
    assert (found.qini_interval.low, found.qini_interval.high) == (0, 0)
    assert (found.toc.low_everywhere[0], found.toc.high_everywhere[0]) == (0, 0)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ties", [True, False])
def test_row_order_and_rows_of_weight_zero_do_not_matter(ties: bool, named: bool) -> None:
    r = make_rows(ties=ties)
    user = np.array([f"user {code}" for code in r["user"]], dtype=object) if named else r["user"]

    def bands(rows: NDArray[Any]) -> Any:
        return half_sample_bands(
            r["score"][rows],
            r["gamma"][rows],
            user[rows],
            draws=30,
            rng=np.random.default_rng(1),
            grid=GRID,
            weights=r["weights"][rows],
        )

    kept = np.random.default_rng(2).permutation(np.flatnonzero(r["weights"]))
    expected, found = bands(np.arange(400)), bands(kept)
    np.testing.assert_allclose(found.toc.low_everywhere, expected.toc.low_everywhere, atol=1e-12)
    assert vars(found.autoc_interval) == pytest.approx(vars(expected.autoc_interval))


@pytest.mark.parametrize(("bound", "value"), [("_BINS", 100), ("_GROUPS", 300)])
def test_bounding_time_and_memory_hardly_moves_a_standard_error(
    monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    rng = np.random.default_rng(8)
    score, cluster = rng.random(3000), np.arange(3000) // 3
    gamma = score + rng.normal(size=3000) + rng.normal(size=1000)[cluster]

    def errors() -> NDArray[Any]:
        found = half_sample_bands(
            score, gamma, cluster, draws=1500, rng=np.random.default_rng(1), grid=GRID
        )
        areas = (found.autoc_interval.standard_error, found.qini_interval.standard_error)
        return np.array([*found.toc.standard_error[:-1], *areas])

    monkeypatch.setattr(_half_samples, "_BINS", 3000)
    exact = errors()
    monkeypatch.setattr(_half_samples, bound, value)
    # by chance: the draws 2 %, and 300 groups 4 % more
    np.testing.assert_allclose(errors(), exact, rtol=0.04 if bound == "_BINS" else 0.12)


def test_sorting_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    r = make_rows(ties=False)
    calls = []
    real = np.argsort
    monkeypatch.setattr(np, "argsort", lambda *a, **k: calls.append(1) or real(*a, **k))
    half_sample_bands(
        r["score"], r["gamma"], r["user"], draws=20, rng=np.random.default_rng(1), grid=GRID
    )
    assert len(calls) == 1


def test_rank_statistics_of_a_half_with_an_empty_top() -> None:
    # the best and the worst rows are not in the sample: blocks of weight 0 at both ends
    weight, total = np.array([[0.0, 1.0, 1.0, 0.0]]), np.array([[0.0, 2.0, 1.0, 0.0]])
    found = rank_statistics(weight, total, grid=np.array([0.25, 1.0]))
    np.testing.assert_allclose(found.toc, [[0.5, 0.0]])
    np.testing.assert_allclose(found.autoc, [autoc([3.0, 2.0], [2.0, 1.0])])


def test_input_is_checked() -> None:
    rng = np.random.default_rng(0)
    good: dict[str, Any] = {"draws": 5, "rng": rng, "grid": [0.5]}
    for wrong in ({"draws": 1}, {"grid": [0.0]}, {"grid": [1.1]}, {"level": 1.5}):
        with pytest.raises(ConfigError):
            half_sample_bands([1.0, 2.0], [0.0, 1.0], [0, 1], **{**good, **wrong})
    with pytest.raises(RowError, match="2 clusters"):
        half_sample_bands([1.0, 2.0], [0.0, 1.0], [0, 0], **good)
    with pytest.raises(SchemaError, match="cluster"):
        half_sample_bands([1.0, 2.0], [0.0, 1.0], [0], **good)
