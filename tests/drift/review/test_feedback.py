"""What verdicts do to thresholds and labels, and what enters the queue."""

from __future__ import annotations

from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.drift.detectors import KolmogorovSmirnov
from causal_ranker.drift.monitor import monitor
from causal_ranker.drift.review.entries import Entry, Verdict, VerdictKind
from causal_ranker.drift.review.feedback import MARGIN, held_to, raised_effects
from causal_ranker.drift.review.informative import REASONS, most_informative
from causal_ranker.drift.review.intake import alert_entries, row_entries
from causal_ranker.drift.review.labels import corrected_labels, with_corrections
from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from tests.drift.review.making import START, alert, entry, row

effects = st.floats(0.001, 10)


def said(about: Entry, kind: VerdictKind) -> Entry:
    return replace(about, verdicts=(Verdict("v", kind, "ann", START, "x"),))


@given(wrong=st.lists(effects, min_size=1, max_size=5), right=st.lists(effects, max_size=5))
def test_the_rule(wrong: list[float], right: list[float]) -> None:
    queue = [
        said(entry(alert(window=f"{kind}{k}", signals={"mean": e})), kind)
        for kind, many in ((VerdictKind.FALSE_ALARM, wrong), (VerdictKind.REAL_DRIFT, right))
        for k, e in enumerate(many)
    ]
    (raised,) = raised_effects(queue)
    assert raised.effect == min([1.1 * max(wrong), *right])
    assert raised.false_alarms == len(wrong)
    assert all(e >= raised.effect for e in right), "no real drift would be missed"
    if not right:
        assert all(e < raised.effect for e in wrong), "no false alarm would come again"


def test_only_what_stands_counts_and_a_later_verdict_takes_it_back() -> None:
    one = said(entry(alert()), VerdictKind.FALSE_ALARM)
    assert raised_effects([one])[0].effect == pytest.approx(0.22)
    for kind in (VerdictKind.UNSURE, VerdictKind.KNOWN_CHANGE, VerdictKind.REAL_DRIFT):
        later = Verdict("w", kind, "bob", START, "y")
        assert raised_effects([replace(one, verdicts=(*one.verdicts, later))]) == ()
    assert raised_effects([said(entry(row()), VerdictKind.LABEL_CORRECTED)]) == ()
    endless = entry(alert(signals={"mean": np.inf}))
    assert raised_effects([said(endless, VerdictKind.FALSE_ALARM)]) == ()


def test_a_detector_is_never_held_to_less_than_its_own() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=500), rng.normal(size=500) + 0.5
    detector = KolmogorovSmirnov(least_effect=0.05).fit(reference)
    found = detector.predict(window)
    assert found.drifted
    false = alert(detector="ks", subject="", signals={"ks": found.effect_size})
    raised = raised_effects([said(entry(false), VerdictKind.FALSE_ALARM)])
    held = held_to(detector, raised, name="ks")
    assert held.least_effect == pytest.approx(MARGIN * found.effect_size)
    assert not held.predict(window).drifted, "it kept what it had learned"
    assert detector.predict(window).drifted, "the other one stays as it is"
    assert held_to(detector, raised, name="ks", subject="x").least_effect == 0.05
    small = alert(detector="ks", subject="", signals={"ks": 0.001})
    raised = raised_effects([said(entry(small), VerdictKind.FALSE_ALARM)])
    assert held_to(detector, raised, name="ks").least_effect == 0.05


def test_the_monitor_is_quiet_after_a_false_alarm_says_so_and_wakes_again() -> None:
    rng = np.random.default_rng(1)
    before = ibis.memtable(pd.DataFrame({"a": rng.normal(size=4000), "b": rng.normal(size=4000)}))
    now = ibis.memtable(
        pd.DataFrame({"a": rng.normal(size=4000) + 0.2, "b": rng.normal(size=4000)})
    )
    first = monitor(before, now)
    (found,) = alert_entries(first, at=START)
    assert found.about.subject == "a"  # type: ignore[union-attr]
    assert found.score > 1
    assert found.id == alert_entries(monitor(before, now), at=START)[0].id, "it enters once"
    raised = raised_effects([said(found, VerdictKind.FALSE_ALARM)])
    quiet = monitor(before, now, raised=raised)
    assert quiet.advice == "nothing"
    assert any("1 false alarm, mean of a is told from" in note for note in quiet.notes)
    more = ibis.memtable(
        pd.DataFrame({"a": rng.normal(size=4000) + 0.5, "b": rng.normal(size=4000)})
    )
    assert monitor(before, more, raised=raised).drifted == ("a",)
    assert monitor(before, now, raised=raised_effects([found])).drifted == ("a",)


def test_a_changed_schema_enters_first_and_has_no_threshold() -> None:
    before = ibis.memtable({"a": [1.0, 2.0], "b": [1, 2]})
    now = ibis.memtable({"a": [1.0, 2.0]})
    (found,) = alert_entries(monitor(before, now), at=START)
    assert (found.about.detector, found.about.subject) == ("schema", "b")  # type: ignore[union-attr]
    assert raised_effects([said(found, VerdictKind.FALSE_ALARM)]) == ()


def test_each_criterion_has_its_say_and_ties_are_averaged() -> None:
    n = 100
    margin, residual, seen = np.linspace(1, 2, n), np.linspace(0.5, 0.1, n), np.full(n, 50)
    margin[70], residual[20], seen[5] = 0.001, -0.9, 0
    found = most_informative(3, margin=margin, residual=residual, times_seen=seen)
    assert sorted(found.rows) == [5, 20, 70]
    by_row = dict(zip(found.rows.tolist(), found.reason, strict=True))
    assert by_row == {
        70: REASONS["margin"],
        20: REASONS["residual"],
        5: REASONS["times_seen"],
    }
    assert most_informative(n, times_seen=np.zeros(n)).score == pytest.approx(0.5)


@given(st.lists(st.floats(-5, 5) | st.just(np.nan), min_size=1, max_size=30), st.integers(1, 40))
def test_rows_come_in_order_and_unknown_ones_do_not(margin: list[float], k: int) -> None:
    values = np.array(margin)
    known = ~np.isnan(values)
    if not known.any():
        with pytest.raises(EmptyError):
            most_informative(k, margin=values)
        return
    found = most_informative(k, margin=values)
    assert found.rows.size == min(k, known.sum())
    assert known[found.rows].all()
    assert (np.diff(found.score) <= 0).all()
    assert (np.diff(np.abs(values[found.rows])) >= 0).all()
    left = np.setdiff1d(np.flatnonzero(known), found.rows)
    assert not left.size or np.abs(values[left]).min() >= np.abs(values[found.rows]).max()


def test_bad_criteria() -> None:
    with pytest.raises(ConfigError):
        most_informative(1)
    with pytest.raises(ConfigError):
        most_informative(0, margin=[1.0])
    with pytest.raises(RowError, match="residual: 1"):
        most_informative(1, margin=[1.0, 2.0], residual=[1.0])
    with pytest.raises(RowError, match="as numbers"):
        most_informative(1, margin=["a"])


def labels() -> pd.DataFrame:
    t0 = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(4), unit="h")
    return pd.DataFrame(
        {
            "user_id": [1, 1, 2, 3],
            "item_id": [5, 6, 5, 5],
            "t0": t0,
            "horizon_end": t0 + pd.Timedelta(days=1),
            "treatment": np.array([1, 0, 1, 0], dtype=np.int8),
            "outcome": np.array([0, 1, 1, 0], dtype=np.int8),
            "label_kind": ["true_negative", "organic_play", "attributed_play", "control_negative"],
            "sampling_weight": [4.0, 1.0, 1.0, 4.0],
            "censoring_weight": 1.0,
            "analysis_weight": [4.0, 1.0, 1.0, 4.0],
        }
    )


def test_corrected_labels_go_back_into_the_labels() -> None:
    table = labels()
    picked = most_informative(4, residual=[0.9, 0.8, 0.7, 0.6])
    entries = row_entries(table, picked, at=START)
    assert [e.about.user_id for e in entries] == [1, 1, 2, 3]  # type: ignore[union-attr]
    kinds = [VerdictKind.LABEL_CORRECTED] * 3 + [VerdictKind.LABEL_CONFIRMED]
    fixed = corrected_labels([said(e, kind) for e, kind in zip(entries, kinds, strict=True)])
    assert fixed.column_names == list(table.columns)
    assert fixed["label_kind"].to_pylist() == ["organic_play", "control_negative", "true_negative"]
    connection = ibis.duckdb.connect()
    given = connection.create_table("labels", table)
    merged = with_corrections(given, connection.create_table("fixed", fixed))
    assert merged.schema() == given.schema()
    frame = merged.order_by("t0").to_pandas()
    assert frame["outcome"].tolist() == [1, 0, 0, 0]
    pd.testing.assert_frame_equal(
        frame.drop(columns=["outcome", "label_kind"]),
        given.order_by("t0").to_pandas().drop(columns=["outcome", "label_kind"]),
    )
    assert corrected_labels([]).num_rows == 0


def test_rows_that_are_no_labels() -> None:
    with pytest.raises(SchemaError, match="without outcome"):
        row_entries(labels().drop(columns="outcome"), most_informative(1, margin=[1.0]), at=START)
    with pytest.raises(ConfigError, match="outcome = 2"):
        row(outcome=2)
    with pytest.raises(ConfigError, match="t0 without a time zone"):
        row(t0=START.replace(tzinfo=None))
    mixed = [said(entry(row(u)), VerdictKind.LABEL_CORRECTED) for u in (1, "1")]
    with pytest.raises(RowError, match="integers and text"):
        corrected_labels(mixed)
