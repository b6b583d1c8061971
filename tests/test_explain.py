"""What is said of settings is what their classes say."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from causal_ranker.chain.project import ProjectConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.drift.monitor import MonitorConfig
from causal_ranker.errors import ConfigError
from causal_ranker.experiments.config import Metric, ReadoutConfig
from causal_ranker.explain import Setting, explain
from causal_ranker.serving.config import ServeConfig


class Inner(FrozenConfig):
    """One.

    Parameters
    ----------
    low, high : float
        Ends of it,
        both of them.
    """

    low: Annotated[float, Field(gt=0)] = 1.0
    high: float | None = None

    @field_validator("high")
    @classmethod
    def _check(cls, high: float | None) -> float | None:
        if high is not None and high < 1:
            raise ConfigError(expected="high of 1 or more", came=str(high), do="Raise it.")
        return high


class Outer(FrozenConfig):
    """Two.

    Parameters
    ----------
    way : {"up", "down"}
        Where to.
    inner : Inner
        What is in it.
    several : tuple of Inner
        More of them.
    """

    way: Literal["up", "down"] = "up"
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()


def told(given: dict[str, object]) -> dict[str, Setting]:
    return {each.key: each for each in explain(Outer(**given), given=given)}


def test_value_default_meaning_range_and_rules() -> None:
    found = told({"inner": {"low": 2.0}, "several": [{"high": 3.0}]})
    assert found["way"] == Setting(
        key="way",
        value="up",
        default="up",
        given=False,
        required=False,
        meaning="Where to.",
        allowed="one of 'up', 'down'",
        refused=(),
    )
    low, high = found["inner.low"], found["several[0].high"]
    assert (low.value, low.default, low.given) == (2.0, 1.0, True)
    assert low.meaning == "Ends of it, both of them."
    assert low.allowed == "a number, above 0"
    assert (high.value, high.given) == (3.0, True)
    assert high.allowed == "a number, or left out"
    assert high.refused == ("high of 1 or more",)
    assert not found["several[0].low"].given


@pytest.mark.parametrize(
    "config",
    [
        ProjectConfig(),
        ServeConfig(),
        MonitorConfig(),
        ReadoutConfig(metrics=(Metric(column="plays"),)),
    ],
)
def test_every_setting_has_a_meaning_and_a_range(config: FrozenConfig) -> None:
    found = explain(config, given={})
    assert len(found) > 5
    assert [each.key for each in found if not each.meaning] == []
    assert [each.key for each in found if not each.allowed] == []


@pytest.mark.parametrize(
    ("given", "near", "known"),
    [
        ({"inn": {}}, "Is 'inner' meant", "several, way"),
        ({"inner": {"lowe": 1}}, "Is 'low' meant", "high, low"),
        ({"several": [{"hihg": 1}]}, "Is 'high' meant", "high, low"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_of_its_own_table(
    given: dict[str, object], near: str, known: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        Outer(**given)
    assert near in str(raised.value)
    assert known in str(raised.value)
