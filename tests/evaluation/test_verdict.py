from __future__ import annotations

from dataclasses import replace

import pytest

from causal_ranker.errors import ConfigError, OverlapError
from causal_ranker.evaluation.evaluate import Evaluation
from causal_ranker.evaluation.refute.check import Check, Verdict
from causal_ranker.evaluation.refute.run import Refutation
from causal_ranker.evaluation.verdict import refusal, verdict
from causal_ranker.stats.intervals import Interval
from tests.evaluation.sample import make_evaluation

EVALUATION = make_evaluation()


def with_difference(point: float, low: float, high: float) -> Evaluation:
    """The sample evaluation, with another difference of the policy 'blend'."""
    difference = Interval(point, low, high, (high - low) / 4)
    results = tuple(
        replace(result, difference=difference) if result.policy == "blend" else result
        for result in EVALUATION.comparison.results
    )
    return replace(EVALUATION, comparison=replace(EVALUATION.comparison, results=results))


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (
            (0.0123, 0.0050, 0.0196),
            "Re-ranking by blend causes +1.23 purchases per 100 slots more than the base list "
            "(95 % 0.50 to 1.96), on 36 requests with 3 slots each. ",
        ),
        (
            (0.005, -0.003, 0.013),
            "Re-ranking by blend shows no evidence of a difference to the base list: +0.50 "
            "purchases per 100 slots (95 % -0.30 to 1.30, which includes 0), on 36 requests with "
            "3 slots each. ",
        ),
        (
            (0.005, 0.0, 0.010),
            "Re-ranking by blend shows no evidence of a difference to the base list: +0.50 "
            "purchases per 100 slots (95 % 0.00 to 1.00, which includes 0), on 36 requests with "
            "3 slots each. ",
        ),
        (
            (-0.005, -0.009, -0.001),
            "Re-ranking by blend causes fewer purchases than the base list: -0.50 purchases per "
            "100 slots (95 % -0.90 to -0.10), on 36 requests with 3 slots each. ",
        ),
        (
            (0.0, 0.0, 0.0),
            "Re-ranking by blend makes no difference to the base list: both show the same items, "
            "on 36 requests with 3 slots each. ",
        ),
        (
            (0.005, float("nan"), float("nan")),
            "Re-ranking by blend cannot be told from the base list: the difference is +0.50 "
            "purchases per 100 slots, on 36 requests with 3 slots each, and too few users or units "
            "stand behind it for an interval. ",
        ),
    ],
)
def test_the_first_sentence(interval: tuple[float, float, float], sentence: str) -> None:
    found = verdict(with_difference(*interval), policy="blend", outcome="purchases")
    assert found.startswith(sentence)


def test_what_it_rests_on() -> None:
    found = verdict(EVALUATION, policy="blend")
    assert "The interval is clustered by 12 users and by 8 units of assignment" in found
    assert "Left out for want of overlap: " in found
    alone = replace(EVALUATION, share_left_out=0.0, scope=replace(EVALUATION.scope, units=None))
    assert verdict(alone, policy="blend").endswith("The interval is clustered by 12 users.")


def test_it_knows_what_was_tried_against_it() -> None:
    figure = Interval(0.0, 0.0, 0.0, 0.0)

    def said(*verdicts: Verdict) -> str:
        checks = tuple(Check("a", "b", figure, "none", "0", each, "why") for each in verdicts)
        tried = Refutation(checks, rows=10, users=2, level=0.99)
        return verdict(replace(EVALUATION, refutation=tried), policy="blend")

    plain = verdict(EVALUATION, policy="blend")
    assert said("passed", "cannot tell", "not run") == plain
    assert said("failed", "passed", "cannot tell", "not run", "failed") == (
        f"{plain} 2 of 4 attempts to show it false succeeded: see 'Can this be false?'."
    )


def test_another_baseline_is_named() -> None:
    evaluation = replace(
        EVALUATION, comparison=replace(EVALUATION.comparison, baseline="popularity")
    )
    assert "the list of popularity" in verdict(evaluation, policy="blend")


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match="got 'magic'"):
        verdict(EVALUATION, policy="magic")


def test_a_refusal_gives_no_figure_and_says_why() -> None:
    error = OverlapError(expected="two arms", came="one", do="Explore.")
    assert refusal(error) == (
        "These logs cannot say what re-ranking causes, so no figure is given: expected two arms; "
        "got one. Explore."
    )
