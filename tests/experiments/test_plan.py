from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal_ranker.errors import ConfigError
from causal_ranker.experiments.design import TestDesign as Design
from causal_ranker.experiments.design import power_of, users_needed
from causal_ranker.experiments.plan import Guardrail, make_plan
from causal_ranker.experiments.plan_page import plan_document, plan_section, plan_words
from causal_ranker.experiments.traffic import Traffic
from causal_ranker.reporting.html import to_html

DESIGN = Design(deviation=1, effect=0.1)


def test_weeks_are_whole_and_users_of_later_weeks_are_fewer() -> None:
    assert users_needed(DESIGN) == 3140
    found = make_plan(DESIGN, Traffic(users_a_week=(2000, 500)))
    assert (found.weeks, found.expected) == (4, 3500)
    assert found.power == power_of(DESIGN, users=3500) > 0.8
    assert found.least_detectable < 0.1
    assert make_plan(DESIGN, Traffic(users_a_week=(3140,))).weeks == 1
    assert make_plan(DESIGN, Traffic(users_a_week=(3139,))).weeks == 2


def test_an_even_split_is_best_or_neymans_is_and_it_is_said() -> None:
    def words(**changes: float) -> str:
        return make_plan(DESIGN.model_copy(update=changes), Traffic(users_a_week=(1e6,))).notes[0]

    assert "a 50/50 split gives the most power" in words()
    assert "50/50 split" in words(share_treated=0.1)
    assert "10.0% in the new arm takes 177.8% more users" in words(share_treated=0.1)
    other = words(treated_deviation=3.0)
    assert "(Neyman): 75.0% in the new arm" in other
    assert "50.0% in the new arm takes 25.0% more users" in other
    assert "takes" not in words(treated_deviation=3.0, share_treated=0.75)
    assert "more cost" in words(cost_ratio=4.0)


def test_dates_and_holidays() -> None:
    traffic = Traffic(
        users_a_week=(1600,),
        start=date(2026, 12, 14),
        holidays=(date(2026, 12, 25), date(2027, 1, 6)),
        follow_up_days=3,
    )
    found = make_plan(DESIGN, traffic)
    assert found.end == date(2026, 12, 31)
    told = " ".join(found.notes)
    assert "2026-12-25 lies inside" in told
    assert "2027-01-06" not in told
    assert "Start 2026-12-26 or later" in told


def test_guardrails_may_need_the_most_users() -> None:
    guard = Guardrail(name="errors", deviation=1, margin=0.05)
    found = make_plan(DESIGN, Traffic(users_a_week=(5e4,)), guardrails=(guard,))
    assert found.users == pytest.approx(4 * 3140, rel=0.01)
    assert found.guardrails["errors"].power > 0.8
    assert found.guardrails["errors"].users == found.users
    assert "guardrails, to be shown to hold, need more" in found.notes[-1]


def test_few_users_are_a_rough_guess() -> None:
    few = [
        "rough guess" in " ".join(make_plan(design, Traffic(users_a_week=(5e4,))).notes)
        for design in (
            DESIGN,
            DESIGN.model_copy(update={"effect": 0.5}),
            DESIGN.model_copy(update={"effect": 0.5, "trigger_share": 0.1}),
        )
    ]
    assert few == [False, True, True]


@settings(max_examples=30)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=9))
def test_strata_add_up(weights: list[int]) -> None:
    shares = {f"s{at}": weight / sum(weights) for at, weight in enumerate(weights)}
    found = make_plan(DESIGN, Traffic(users_a_week=(5e4,), strata=shares))
    assert sum(found.strata.values()) == found.users
    assert all(abs(found.strata[name] - found.users * shares[name]) < 1 for name in shares)


def test_the_page_says_it_all() -> None:
    design = DESIGN.model_copy(
        update={"metric": "plays", "correlation": 0.5, "trigger_share": 0.5, "peeking": True}
    )
    traffic = Traffic(users_a_week=(2000,), strata={"de": 0.4, "us": 0.6})
    guard = Guardrail(name="errors", deviation=1, margin=0.5)
    found = make_plan(design, traffic, guardrails=(guard,))
    page = to_html(plan_document(found, traffic))
    for told in ("<svg", "without CUPED", "saves 25.0%", "errors", "every look", "come to where"):
        assert told in page
    assert plan_words(found).startswith(f"{found.users:,} users")
    assert "an effect of 0.1 in plays is found" in plan_words(found)
    guards = plan_section(found, traffic).blocks[2]
    assert guards.columns == ["guardrail", "margin", "users", "power"]
    assert guards.rows[0][:3] == ("errors", "0.5", found.guardrails["errors"].users)
    table = plan_section(found, traffic).blocks[0]
    assert [row[0] for row in table.rows] == sorted({1, 2, 3, 4, found.weeks, 2 * found.weeks})


def test_bad_input_is_told() -> None:
    with pytest.raises(ConfigError, match="users_a_week"):
        Traffic(users_a_week=(0,))
    with pytest.raises(ConfigError, match="users_a_week"):
        Traffic(users_a_week=())
    with pytest.raises(ConfigError, match="sum to 1"):
        Traffic(users_a_week=(1,), strata={"de": 0.5})
    twice = (Guardrail(name="errors", deviation=1, margin=0.5),) * 2
    with pytest.raises(ConfigError, match="a name of its own"):
        make_plan(DESIGN, Traffic(users_a_week=(5e4,)), guardrails=twice)
    with pytest.raises(ConfigError, match="within ten years"):
        make_plan(DESIGN, Traffic(users_a_week=(1,)))
