from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import RowError, SchemaError
from causal_ranker.evaluation.compare import compare_policies, first_rows, paired_difference
from causal_ranker.evaluation.evaluate import evaluate
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.evaluation.sections import evaluation_sections
from causal_ranker.evaluation.totals import TotalComparison, compare_totals
from causal_ranker.evaluation.totals_section import totals_section
from causal_ranker.reporting.blocks import Table, Text
from causal_ranker.reporting.cells import flush_right
from causal_ranker.stats.intervals import Interval
from tests.evaluation.sample import K, make_rows


def with_totals(rows: EvaluationRows, share: float = 0.5, noise: float = 1.0) -> EvaluationRows:
    """Totals that keep a share of each row's effect."""
    rng = np.random.default_rng(9)
    total = share * rows.gamma + noise * rng.normal(size=rows.gamma.size)
    return replace(rows, total_gamma=total)


def strong(seed: int = 1, **changed: Any) -> EvaluationRows:
    """Predicted uplift that finds uplift."""
    rows = make_rows(seed, users=40, requests=200)
    sharp = np.where(rows.primary, rows.uplift, 0.0)
    noise = 0.1 * np.random.default_rng(seed).normal(size=sharp.size)
    return with_totals(
        replace(rows, gamma=np.where(rows.primary, sharp + noise, np.nan)), **changed
    )


def compared(rows: EvaluationRows) -> TotalComparison:
    return compare_totals(rows, compare_policies(rows, k=K))


def test_differences_are_those_of_the_totals_scores() -> None:
    rows = strong()
    found = compared(rows)
    assert [each.policy for each in found.policies] == ["uplift", "blend"]
    assert (found.k, found.baseline, found.level) == (K, "base", 0.95)
    items = compare_policies(rows, k=K)
    assert rows.total_gamma is not None
    for each in found.policies:
        assert each.item_difference == items.result(each.policy).difference
        mine, base = (first_rows(rows, name, k=K) for name in (each.policy, "base"))
        wanted = (rows.total_gamma[mine].sum() - rows.total_gamma[base].sum()) / K / rows.requests
        assert each.total_difference.point == pytest.approx(wanted)
        again = paired_difference(rows, rows.total_gamma, mine, base, k=K, level=0.95)
        assert each.total_difference == again


def slow_left(rows: EvaluationRows, among: Any, towards: Any, weight: Any = None) -> float:
    assert rows.total_gamma is not None
    top = bottom = 0.0
    for request in range(rows.requests):
        here = [i for i in np.flatnonzero(rows.request == request) if among[i]]
        room = {i: rows.propensity[i] * (1 - rows.propensity[i]) for i in here}
        if weight is not None:
            room = {i: room[i] * weight[i] for i in here}
        if not here:
            continue
        mean = sum(room[i] * towards[i] for i in here) / sum(room.values())
        for i in here:
            top += room[i] * (towards[i] - mean) * rows.total_gamma[i]
            bottom += room[i] * (towards[i] - mean) * rows.gamma[i]
    return top / bottom


def test_what_is_left_by_loops() -> None:
    rows = strong(2)
    weight = rows.sample_weight * np.random.default_rng(3).uniform(0.2, 2.0, rows.request.size)
    rows = replace(rows, sample_weight=weight)
    found = compared(rows)
    assert found.left is not None
    sampled = rows.primary & (weight > 0)
    assert sampled.sum() < rows.primary.sum()  # rows kept for a list only do not count
    assert found.left.point == pytest.approx(slow_left(rows, sampled, rows.uplift, weight))
    for each in found.policies:
        mine, base = (first_rows(rows, name, k=K) for name in (each.policy, "base"))
        assert each.left is not None
        assert each.left.point == pytest.approx(slow_left(rows, mine ^ base, mine * 1.0))


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0, 1.3])
def test_a_known_share_is_found_and_with_it_the_difference(share: float) -> None:
    rows = strong(3, share=share, noise=0.0)
    found = compared(rows)
    assert found.left is not None
    assert found.left.point == pytest.approx(share)
    assert found.left.standard_error == pytest.approx(0.0, abs=1e-9)
    for each in found.policies:
        assert each.total_difference.point == pytest.approx(share * each.item_difference.point)


def test_what_every_row_of_a_request_shares_cancels() -> None:
    """As the mean effect of displaced items does."""
    rows = strong(4)
    assert rows.total_gamma is not None
    displaced = np.random.default_rng(0).normal(size=rows.requests)[rows.request]
    one, other = compared(rows), compared(replace(rows, total_gamma=rows.total_gamma - displaced))
    assert one.left is not None
    assert other.left is not None
    assert other.left.point == pytest.approx(one.left.point)
    for mine, its in zip(one.policies, other.policies, strict=True):
        assert its.total_difference.point == pytest.approx(mine.total_difference.point)


def test_nothing_gained_leaves_no_share() -> None:
    rows = strong(5)
    noise = np.random.default_rng(1).normal(size=rows.gamma.size)
    found = compared(replace(rows, gamma=np.where(rows.primary, noise, np.nan)))
    assert found.left is None
    section = totals_section(found)
    assert isinstance(section.blocks[0], Text)
    assert "cannot be said here" in section.blocks[0].text
    assert isinstance(section.blocks[1], Table)
    assert "n/a" in [row[3] for row in section.blocks[1].rows]
    same = replace(rows, rank=dict.fromkeys(("base", "copy"), rows.rank["base"]))
    (copy,) = compared(same).policies
    assert copy.left is None
    assert (copy.total_difference.low, copy.total_difference.high) == (0, 0)


def test_rows_without_totals_are_refused_and_evaluated_without_them() -> None:
    rows = make_rows()
    with pytest.raises(SchemaError, match="total_gamma"):
        compared(rows)
    plain = evaluate(rows, k=K, covariates=None, draws=5, rng=np.random.default_rng(0))
    assert plain.totals is None
    both = evaluate(with_totals(rows), k=K, covariates=None, draws=5, rng=np.random.default_rng(0))
    assert both.totals == compared(with_totals(rows))
    titles = [section.title for section in evaluation_sections(both, outcome="purchases")]
    assert titles[:2] == ["Policies", "Total purchases of the users"]


def test_totals_are_checked_like_gamma() -> None:
    rows = with_totals(make_rows())
    assert rows.total_gamma is not None
    bad = rows.total_gamma.copy()
    bad[np.argmin(rows.primary)] = np.nan  # outside the primary set anything goes
    replace(rows, total_gamma=bad)
    bad[np.argmax(rows.primary)] = np.nan
    with pytest.raises(RowError, match="total_gamma"):
        replace(rows, total_gamma=bad)
    with pytest.raises(SchemaError, match="total_gamma"):
        replace(rows, total_gamma=bad[1:])


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.2, 0.8, "uplift overstates the gain"),
        (0.6, 1.2, "does not exclude that all of them are"),
        (-0.4, 1.4, "too wide to say"),
    ],
)
def test_the_sentence_says_what_the_interval_does(low: float, high: float, words: str) -> None:
    found = compared(strong(6))
    left = Interval((low + high) / 2, low, high, 0.1)
    section = totals_section(replace(found, left=left), outcome="purchases")
    text, table = section.blocks
    assert isinstance(text, Text)
    assert isinstance(table, Table)
    assert words in text.text
    assert f"{100 * left.point:.0f} % (95 % interval {100 * low:.0f} to {100 * high:.0f} %)" in (
        text.text
    )
    for row, each in zip(table.rows, found.policies, strict=True):
        assert row[0] == each.policy
        for cell, interval in ((row[1], each.item_difference), (row[2], each.total_difference)):
            assert float(str(cell).split(" ")[0]) == pytest.approx(100 * interval.point, abs=0.6)
        assert each.left is not None
        assert str(row[3]).startswith(f"{100 * each.left.point:.0f} (")
    assert "purchases per 100 slots" in table.note


@pytest.mark.parametrize("high", [0.7, 0.6])
def test_a_share_that_may_be_anything_is_not_written(high: float) -> None:
    found = compared(strong(6))
    left = Interval(-0.4, -1.35, high, 0.5)
    policies = (replace(found.policies[0], left=left), *found.policies[1:])
    text, table = totals_section(replace(found, left=left, policies=policies)).blocks
    assert isinstance(text, Text)
    assert isinstance(table, Table)
    told = high - left.low <= 2
    assert ("-40 %" in text.text) == told
    assert ("left in the total cannot be told here" in text.text) != told
    assert table.rows[0][3] == ("-40 (-135 to 60)" if told else "cannot be told")
    assert "more sharply" not in table.note
    assert flush_right(table)[3]
