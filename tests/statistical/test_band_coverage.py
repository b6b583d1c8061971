"""Half-sample intervals of AUTOC and QINI, of differences, and bands, with closed forms.

Score U is uniform and the effect is a + b U, so TOC(q) = b (1 - q) / 2, AUTOC = b / 4,
G(q) - q G(1) = b q (1 - q) / 2 and QINI = b / 12.
"""

from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.stats.intervals import half_sample_bands, paired_half_sample_bands

pytestmark = pytest.mark.slow

DRAWS = 1000
LOW, HIGH = 0.926, 0.974  # 95 % -/+ 3.5 binomial standard errors of 1,000 draws
A, B = 0.5, 1.0
GRID = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 1.0])


def test_one_way_half_sample_coverage() -> None:
    rng = np.random.default_rng(1)
    cluster = np.arange(480) // 4
    held = np.zeros(3)
    pointwise = np.zeros(GRID.size - 1)
    for _ in range(DRAWS):
        u = rng.random(480)
        shared = rng.normal(size=(2, 120))[:, cluster]
        gamma = A + B * u + shared[0] + shared[1] * u + rng.normal(size=480)
        found = half_sample_bands(u, gamma, cluster, draws=150, rng=rng, grid=GRID)
        truth = B * (1 - GRID) / 2
        held += (
            found.autoc_interval.low <= B / 4 <= found.autoc_interval.high,
            found.qini_interval.low <= B / 12 <= found.qini_interval.high,
            ((found.toc.low_everywhere <= truth) & (truth <= found.toc.high_everywhere)).all(),
        )
        pointwise += ((found.toc.low <= truth) & (truth <= found.toc.high))[:-1]
    assert ((held / DRAWS >= LOW) & (held / DRAWS <= HIGH)).all(), held
    assert ((pointwise / DRAWS >= LOW) & (pointwise / DRAWS <= HIGH)).all(), pointwise


def test_two_way_half_sample_coverage() -> None:
    rng = np.random.default_rng(2)
    user, unit = (axis.ravel() for axis in np.indices((24, 24)))
    held, one_way = np.zeros(2), np.zeros(2)
    for _ in range(DRAWS):
        u = rng.random(user.size)
        by_user, by_unit = rng.normal(size=24)[user], rng.normal(size=24)[unit]
        # effects of users and units that grow with the score move the ranking's gain as a whole
        gamma = A + (B + by_user + by_unit) * (u - 0.5) + rng.normal(size=user.size)
        found = half_sample_bands(
            u, gamma, user, draws=80, rng=rng, grid=[1.0], second_cluster=unit
        )
        alone = half_sample_bands(u, gamma, user, draws=40, rng=rng, grid=[1.0])
        for tally, bands in ((held, found), (one_way, alone)):
            tally += (
                bands.autoc_interval.low <= B / 4 <= bands.autoc_interval.high,
                bands.qini_interval.low <= B / 12 <= bands.qini_interval.high,
            )
    assert ((held / DRAWS >= LOW) & (held / DRAWS <= HIGH)).all(), held
    assert (one_way / DRAWS < 0.9).all(), one_way


def test_paired_difference_coverage() -> None:
    """Two different scores of equal worth: differences are 0, which intervals hold as often."""
    rng = np.random.default_rng(3)
    cluster = np.arange(480) // 4
    held, apart = np.zeros(4), 0
    for _ in range(DRAWS):
        u = rng.random(480)
        by_user = rng.normal(size=120)[cluster]
        gamma = A + (B + by_user) * u + rng.normal(size=480)
        first, second = u + 0.2 * rng.normal(size=(2, 480))
        found = paired_half_sample_bands(
            first, second, gamma, cluster, draws=100, rng=rng, grid=GRID
        )
        gap = found.difference
        areas = (gap.autoc_interval, gap.qini_interval, gap.uplift_at(0.1))
        band = gap.toc
        held[:3] += [interval.low <= 0 <= interval.high for interval in areas]
        held[3] += ((band.low_everywhere <= 0) & (band.high_everywhere >= 0)).all()
        # as if the two were independent: far too wide
        error = np.hypot(
            found.first.autoc_interval.standard_error, found.second.autoc_interval.standard_error
        )
        apart += abs(areas[0].point) <= 1.98 * error
    assert ((held / DRAWS >= LOW) & (held / DRAWS <= HIGH)).all(), held
    assert apart / DRAWS > HIGH, apart
