"""Linear propensity models: what becomes of features, and what is found with them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from causal_ranker.uplift.linear import LinearModel, encode, fit_linear


def features(n: int = 4_000, *, seed: int = 0) -> NDArray[np.float32]:
    """A number in thousands, one with holes, a constant, and a category of many levels."""
    rng = np.random.default_rng(seed)
    amount = 5_000 + 1_000 * rng.normal(size=n)
    holes = rng.normal(size=n)
    holes[rng.random(n) < 0.2] = np.nan
    holes[:3] = np.inf
    category = np.minimum(rng.geometric(0.3, size=n), 60).astype(float)
    category[-5:] = np.nan
    return np.column_stack([amount, holes, np.full(n, 7.0), category]).astype(np.float32)


def test_numbers_are_standardised_and_holes_have_a_column() -> None:
    x = features()
    columns = encode(x, categorical=[3])(x)
    assert (columns[:, 0] == 1).all()
    amount, holes, missing = columns[:, 1], columns[:, 2], columns[:, 3]
    assert amount.mean() == pytest.approx(0, abs=1e-6)
    assert amount.std() == pytest.approx(1, abs=1e-6)
    known = np.isfinite(x[:, 1])
    np.testing.assert_array_equal(missing, ~known)
    assert (holes[~known] == 0).all()
    assert holes[known].std() == pytest.approx(1, abs=1e-6)
    assert np.isfinite(columns).all()


def test_frequent_levels_have_columns_and_the_rest_is_what_is_left() -> None:
    x = features()
    encoding = encode(x, categorical=[3])
    ((place, levels),) = encoding.levels
    values, count = np.unique(x[~np.isnan(x[:, 3]), 3], return_counts=True)
    assert place == 3
    assert set(levels) == set(values[count >= 0.01 * len(x)])
    assert 5 < len(levels) < len(values)
    shown = encoding(x)[:, 4:]
    assert shown.shape[1] == len(levels)
    np.testing.assert_array_equal(shown.sum(axis=1), np.isin(x[:, 3], levels))
    new = x[:2].copy()
    new[:, 3] = [999, np.nan]  # never seen, and missing
    assert (encoding(new)[:, 4:] == 0).all()


def test_no_category_has_more_than_twenty_columns() -> None:
    x = np.repeat(np.arange(50, dtype=np.float32), 20)[:, None]
    assert len(encode(x, categorical=[0]).levels[0][1]) == 20


def fitted(penalty: Literal["ridge", "elastic net"], *, p: int = 30) -> LinearModel:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, p)).astype(np.float32)
    t = (rng.random(len(x)) < 1 / (1 + np.exp(-(0.4 + 1.1 * x[:, 0] - 0.7 * x[:, 1])))).astype(
        float
    )
    encoding = encode(x, categorical=[])
    return fit_linear(encoding(x), t, weight=np.ones(len(x)), encoding=encoding, penalty=penalty)


def test_the_coefficients_are_found() -> None:
    found = fitted("ridge").coefficients
    np.testing.assert_allclose(found[:3], [0.4, 1.1, -0.7], atol=0.07)
    assert 0.005 < found[3:].std() < 0.03


def test_an_elastic_net_keeps_noise_out() -> None:
    """Each of 28 columns of noise has a standard error of .02; the two true ones stay."""
    found = fitted("elastic net").coefficients
    assert (found[3:] == 0).mean() > 0.9
    assert 0.9 < found[1] < 1.1
    assert -0.7 < found[2] < -0.5


def test_estimates_are_those_of_the_rows_and_columns_asked_for() -> None:
    x = features()
    t = (x[:, 0] > 5_000).astype(float)
    encoding = encode(x[:, [0, 3]], categorical=[1])
    model = fit_linear(
        encoding(x[:, [0, 3]]), t, weight=np.ones(len(x)), encoding=encoding, penalty="ridge"
    )
    rows = np.array([7, 3, 3_000])
    found = model.predict(x, rows=rows, columns=[0, 3])
    np.testing.assert_array_equal(found, model.predict(x[:, [0, 3]], rows=rows))
    assert ((found > 0.5) == t[rows].astype(bool)).all()
