"""Labels against a plain Python oracle, and each trap by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.errors import ConfigError, SchemaError
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.logs.sources import read_table

from .builders import (
    ENGINE,
    START,
    arms,
    at,
    candidate,
    collect,
    impression,
    only,
    play,
    random_world,
)
from .oracle import label_slowly

MICROSECOND = timedelta(microseconds=1)


@pytest.mark.parametrize("name", [int, "id-{}".format])
@pytest.mark.parametrize("touch", ["last", "linear"])
@pytest.mark.parametrize("minimum_seconds", [0, 60])
def test_equals_the_oracle_on_random_logs(name: Any, touch: Any, minimum_seconds: float) -> None:
    candidates, impressions, plays = random_world(np.random.default_rng(3), 120, name)
    rows, credits = collect(
        candidates,
        plays,
        impressions=impressions,
        log_end=20,
        attribution=AttributionConfig(window_hours=5, touch=touch, minimum_seconds=minimum_seconds),
        minimum_seconds=minimum_seconds,
    )
    expected, censored = label_slowly(
        candidates,
        impressions,
        plays,
        credits,
        log_end=at(20),
        minimum_seconds=minimum_seconds,
    )
    assert rows.table.count().to_pyarrow().as_py() == len(expected)  # no row was multiplied
    assert arms(rows) == expected
    assert rows.censored_rows == censored > 0
    assert len(candidates) == len(expected) + censored
    assert len({kind for _, _, kind in expected.values()}) == 5


@pytest.mark.parametrize("unknown", ["viewable", "hidden"])
@pytest.mark.parametrize("minimum", [0, 500])
@pytest.mark.parametrize("flagged", [True, False])
def test_viewability_and_availability_by_the_oracle(
    unknown: Any, minimum: float, flagged: bool
) -> None:
    rng = np.random.default_rng(4)
    candidates, impressions, plays = random_world(rng, 120, "id-{}".format)
    plays = plays[::4]  # most rows are negatives, whose kinds are asked
    for row in impressions:
        row["viewable_ms"] = [None, 0.0, 400.0, 500.0][rng.integers(4)]
        row["viewable"] = row["viewable"] if flagged else None
    items = [
        {"item_id": f"id-{item}", "available_from": start, "available_until": end}
        for item, (start, end) in enumerate([(None, None), (at(6), at(12))])
    ]
    assert {at(6), at(12)} < {row["t0"] for row in candidates}
    rules: dict[str, Any] = {"minimum_viewable_ms": minimum, "unknown_viewability": unknown}
    rows, credits = collect(
        candidates, plays, impressions=impressions, items=items, log_end=20, **rules
    )
    expected, _ = label_slowly(
        candidates,
        impressions,
        plays,
        credits,
        items=items,
        log_end=at(20),
        minimum_seconds=0,
        **rules,
    )
    assert arms(rows) == expected
    assert len({kind for _, _, kind in expected.values()}) == 6
    # Kinds describe: neither T nor Y, nor which rows there are, goes by them.
    plain = arms(collect(candidates, plays, log_end=20)[0])
    assert {key: label[:2] for key, label in arms(rows).items()} == {
        key: label[:2] for key, label in plain.items()
    }


HOURS = st.integers(0, 12)


@hypothesis_settings(max_examples=25)
@given(
    rows=st.dictionaries(HOURS, st.tuples(st.booleans(), st.integers(1, 6)), min_size=1),
    plays=st.lists(HOURS, max_size=8),
    log_end=st.integers(1, 18),
)
def test_rows_in_are_rows_out_and_censored(
    rows: dict[int, tuple[bool, int]], plays: list[int], log_end: int
) -> None:
    candidates = [candidate(t, shown=s, horizon=h) for t, (s, h) in rows.items()]
    impressions = [impression(i, t) for i, (t, (s, _)) in enumerate(rows.items()) if s]
    got, _ = collect(
        candidates,
        [play(i, t) for i, t in enumerate(plays)],
        impressions=impressions,
        log_end=log_end,
    )
    kept = arms(got)
    assert len(kept) + got.censored_rows == len(candidates)
    for (_, _, t0), (treatment, outcome, _) in kept.items():
        hours = int((t0 - START).total_seconds() / 3600)
        shown, horizon = rows[hours]
        assert treatment == shown
        assert outcome == any(hours <= p < hours + horizon for p in plays)


# Trap 1: the outcome counts plays on any surface, whatever attribution says.


@pytest.mark.parametrize("surface", ["home", "search", "continue", None])
@pytest.mark.parametrize("shown", [True, False])
def test_a_play_on_any_surface_is_an_outcome_in_both_arms(surface: Any, shown: bool) -> None:
    rows, credits = collect([candidate(0, shown=shown)], [play(1, 5, surface=surface)])
    assert all(credit["impression_id"] is None for credit in credits)
    assert only(rows) == (int(shown), 1, "organic_play")


@pytest.mark.parametrize("touch", ["last", "first", "linear"])
@pytest.mark.parametrize("window", [0.5, 3, 1000])
def test_credit_never_enters_the_outcome(touch: Any, window: float) -> None:
    candidates, impressions, plays = random_world(np.random.default_rng(5), 60, int)
    rows, _ = collect(
        candidates,
        plays,
        impressions=impressions,
        attribution=AttributionConfig(window_hours=window, touch=touch),
    )
    other, _ = collect(candidates, plays)
    outcomes = {key: label[:2] for key, label in arms(rows).items()}
    assert outcomes == {key: label[:2] for key, label in arms(other).items()}
    assert any(kind == "attributed_play" for *_, kind in arms(rows).values())
    assert all(kind != "attributed_play" for *_, kind in arms(other).values())


# Trap 2: one clock for both arms, closed at t0 and open at the end.


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(
    ("moment", "outcome"),
    [
        (at(0) - MICROSECOND, 0),
        (at(0), 1),
        (at(5), 1),
        (at(10) - MICROSECOND, 1),
        (at(10), 0),
        (at(11), 0),
    ],
)
def test_the_horizon_is_closed_at_t0_and_open_at_its_end(
    shown: bool, moment: datetime, outcome: int
) -> None:
    rows, _ = collect([candidate(0, shown=shown)], [play(1, 0, played_at=moment)])
    assert only(rows)[:2] == (int(shown), outcome)


def test_the_first_play_at_or_after_t0_decides_among_many() -> None:
    plays = [play(i, hours) for i, hours in enumerate([-3, -2, -1, 12, 13, 13, 14])]
    rows, _ = collect([candidate(0), candidate(4)], plays)
    assert [label[1] for label in arms(rows).values()] == [0, 1]


def test_a_horizon_in_hours_is_elapsed_time_not_wall_clock() -> None:
    # New York's clocks went forward inside this day; 24 hours stay 24 hours.
    row = {name: value for name, value in candidate(17).items() if name != "horizon_end"}
    rows, _ = collect([row], [play(1, 17 + 23.5)], horizon_hours=24)
    table = rows.table.to_pyarrow().to_pylist()
    assert table[0]["horizon_end"] == at(17 + 24)
    assert table[0]["outcome"] == 1


def test_the_column_horizon_end_wins_over_hours() -> None:
    rows, _ = collect([candidate(0, horizon=2)], [play(1, 5)], horizon_hours=24)
    assert only(rows)[1] == 0


# Trap 3: censored rows are dropped, even if a play was seen.


def test_censored_rows_go_even_if_a_play_was_seen() -> None:
    rows, _ = collect([candidate(0), candidate(91)], [play(1, 5), play(2, 92)], log_end=100)
    assert list(arms(rows)) == [(1, 1, at(0))]
    assert rows.censored_rows == 1


@pytest.mark.parametrize(("log_end", "kept"), [(10, 1), (10 - 1e-6, 0), (11, 1), (0, 0)])
def test_a_horizon_that_ends_with_the_log_is_complete(log_end: float, kept: int) -> None:
    rows, _ = collect([candidate(0)], [], log_end=log_end)
    assert len(arms(rows)) == kept
    assert rows.censored_rows == 1 - kept


def test_log_end_in_another_zone_is_the_same_moment() -> None:
    frame = pd.DataFrame([candidate(0)])
    table = read_table(frame, ENGINE, name="candidates")
    played = read_table(pd.DataFrame([play(1, 0)]), ENGINE, name="plays")
    shown = read_table(pd.DataFrame([impression(1, 0)]).drop(columns="viewable"), ENGINE, name="i")
    zone = pd.Timestamp(at(10)).tz_convert("America/New_York").to_pydatetime()
    rows = collect_labels(
        table, shown, played, credits=attribute(shown, played), config=LabelConfig(log_end=zone)
    )
    assert rows.censored_rows == 0


@pytest.mark.parametrize(
    ("shown", "viewable", "played", "kind"),
    [
        (True, True, 5, "attributed_play"),
        (True, False, 5, "attributed_play"),
        (True, True, None, "true_negative"),
        (True, None, None, "true_negative"),
        (True, False, None, "unviewable"),
        (False, None, 5, "organic_play"),
        (False, None, None, "control_negative"),
        (True, True, 50, "true_negative"),
    ],
)
def test_the_kinds(shown: bool, viewable: bool | None, played: Any, kind: str) -> None:
    plays = [] if played is None else [play(1, played)]
    impressions = [impression(1, 0, viewable=viewable)] if shown else None
    rows, _ = collect([candidate(0, shown=shown)], plays, impressions=impressions)
    assert only(rows)[2] == kind


@pytest.mark.parametrize(
    ("viewable", "milliseconds", "rules", "kind"),
    [
        (None, 0.0, {}, "unviewable"),
        (True, 0.0, {}, "unviewable"),
        (None, 1.0, {}, "true_negative"),
        (False, 900.0, {}, "unviewable"),
        (None, 900.0, {"minimum_viewable_ms": 1000}, "unviewable"),
        (None, 1000.0, {"minimum_viewable_ms": 1000}, "true_negative"),
        (True, None, {"unknown_viewability": "hidden"}, "true_negative"),
        (None, 1.0, {"unknown_viewability": "hidden"}, "true_negative"),
        (None, None, {"unknown_viewability": "hidden"}, "unviewable"),
        (None, None, {}, "true_negative"),
    ],
)
def test_a_true_negative_was_in_view(
    viewable: bool | None, milliseconds: float | None, rules: dict[str, Any], kind: str
) -> None:
    shown = [impression(1, 0, viewable=viewable, viewable_ms=milliseconds)]
    assert only(collect([candidate(0)], [], impressions=shown, **rules)[0])[2] == kind


def test_a_showing_that_no_log_knows_is_unknown() -> None:
    hidden = collect([candidate(0)], [], unknown_viewability="hidden")[0]
    assert only(hidden)[2] == "unviewable"
    assert only(collect([candidate(0)], [])[0])[2] == "true_negative"


@pytest.mark.parametrize(
    ("start", "end", "kind"),
    [
        (None, at(0), "unplayable"),
        (None, at(0) + MICROSECOND, "true_negative"),
        (at(0), None, "true_negative"),
        (at(0) + MICROSECOND, None, "unplayable"),
        (None, None, "true_negative"),
    ],
)
def test_a_true_negative_could_have_been_played(start: Any, end: Any, kind: str) -> None:
    # Another item has both bounds: a column without any value would be left out.
    always = {"item_id": 2, "available_from": at(-9), "available_until": at(99)}
    items = [{"item_id": 1, "available_from": start, "available_until": end}, always]
    assert only(collect([candidate(0)], [], items=items)[0])[2] == kind
    played = collect([candidate(0)], [play(1, 1)], items=items)[0]
    assert only(played)[1:] == (1, "organic_play")
    control = collect([candidate(0, shown=False)], [], items=items)[0]
    assert only(control)[2] == "control_negative"


def test_bounds_of_one_item_are_nothing_to_another() -> None:
    items = [{"item_id": item, "available_until": at(-1)} for item in (1, 3)]
    rows = collect([candidate(0, item_id=item) for item in (1, 2, 3, 4)], [], items=items)[0]
    assert rows.table.count().execute() == 4
    kinds = {item: kind for (_, item, _), (*_, kind) in arms(rows).items()}
    assert kinds == {1: "unplayable", 2: "true_negative", 3: "unplayable", 4: "true_negative"}


def test_an_until_beside_a_good_from_is_checked_too() -> None:
    both = [{"item_id": 1, "available_from": at(0), "available_until": "tomorrow"}]
    with pytest.raises(SchemaError, match="'available_until' of the items as instants"):
        collect([candidate(0)], [], items=both)


def test_a_horizon_of_hours_ends_that_many_hours_later() -> None:
    row = {name: value for name, value in candidate(3).items() if name != "horizon_end"}
    for play_at, played in ((4.49, 1), (4.51, 0)):
        rows, _ = collect([row], [play(1, play_at)], horizon_hours=1.5)
        assert only(rows)[1] == played
        (end,) = rows.table["horizon_end"].to_pyarrow().to_pylist()
        assert end == at(4.5)


def test_bounds_that_are_no_instants_are_refused() -> None:
    items = [{"item_id": 1, "available_until": "yesterday"}]
    with pytest.raises(SchemaError, match="'available_until' of the items as instants"):
        collect([candidate(0)], [], items=items)
    with pytest.raises(SchemaError, match="one type of 'item_id'"):
        collect([candidate(0)], [], items=[{"item_id": "1"}])


def test_a_least_time_in_view_needs_its_column() -> None:
    with pytest.raises(SchemaError, match="viewable_ms"):
        collect([candidate(0)], [], minimum_viewable_ms=5)


def test_a_play_credited_after_the_horizon_does_not_name_the_row() -> None:
    rows, _ = collect(
        [candidate(0, horizon=2)],
        [play(1, 1), play(2, 9)],
        impressions=[impression(1, 0)],
        attribution=AttributionConfig(window_hours=10, minimum_delay_seconds=7200),
    )
    assert only(rows) == (1, 1, "organic_play")


def test_rows_never_multiply() -> None:
    rows, credits = collect(
        [candidate(0), candidate(0, item_id=2, shown=False)],
        [play(i, 1 + i % 2) for i in range(20)],
        impressions=[impression(i, 0, viewable=i > 5) for i in range(10)],
        attribution=AttributionConfig(window_hours=10, touch="linear"),
    )
    assert len(credits) == 20 * 10 + 1
    assert rows.table.count().to_pyarrow().as_py() == 2


def test_only_known_columns_pass() -> None:
    extra = {"base_score": 0.3, "base_rank": 4, "propensity": 0.2, "device": "tv", "hour": 7}
    extra |= {"session_so_far": 2, "assignment_unit": "w1", "watched_after": 99, "outcome": 1}
    rows, _ = collect([candidate(0, **extra)], [])
    row = rows.table.to_pyarrow().to_pylist()[0]
    assert set(row) == {
        *("user_id", "item_id", "t0", "horizon_end", "treatment", "outcome", "label_kind"),
        *("sampling_weight", "censoring_weight", "analysis_weight", "propensity", "base_score"),
        *("base_rank", "assignment_unit", "hour", "device", "session_so_far"),
    }
    assert row["outcome"] == 0
    assert row["base_rank"] == 4
    assert {row[f"{kind}_weight"] for kind in ("sampling", "censoring", "analysis")} == {1.0}
    types = {name: str(rows.table[name].type()) for name in ("treatment", "outcome")}
    assert types == {"treatment": "int8", "outcome": "int8"}


def test_context_passes_when_it_is_asked_for() -> None:
    rows, _ = collect([candidate(0, week=7, mood="calm", base_rank=2)], [], context=("week",))
    row = rows.table.to_pyarrow().to_pylist()[0]
    assert row["week"] == 7
    assert row["base_rank"] == 2
    assert "mood" not in row
    censored = collect([candidate(99, week=7)], [], context=("week",))[0].censored
    assert censored.to_pyarrow()["week"].to_pylist() == [7]


def test_context_that_is_not_there_is_told() -> None:
    with pytest.raises(SchemaError, match="'week' in candidates"):
        collect([candidate(0)], [], context=("week",))


def test_a_horizon_is_needed() -> None:
    row = {name: value for name, value in candidate(0).items() if name != "horizon_end"}
    with pytest.raises(ConfigError, match="horizon_hours"):
        collect([row], [])


def test_a_minimum_length_needs_its_column(connection: Backend) -> None:
    shown, played, rows = (
        read_table(pd.DataFrame([row]), connection, name="t")
        for row in (impression(1, 0), play(1, 0), candidate(0))
    )
    config = LabelConfig(log_end=at(100), minimum_seconds=5)
    with pytest.raises(SchemaError, match="seconds"):
        collect_labels(
            rows, shown, played.drop("seconds"), credits=attribute(shown, played), config=config
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"log_end": datetime(2024, 1, 1)},
        {},
        {"log_end": at(0), "horizon_hours": 0},
        {"log_end": at(0), "horizon_hours": float("inf")},
        {"log_end": at(0), "horizon": 3},
        {"log_end": at(0), "unknown_viewability": "maybe"},
        {"log_end": at(0), "minimum_viewable_ms": -1},
        {"log_end": at(0), "context": ("hour", "outcome")},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LabelConfig(**settings)


def test_labels_follow_every_rule_that_they_share_with_attribution() -> None:
    rules: dict[str, Any] = {
        "minimum_seconds": 60.0,
        "minimum_fraction": 0.5,
        "leave_out_bots": True,
        "minimum_viewable_ms": 500.0,
        "unknown_viewability": "hidden",
    }
    shared = set(AttributionConfig.model_fields) & set(LabelConfig.model_fields)
    assert shared == set(rules)  # a rule that is new has to come along, too
    found = LabelConfig.following(AttributionConfig(**rules), log_end=at(20), horizon_hours=5)
    assert found == LabelConfig(log_end=at(20), horizon_hours=5, **rules)
