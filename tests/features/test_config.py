"""Which settings of the features cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.features.config import FeatureConfig


@pytest.mark.parametrize(
    "settings",
    [
        {"windows_days": ()},
        {"windows_days": (28, 7)},
        {"windows_days": (7, 7)},
        {"windows_days": (0, 7)},
        {"windows_days": (-7, 7)},
        {"prior_rows": 0},
        {"prior_rows": -1},
        {"window_days": (7,)},
        # two features of one name: the second would hide the first
        {"row_numbers": ("visits", "visits")},
        {"row_numbers": ("device",), "row_categories": ("device",)},
        {"row_numbers": ("user_age",), "user_numbers": ("age",)},
        {"item_numbers": ("plays_28d",)},
        {"row_numbers": ("base_score",)},
    ],
)
def test_impossible_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        FeatureConfig(**settings)


def test_names_are_distinct_and_end_with_the_base_columns() -> None:
    config = FeatureConfig(
        item_group="genre",
        item_numbers=("minutes",),
        item_categories=("genre",),
        user_numbers=("age",),
        user_categories=("country",),
        row_numbers=("hour",),
        row_categories=("device",),
    )
    assert len(set(config.names)) == len(config.names)
    assert config.names[-2:] == ["base_score", "base_rank"]
    assert set(config.categorical) <= set(config.names)
    assert config.categorical == ["user_country", "item_genre", "device"]
    assert config.longest == 364
    parts = [*config.user_names, *config.item_names, *config.pair_names, *config.group_names]
    assert set(parts) <= set(config.names)
