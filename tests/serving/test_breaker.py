"""The circuit: closed until too many failures in a row, then one try now and then."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from causal_ranker.serving.breaker import Breaker
from causal_ranker.serving.config import BreakerConfig

CONFIG = BreakerConfig(failures=3, open_ms=1_000, longest_open_ms=3_000)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(CONFIG, clock=clock)
    for _ in range(3):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(CONFIG)
    for _ in range(5):
        for _ in range(2):
            assert breaker.admits()
            breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"
    assert opened(Clock()).state == "open"


def test_one_try_after_a_while_closes_it_or_opens_it_for_longer() -> None:
    clock = Clock()
    breaker = opened(clock)
    for seconds in (1.0, 2.0, 3.0, 3.0):  # doubles, up to the longest
        clock.now += seconds - 0.01
        assert not breaker.admits()
        clock.now += 0.02
        assert breaker.admits()
        assert breaker.state == "half_open"
        assert not breaker.admits()  # one at a time
        breaker.failed()
        assert breaker.state == "open"
    clock.now += 3.01
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.state == "closed"
    for _ in range(3):
        breaker.failed()
    clock.now += 1.01  # the first opening again, not the longest
    assert breaker.admits()


def test_a_try_that_never_reached_the_model_leaves_the_next_one_to_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 1.01
    assert breaker.admits()
    breaker.skipped()
    assert breaker.admits()


def test_an_answer_from_before_it_opened_closes_nothing() -> None:
    breaker = opened(Clock())
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "open"


@given(st.lists(st.sampled_from(["ok", "bad", "skip", "wait"]), max_size=60))
def test_it_asks_again_whatever_came_before(turns: list[str]) -> None:
    clock = Clock()
    breaker = Breaker(CONFIG, clock=clock)
    for turn in turns:
        if turn == "wait":
            clock.now += 0.7
        elif breaker.admits():
            {"ok": breaker.succeeded, "bad": breaker.failed, "skip": breaker.skipped}[turn]()
    clock.now += 3.01
    assert breaker.admits()
