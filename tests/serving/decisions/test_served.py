"""A decision log as an input of the monitor."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causal_ranker.errors import EmptyError
from causal_ranker.serving.decisions import served
from causal_ranker.serving.decisions.record import Decision
from causal_ranker.serving.decisions.served import served_sides
from tests.serving.decisions.making import decision, write

DAY_MS = 86_400_000
START = int(np.datetime64("2026-01-05").astype("datetime64[ms]").astype(int))


def lists(days: range, *, fell_back: float = 0.0, seed: int = 0) -> list[Decision]:
    rng = np.random.default_rng([seed, days.start])
    return [
        decision(
            f"{day}-{k}",
            user=int(rng.integers(200)),
            at_ms=START + day * DAY_MS + k,
            fallback="deadline" if rng.random() < fell_back else None,
        )
        for day in days
        for k in range(60)
    ]


def test_what_was_answered_is_read_by_day(tmp_path: Path) -> None:
    records = lists(range(4))
    log = write(tmp_path / "log", records)
    spans = (date(2026, 1, 5), date(2026, 1, 6)), (date(2026, 1, 8), date(2026, 1, 8))
    whole, items = served_sides(log, log, days_before=spans[0], days_now=spans[1])
    assert (whole.before.size, whole.now.size) == (120, 60)
    last = records[-1]
    shown = set(last.shown)
    plain = set(np.argsort(last.base_score)[::-1][: len(shown)].tolist())
    assert whole.now.values["changed"][-1] == pytest.approx(len(shown - plain) / len(shown))
    assert items.now.size == sum(len(each.shown) for each in records[180:])
    at = last.shown[-1]
    assert items.now.values["base_score"][-1] == last.base_score[at]
    assert last.score is not None
    assert items.now.values["score"][-1] == last.score[at]
    assert items.now.values["propensity"][-1] == last.propensity[-1]
    assert np.unique(whole.now.user).size == len({each.user_id for each in records[180:]})
    with pytest.raises(EmptyError, match="2027"):
        served_sides(log, log, days_now=(date(2027, 1, 1), date(2027, 1, 1)))


def test_lists_that_no_policy_made_say_nothing_of_what_it_changes(tmp_path: Path) -> None:
    records = [
        decision("a", at_ms=START),
        decision("b", at_ms=START, fallback="deadline"),
        decision("c", at_ms=START, holdout=True),
    ]
    log = write(tmp_path / "log", records)
    whole, _ = served_sides(log, log)
    assert np.isnan(whole.now.values["changed"]).tolist() == [False, True, True]
    assert whole.now.values["fallback"].tolist() == [0.0, 1.0, 0.0]


def test_of_a_long_log_whole_users_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = lists(range(4))
    log = write(tmp_path / "log", records)
    monkeypatch.setattr(served, "_MOST_LISTS", 100)
    whole, _ = served_sides(log, log)
    assert 30 < whole.now.size <= 100
    assert whole.now.of == len(records)
    _, lists_of_user = np.unique(whole.now.user, return_counts=True)
    asked = pd.Series([each.user_id for each in records]).value_counts()
    assert set(lists_of_user) <= set(asked)
    assert sorted(lists_of_user)[-1] > 1
