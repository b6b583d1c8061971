"""The report asks whether it can be false, with what the logs know."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest

from causal_ranker.chain.refute import _controls, _keys, _plays_before, _position, _reported
from causal_ranker.errors import SchemaError
from causal_ranker.evaluation.refute.check import Check
from causal_ranker.evaluation.refute.material import RefuteConfig
from causal_ranker.evaluation.report import Report
from causal_ranker.ranker import CausalRanker
from tests.ranker.season import KEY, season, tables

TITLE = "Can this be false?"
KEPT = 8_000


def asking(ranker: CausalRanker, **settings: Any) -> CausalRanker:
    """The same fitted ranker, which asks."""
    other = copy.copy(ranker)
    refute = RefuteConfig(**({"rows": KEPT} | settings))
    other.config_ = ranker.config_.model_copy(update={"refute": refute})
    return other


@pytest.fixture(scope="module")
def asked(ranker: CausalRanker) -> tuple[CausalRanker, Report]:
    other = asking(ranker, negative_controls="spared")
    items = ranker._history.items
    assert items is not None
    spared = items["item_id"] % 2 == 0
    other._history = replace(ranker._history, items=items.mutate(spared=spared))
    return other, other.evaluate(**tables(season()[1]))


def lines(report: Report) -> dict[tuple[str, str], Check]:
    found = report.evaluation.refutation
    assert found is not None
    return {(check.refuter, check.estimate): check for check in found.checks}


def test_nothing_fails_where_propensities_were_logged(
    asked: tuple[CausalRanker, Report],
) -> None:
    ranker, report = asked
    found = lines(report)
    # These items are affected as any other.
    controls = found.pop(("items that cannot be affected", "average effect"))
    assert controls.verdict == "failed"
    assert [key for key, check in found.items() if check.verdict == "failed"] == []
    gain = f"{ranker.policy_name_} minus base in uplift@5"
    for refuter in ("placebo treatment", "outcome before t0", "random common cause"):
        assert found[refuter, gain].figure is not None
        assert found[refuter, "average effect"].verdict == "passed"
    assert found["dose", "average effect"].figure is not None
    assert TITLE in ranker.stages_.seconds
    assert TITLE in [section.title for section in report.document.sections]


def test_it_changes_no_other_figure_and_can_be_left_out(
    asked: tuple[CausalRanker, Report], report: Report
) -> None:
    assert report.evaluation.refutation is None
    assert TITLE not in [section.title for section in report.document.sections]
    with_it = replace(asked[1].evaluation, refutation=None)
    assert repr(with_it.comparison) == repr(report.evaluation.comparison)
    assert with_it.average_effect == report.evaluation.average_effect


def test_held_rows_are_every_kept_row_of_their_users(asked: tuple[CausalRanker, Report]) -> None:
    lists = asked[0].lists_
    users = lists.rows.user[lists.held.at]
    assert np.isin(lists.rows.user, users).sum() == len(users)
    assert len(users) == pytest.approx(KEPT, rel=0.15)
    assert len(users) < len(lists.rows.user)
    assert (np.diff(lists.held.at) > 0).all()
    # Every row is in the curve sample here, whose features are kept as well.
    assert np.array_equal(lists.held.features, lists.covariates[lists.held.at], equal_nan=True)


def test_the_past_and_the_places_by_brute_force(asked: tuple[CausalRanker, Report]) -> None:
    ranker, _ = asked
    lists, (past, later) = ranker.lists_, season()
    at = lists.held.at
    held = _keys(ranker._connection, lists)
    moments = pd.to_datetime(lists.t0[at], unit="us", utc=True)
    ends = pd.to_datetime(lists.held.horizon_end, unit="us", utc=True)
    plays = pd.concat([past.plays, later.plays])
    when: dict[Any, list[pd.Timestamp]] = {}
    for user, item, played in plays[["user_id", "item_id", "played_at"]].itertuples(index=False):
        when.setdefault((user, item), []).append(played)
    pairs = zip(lists.rows.user[at], lists.item[at], moments, ends, strict=True)
    expected = [
        any(t0 - (end - t0) <= played < t0 for played in when.get((user, item), []))
        for user, item, t0, end in pairs
    ]
    found = _plays_before(held, ranker._known.plays, count=len(at))
    assert found.tolist() == [int(each) for each in expected]
    assert 10 < sum(expected) < len(expected) / 2

    impressions = later.impressions
    dose = _position(
        held,
        ranker._connection.create_table(ibis.util.gen_name("shown"), impressions, temp=True),
        count=len(at),
    )
    assert dose is not None
    places = impressions.set_index(KEY)["position"]
    keys = pd.MultiIndex.from_arrays([lists.rows.user[at], lists.item[at], moments])
    place = places.groupby(level=[0, 1, 2]).min().reindex(keys).to_numpy(dtype=float)
    assert np.array_equal(dose.amount, -place, equal_nan=True)
    assert np.array_equal(np.isnan(place), lists.rows.treatment[at] == 0)


def test_the_figures_in_question_are_those_of_the_page(
    asked: tuple[CausalRanker, Report],
) -> None:
    ranker, report = asked
    said = _reported(ranker.lists_, report.evaluation, policy=ranker.policy_name_, level=0.99)
    assert said.average == report.evaluation.average_effect
    assert said.gain == report.evaluation.comparison.result(ranker.policy_name_).difference
    assert said.level == report.evaluation.comparison.level
    assert _reported(ranker.lists_, report.evaluation, policy="base", level=0.99).gain is None


def test_balance_is_that_of_the_section(asked: tuple[CausalRanker, Report]) -> None:
    report = asked[1]
    (section,) = (
        each for each in report.document.sections if each.title == "Balance of the covariates"
    )
    numbers = [int(each) for each in re.findall(r"\b\d+\b(?!\.\d)", str(section.blocks[0]))]
    line = lines(report)["balance of the covariates", "average effect"]
    balance = report.evaluation.balance
    assert balance is not None
    assert line.figure is not None
    assert line.figure.point == balance.after[np.nanargmax(np.abs(balance.after))]
    of, before, after = (numbers[0], numbers[1], numbers[-1])
    assert line.why.startswith(f"{before} of {of} covariates differ")
    assert f"before weighting, {after} after" in line.why


def test_a_log_that_lies_about_its_chances_is_found_out(ranker: CausalRanker) -> None:
    later = season()[1]
    candidates = later.candidates.assign(propensity=0.25)
    report = asking(ranker).evaluate(**(tables(later) | {"candidates": candidates}))
    found = lines(report)
    assert found["outcome before t0", "average effect"].verdict == "failed"
    assert found["balance of the covariates", "average effect"].verdict == "failed"
    (section,) = (each for each in report.document.sections if each.title == TITLE)
    assert "Read the failures" in str(section.blocks[0])
    assert "attempts to show it false succeeded" in report.document.verdict


def test_negative_controls_that_are_not_there_are_refused(
    asked: tuple[CausalRanker, Report],
) -> None:
    ranker, _ = asked
    for items in (None, ranker._history.items):
        with pytest.raises(SchemaError, match=r"'minutes'.*refute.negative_controls"):
            _controls(ranker.lists_, items, column="minutes")
