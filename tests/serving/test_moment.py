"""The moment of a request: what it says, else the clock, else the user's last, else the default."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.errors import BundleError, ConfigError, SchemaError
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.assembly import FeaturePlan
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.model import Scorer
from causal_ranker.serving.moment import clock_reading
from causal_ranker.serving.schema import Feature, FeatureSchema
from causal_ranker.serving.snapshot import FeatureSnapshot
from causal_ranker.serving.tables import FeatureTable, PairTable
from tests.serving.shop import Shop, StubModel

SCHEMA = FeatureSchema(
    (
        Feature("age", "user"),
        Feature("hour_of_day", "moment"),
        Feature("device", "moment", ("tv", "phone", "car")),
        Feature("day_of_week", "moment"),
        Feature("session", "moment"),
        Feature("page", "moment", ("home", "search")),
    )
)
PLACE = {feature.name: place for place, feature in enumerate(SCHEMA.features)}
CANDIDATES = [("item-03", 0.2), ("item-07", 0.9)]
MONDAY = datetime(2026, 11, 23, 22, 59, tzinfo=UTC)


def snapshot() -> FeatureSnapshot:
    """Users 1, last seen on a phone, and 2, of whom no request is known."""
    return FeatureSnapshot(
        users=FeatureTable(
            np.array([1, 2]),
            ("device", "age", "session"),
            np.array([[1.0, 30.0, 7.0], [np.nan, 40.0, np.nan]]),
        ),
        items=FeatureTable(np.array(["item-03", "item-07"]), (), np.empty((2, 0))),
        pairs=PairTable.from_rows([], [], names=(), values=np.empty((0, 0)), default=[], n_users=2),
        moment={"device": "tv", "session": 1.5, "page": None},
        clock={"hour_of_day": "hour_of_day", "day_of_week": "day_of_week"},
    )


@pytest.fixture
def seen(bundle: Bundle) -> tuple[Bundle, list[Any]]:
    """A bundle that reads the moment, and the rows that its model has seen."""
    rows: list[Any] = []

    def watch(X: Any) -> Any:
        rows.append({name: X[0, place] for name, place in PLACE.items()})
        assert (X[0:1] == X)[~np.isnan(X)].all()  # a moment is the same for every candidate
        return np.zeros(len(X))

    plan = FeaturePlan(SCHEMA, snapshot())
    scorer = Scorer(model=StubModel(watch), plan=plan)  # type: ignore[arg-type]
    return replace(bundle, snapshot=snapshot(), uplift=scorer, base=None), rows


@given(
    at=st.datetimes(
        min_value=datetime(1970, 1, 2),
        max_value=datetime(2100, 1, 1),
        timezones=st.just(UTC)
        | st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
    )
)
def test_the_clock_is_read_as_in_training(at: datetime) -> None:
    seconds = int(at.timestamp() // 1)
    hours = seconds // 3600
    assert clock_reading("hour_of_day", at=at) == hours % 24
    assert clock_reading("day_of_week", at=at) == (hours // 24 + 3) % 7  # 1970 began on a Thursday
    assert clock_reading("day_of_week", at=at) == pd.Timestamp(at).tz_convert("UTC").day_of_week


def test_what_a_request_says_goes_first(seen: tuple[Bundle, list[Any]]) -> None:
    bundle, rows = seen
    said = {"hour_of_day": 3, "device": "car", "session": None, "page": "search"}
    got = rerank(bundle, 1, candidates=CANDIDATES, at=MONDAY, moment=said)
    assert got.fallback is None
    assert np.isnan(rows[0].pop("session"))  # it says that there is none: the model's missing path
    assert rows == [
        {"age": 30.0, "hour_of_day": 3.0, "device": 2.0, "day_of_week": 0.0, "page": 1.0}
    ]


def test_what_it_does_not_say_is_the_users_last_or_the_default(
    seen: tuple[Bundle, list[Any]],
) -> None:
    bundle, rows = seen
    for user in (1, 2):
        assert rerank(bundle, user, candidates=CANDIDATES, at=MONDAY).fallback is None
    known, new = rows
    assert (known["device"], known["session"]) == (1.0, 7.0)
    assert np.isnan([new["device"], new["session"]]).all()  # that user's last request lacked them
    assert np.isnan([known["page"], new["page"]]).all()
    assert (known["hour_of_day"], known["day_of_week"]) == (22.0, 0.0)
    X = bundle.uplift.plan.matrix(bundle.read(99, ["item-03"]))  # nobody's last request
    assert X[0, PLACE["device"]] == 0.0  # tv
    assert X[0, PLACE["session"]] == 1.5


def test_the_clock_is_that_of_now_and_not_of_publishing(seen: tuple[Bundle, list[Any]]) -> None:
    bundle, rows = seen
    before = datetime.now(UTC)
    rerank(bundle, 1, candidates=CANDIDATES)
    after = datetime.now(UTC)
    told = rows[0]["hour_of_day"], rows[0]["day_of_week"]
    assert told in {(at.hour, at.weekday()) for at in (before, after)}
    there = MONDAY.astimezone(timezone(timedelta(hours=2)))  # where it is Tuesday
    rerank(bundle, 1, candidates=CANDIDATES, at=there)
    assert (rows[1]["hour_of_day"], rows[1]["day_of_week"]) == (22.0, 0.0)


def test_a_moment_without_a_time_zone_is_refused(seen: tuple[Bundle, list[Any]]) -> None:
    with pytest.raises(ConfigError, match="a moment with a time zone"):
        rerank(seen[0], 1, candidates=CANDIDATES, at=datetime(2026, 1, 1))


def test_it_survives_the_file(shop: Shop, tmp_path: Any) -> None:
    own = shop.contents.snapshot
    moment = {"week": None, "device": "tv"}
    changed = replace(own, moment=moment, clock={"hour": "hour_of_day"})
    folder = write_bundle(tmp_path / "m", contents=replace(shop.contents, snapshot=changed))
    again = load_bundle(folder).snapshot
    assert dict(again.moment) == moment
    assert dict(again.clock) == {"hour": "hour_of_day"}


@pytest.mark.parametrize(
    ("moment", "clock", "message"),
    [
        ({"a": float("nan")}, {}, "a finite default"),
        ({"a": float("inf")}, {}, "a finite default"),
        ({}, {"a": "minute"}, "clocks of hour_of_day, day_of_week; got 'a' as 'minute'"),
        ({"a": 1.0}, {"a": "hour_of_day"}, "a default or a clock"),
    ],
)
def test_a_moment_that_cannot_be_is_refused(moment: Any, clock: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        replace(snapshot(), moment=moment, clock=clock)


def test_a_feature_of_the_moment_needs_a_default(shop: Shop, tmp_path: Any) -> None:
    bare = replace(shop.contents.snapshot, moment={"device": "tv"})
    with pytest.raises(BundleError, match="the moment feature 'week'"):
        load_bundle(write_bundle(tmp_path / "m", contents=replace(shop.contents, snapshot=bare)))
