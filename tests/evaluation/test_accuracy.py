from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import ConfigError, RowError, SchemaError
from causal_ranker.evaluation.accuracy import ListAccuracy, ShownItems, list_accuracy
from causal_ranker.evaluation.accuracy_section import accuracy_section
from causal_ranker.evaluation.compare import compare_policies
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.evaluation.sections import evaluation_sections
from causal_ranker.reporting.blocks import Table, Text
from causal_ranker.stats.accuracy import accuracy_at_k
from causal_ranker.stats.intervals import Interval, clustered_mean
from tests.evaluation.sample import K, make_evaluation, make_rows, take

ITEMS = 30


def shown_of(rows: EvaluationRows, seed: int = 0, *, hidden: int = 1) -> ShownItems:
    """Items at random; every request has `hidden` plays among candidates that are no rows."""
    rng = np.random.default_rng(seed)
    seen = rows.primary & (rows.outcome > 0)
    counts = np.bincount(rows.request, weights=seen, minlength=rows.requests).astype(np.int64)
    share = rng.dirichlet(np.ones(ITEMS))
    return ShownItems(rng.integers(0, ITEMS, rows.request.size), share, counts + hidden)


def found_of(rows: EvaluationRows, **changed: Any) -> tuple[ShownItems, ListAccuracy]:
    shown = shown_of(rows, **changed)
    return shown, list_accuracy(rows, shown, k=K)


def test_every_policy_by_its_own_ranks() -> None:
    rows = make_rows(1)
    shown, found = found_of(rows)
    assert [each.policy for each in found.policies] == list(rows.rank)
    assert (found.requests, found.items) == (rows.requests, ITEMS)
    users = np.array([rows.user[rows.request == code][0] for code in range(rows.requests)])
    for each in found.policies:
        rank = rows.rank[each.policy]
        first = (rank > 0) & (rank <= K)
        values = accuracy_at_k(
            rank[first], rows.outcome[first], rows.request[first], relevant=shown.played, k=K
        )
        for name in ("ndcg", "recall", "precision", "reciprocal_rank", "average_precision"):
            assert getattr(each, name) == clustered_mean(getattr(values, name), users), name
        items = shown.item[first]
        assert each.coverage == pytest.approx(len(set(items.tolist())) / ITEMS)
        assert each.novelty == pytest.approx(-np.log2(shown.popularity[items]).mean())
        dcg = sum(rows.gamma[i] / np.log2(1 + rank[i]) for i in np.flatnonzero(first))
        assert each.causal_dcg.point == pytest.approx(dcg / rows.requests)


def many(seed: int) -> EvaluationRows:
    """Enough rows for inverse propensities; every request has a candidate with overlap."""
    rows = make_rows(seed, users=200, requests=600)
    alive = np.bincount(rows.request, weights=rows.primary, minlength=rows.requests) > 0
    at = np.flatnonzero(alive[rows.request])
    codes = (np.cumsum(alive) - 1)[rows.request[at]]
    return take(rows, at, request=codes, requests=int(alive.sum()))


def test_uplift_by_inverse_propensities_by_hand() -> None:
    rows = many(2)
    _, found = found_of(rows)
    t, y, e = rows.treatment, rows.outcome, rows.propensity
    for each in found.policies:
        rank = rows.rank[each.policy]
        first = (rank > 0) & (rank <= K)
        signed = np.where(t == 1, 1 / np.where(first, e, 1), -1 / (1 - np.where(first, e, 0)))
        assert each.ips is not None
        assert each.snips is not None
        wanted = (signed * y)[first].sum() / K / rows.requests
        assert each.ips.interval.point == pytest.approx(wanted)
        arms = [
            np.average(y[first & (t == a)], weights=abs(signed)[first & (t == a)]) for a in (0, 1)
        ]
        slots = first.sum() / K / rows.requests
        assert each.snips.interval.point == pytest.approx(slots * (arms[1] - arms[0]))
        assert each.refused == ""
        assert each.ips.share_capped == 0


def test_too_few_effective_rows_are_refused_and_the_report_goes_on() -> None:
    rows = make_rows(3)
    _, found = found_of(rows)
    for each in found.policies:
        assert each.ips is each.snips is None
        assert "rows" in each.refused
    comparison = compare_policies(rows, k=K)
    table = accuracy_section(found, comparison).blocks[2]
    assert isinstance(table, Table)
    assert {row[2] for row in table.rows} == {row[3] for row in table.rows} == {"refused"}
    assert all(str(row[5]).endswith("rows") for row in table.rows)


def test_requests_without_a_play_count_in_nothing() -> None:
    rows = make_rows(4)
    shown, found = found_of(rows, hidden=0)
    assert found.requests == (shown.played > 0).sum() < rows.requests
    nothing = replace(rows, outcome=np.zeros(rows.request.size))
    _, none = found_of(nothing, hidden=0)
    assert none.requests == 0
    assert all(np.isnan(each.ndcg.point) for each in none.policies)
    section = accuracy_section(none, compare_policies(nothing, k=K))
    assert isinstance(section.blocks[0], Text)
    assert section.blocks[0].text.endswith("No candidate was played.")
    assert isinstance(section.blocks[1], Table)
    assert section.blocks[1].rows[0][2] == "n/a"


def test_plays_of_one_user_have_a_mean_and_no_interval() -> None:
    rows = make_rows(5)
    one = rows.user == rows.user[0]
    alone = replace(rows, outcome=np.where(one, rows.outcome, 0.0))
    _, found = found_of(alone, hidden=0)
    assert found.requests > 0
    assert np.isfinite(found.policies[0].ndcg.point)
    assert np.isnan(found.policies[0].ndcg.low)


def test_the_section_says_units_and_stands_behind_the_policies() -> None:
    evaluation = make_evaluation()
    rows = make_rows()
    _, found = found_of(rows)
    sections = evaluation_sections(replace(evaluation, accuracy=found), outcome="purchases")
    assert [section.title for section in sections[:2]] == ["Policies", "What accuracy says"]
    text, table, estimators = sections[1].blocks
    assert isinstance(text, Text)
    assert isinstance(table, Table)
    assert isinstance(estimators, Table)
    for column in list(table.columns)[1:]:
        assert "(" in column, column  # a unit
    best = max(found.policies, key=lambda each: each.ndcg.point).policy
    assert best in text.text
    for row, each, result in zip(
        table.rows, found.policies, evaluation.comparison.results, strict=True
    ):
        assert row[0] == each.policy
        assert float(str(row[1])) == pytest.approx(100 * result.uplift.point, abs=0.6)
        assert float(str(row[2])) == pytest.approx(100 * each.ndcg.point, rel=0.006)
        assert float(str(row[7])) == pytest.approx(100 * each.coverage, rel=0.006)
        assert float(str(row[8])) == pytest.approx(each.novelty, abs=0.05)
    assert "purchases" in estimators.note


@pytest.mark.parametrize(
    ("uplift", "blend", "half", "words"),
    [
        (0.04340, 0.04342, 0.001, "in what they cause, uplift and blend are level."),
        (0.043, 0.050, 0.004, "in what they cause, uplift and blend are level."),
        (0.043, 0.053, 0.004, "most is caused by blend."),
        (0.053, 0.043, 0.004, "most is caused by uplift."),
        (0.001, 0.002, 0.004, "in what they cause, base, uplift and blend are level."),
    ],
)
def test_the_leader_in_uplift_is_one_that_can_be_told(
    uplift: float, blend: float, half: float, words: str
) -> None:
    def interval(point: float, reach: float) -> Interval:
        return Interval(point, point - reach, point + reach, reach / 2)

    rows = make_rows()
    _, found = found_of(rows)
    comparison = compare_policies(rows, k=K)
    gains = {"base": 0.0, "uplift": uplift, "blend": blend}
    comparison = replace(
        comparison,
        results=tuple(
            replace(
                result,
                uplift=interval(0.1 + gains[result.policy], 0.02),
                difference=interval(gains[result.policy], half * (result.policy != "base")),
            )
            for result in comparison.results
        ),
    )
    (base, *others) = found.policies
    best = replace(base, ndcg=interval(0.99, 0.001))
    text = accuracy_section(replace(found, policies=(best, *others)), comparison).blocks[0]
    assert isinstance(text, Text)
    assert text.text.endswith(f"The most accurate list here is that of base; {words}")
    leader = replace(others[0], ndcg=interval(0.999, 0.001))
    found = replace(found, policies=(base, leader, *others[1:]))
    text = accuracy_section(found, comparison).blocks[0]
    assert isinstance(text, Text)
    assert ("of uplift leads in both" in text.text) == ("caused by uplift" in words)


def test_input_is_checked() -> None:
    rows = make_rows()
    shown = shown_of(rows)
    with pytest.raises(SchemaError, match="'item'"):
        list_accuracy(rows, replace(shown, item=shown.item[1:]), k=K)
    with pytest.raises(SchemaError, match="'played'"):
        list_accuracy(rows, replace(shown, played=shown.played[1:]), k=K)
    with pytest.raises(RowError, match="popularity"):
        list_accuracy(rows, replace(shown, popularity=shown.popularity[:3]), k=K)
    with pytest.raises(RowError, match="played"):
        list_accuracy(rows, replace(shown, played=np.zeros(rows.requests, dtype=int)), k=K)
    base = rows.rank["base"]
    short = replace(rows, rank={"base": np.where(base <= 2, base, 0)})
    with pytest.raises(ConfigError, match="k of at most 2"):
        list_accuracy(short, shown, k=3)
