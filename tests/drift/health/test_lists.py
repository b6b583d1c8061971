"""The share of a list that is changed, beside a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from causal_ranker.drift.health.lists import share_changed
from causal_ranker.errors import ConfigError


def test_each_list_by_hand() -> None:
    request = ["b", "b", "b", "a", "a", "a", "c"]
    base = [1, 2, 3, 1, 2, 3, 1]
    rank = [3, 1, 2, 1, 2, 3, 1]
    # a: both as before; b: of items 2 and 3 the base shows 2; c: a list of one
    assert share_changed(base, rank, request=request, slate=2).tolist() == [0.0, 0.5, 0.0]
    assert np.isnan(share_changed([1], [5], request=[0], slate=2)[0])
    with pytest.raises(ConfigError, match="slate"):
        share_changed(base, rank, request=request, slate=0)


def test_as_sets_say() -> None:
    rng = np.random.default_rng(0)
    request = np.repeat(np.arange(50), 12)
    base, rank = (np.argsort(rng.random((50, 12)), axis=1) + 1 for _ in range(2))
    found = share_changed(base.ravel(), rank.ravel(), request=request, slate=5)
    for k in range(50):
        shown, plain = (set(np.flatnonzero(r[k] <= 5)) for r in (rank, base))
        assert found[k] == pytest.approx(len(shown - plain) / 5)
