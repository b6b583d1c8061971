"""The door: refusals, bad input, tables, and coverage of its intervals."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import CausalRankerError, ConfigError, OverlapError, RowError, SchemaError
from causal_ranker.evaluation.ope.config import OpeConfig
from causal_ranker.evaluation.ope.estimators import ESTIMATORS
from causal_ranker.evaluation.ope.evaluate import evaluate_policy
from causal_ranker.evaluation.ope.fixed import FixedLists
from causal_ranker.evaluation.ope.logged import LoggedPropensities
from causal_ranker.evaluation.ope.mixture import Mixture
from causal_ranker.evaluation.ope.monte_carlo import MonteCarlo
from causal_ranker.evaluation.ope.plackett_luce import PlackettLuce
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.slotwise import Slotwise
from causal_ranker.evaluation.ope.support import missing_support

N, C, L = 400, 6, 3


def logs(logging: PlackettLuce, *, seed: int = 0) -> LoggedSlates:
    rng = np.random.default_rng(seed)
    items = logging.sample(L, rng=rng)
    return LoggedSlates(items, rng.normal(1, 1, items.shape), np.arange(len(items)) // 4)


def uniform(n: int = N) -> PlackettLuce:
    return PlackettLuce(np.zeros((n, C)))


def test_too_few_effective_lists_are_an_answer() -> None:
    target = FixedLists(np.tile([0, 1, 2], (N, 1)), candidates=C)
    shown = logs(uniform())
    hits = int((shown.items == [0, 1, 2]).all(axis=1).sum())
    assert 0 < hits < 20
    found = evaluate_policy(shown, uniform(), target=target, estimators=["ips", "iips", "snips"])
    assert found.estimate("iips").effective_lists > 50
    # lists that agree have equal weights, so that their effective number is their number
    with pytest.raises(OverlapError, match=f"got {hits}.0 from 400"):
        found.estimate("ips")
    with pytest.raises(OverlapError, match="at least 50 effective lists"):
        evaluate_policy(shown, uniform(), target=target, estimators=["ips", "snips"])
    low = OpeConfig(least_effective_lists=hits)
    answered = evaluate_policy(
        shown, uniform(), target=target, estimators=["ips"], config=low
    ).estimate("ips")
    assert answered.effective_lists == pytest.approx(hits)


@pytest.mark.parametrize("estimator", [name for name in ESTIMATORS if name != "dm"])
def test_a_cap_or_a_bound_makes_no_overlap(estimator: str) -> None:
    rng = np.random.default_rng(0)
    target = PlackettLuce(2.0 * rng.normal(size=(N, C)))
    # slot by slot there is overlap enough; of whole lists there is too little
    few = ["ips", "dr", "snips"]

    def found(**settings: Any) -> Any:
        return evaluate_policy(
            logs(uniform()),
            uniform(),
            target=target,
            estimators=[estimator],
            predictions=lambda slot: np.ones((N, C)),
            config=OpeConfig(**settings),
        ).estimate(estimator)

    # what a cap is for: more effective lists, for a bias that is told
    if estimator in few:
        with pytest.raises(OverlapError, match="effective lists"):
            found()
    mild = found(cap=4.0)
    assert mild.effective_lists >= 50
    assert 0.05 <= mild.share_kept < 1
    # next to nothing kept of any weight: all alike, and as many effective lists as there are lists
    with pytest.raises(OverlapError, match=r"keep a share of 0\.05 of the weights"):
        found(cap=0.001)
    if estimator in {"switch", "shrinkage"}:
        setting = {"switch": 0.02, "shrinkage": 1e-6}[estimator]
        with pytest.raises(OverlapError, match="keep a share"):
            found(**{estimator: setting})
        chosen = found(least_kept_share=0.9, least_effective_lists=1)
        assert chosen.share_kept >= 0.9
        assert chosen.setting > found().setting
    allowed = found(cap=0.001, least_kept_share=0.0, least_effective_lists=1)
    assert allowed.share_kept < 0.01


def test_no_list_in_common_has_no_effective_list() -> None:
    target = FixedLists(np.tile([0, 1, 2], (N, 1)), candidates=C)
    shown = logs(uniform())
    others = LoggedSlates(np.tile([3, 4, 5], (N, 1)), shown.reward, shown.user)
    with pytest.raises(OverlapError, match=r"got 0\.0 from"):
        evaluate_policy(others, uniform(), target=target, estimators=["ips"])


def test_missing_support_is_refused_with_its_share() -> None:
    scores = np.zeros((N, C))
    scores[: N // 4, 5] = -np.inf  # never shown to a quarter of the requests
    logging, shown = PlackettLuce(scores), logs(PlackettLuce(scores))
    wants = FixedLists(np.tile([5, 0, 1], (N, 1)), candidates=C)
    for estimators in (["ips", "dr"], ["iips", "pi"], ["cascade_dr"]):
        with pytest.raises(OverlapError, match=r"25\.00% of them"):
            evaluate_policy(
                shown,
                logging,
                target=wants,
                estimators=estimators,
                predictions=lambda slot: np.zeros((N, C)),
            )
    # the direct method claims nothing about support
    direct = evaluate_policy(
        shown,
        logging,
        target=wants,
        estimators=["dm", "ips"],
        predictions=lambda slot: np.ones((N, C)),
    )
    assert direct.estimate("dm").value.point == pytest.approx(L)
    assert direct.missing is not None
    assert direct.missing.lists == direct.missing.slots == 0.25
    allowed = OpeConfig(most_missing_share=0.25, least_effective_lists=1)
    found = evaluate_policy(shown, logging, target=wants, estimators=["iips"], config=allowed)
    assert found.estimate("iips").mean_weight == pytest.approx(0.75, abs=0.15)


def test_the_share_missing_of_a_policy_by_chance() -> None:
    scores = np.tile([0.0, 0, 0, 0, 0, -np.inf], (N, 1))
    found = missing_support(PlackettLuce(scores), uniform(), k=L, seed=0)
    assert found is not None
    # half of the uniform lists hold one item in particular: 3 of 6
    assert found.lists == pytest.approx(0.5, abs=0.05)
    assert found.slots == found.lists
    # together two policies show what neither shows alone, but not in one list
    other = np.tile([-np.inf, 0.0, 0, 0, 0, 0], (N, 1))
    both = Mixture([PlackettLuce(scores), PlackettLuce(other)], shares=[0.5, 0.5])
    together = missing_support(both, uniform(), k=L, seed=0)
    assert together is not None
    assert together.lists == pytest.approx(3 / 6 * 2 / 5, abs=0.04)
    assert together.slots == 0
    shown = logs(PlackettLuce(scores))
    found_by_slot = evaluate_policy(shown, both, target=uniform(), estimators=["ips", "iips"])
    assert found_by_slot.estimate("iips").mean_weight == pytest.approx(1, abs=0.2)
    with pytest.raises(OverlapError, match="new policy's lists, but"):
        found_by_slot.estimate("ips")
    assert missing_support(LoggedPropensities(np.ones((N, L))), uniform(), k=L, seed=0) is None


def test_support_that_is_only_logged_shows_in_the_mean_weight() -> None:
    n = 4_000
    scores = np.tile([0.0, 0, 0, 0, 0, -np.inf], (n, 1))
    logging = PlackettLuce(scores)
    shown = logs(logging)
    conditional = np.tile([1 / 5, 1 / 4, 1 / 3], (n, 1))
    told = LoggedPropensities(conditional, marginal=np.full((n, L), 1 / 5))
    for estimator in ("ips", "iips"):
        with pytest.raises(OverlapError, match="have no support"):
            evaluate_policy(shown, told, target=uniform(n), estimators=[estimator])
    same = evaluate_policy(shown, told, target=logging, estimators=["ips", "iips", "rips"])
    assert [found.mean_weight for found in same.estimates] == pytest.approx([1, 1, 1])


def test_a_small_share_without_logged_support_is_refused_as_well() -> None:
    n = 2_000
    rng = np.random.default_rng(0)
    items = rng.integers(0, C - 1, (n, 1))
    shown = LoggedSlates(items, rng.normal(1, 1, items.shape), np.arange(n))
    told = LoggedPropensities(np.full((n, 1), 1 / (C - 1)))

    def ask_about(missing: float, **settings: Any) -> Any:
        new = np.append(np.full(C - 1, (1 - missing) / (C - 1)), missing)
        config = OpeConfig(**settings)
        return evaluate_policy(
            shown, told, target=Slotwise([new], requests=n), estimators=["ips"], config=config
        ).estimate("ips")

    with pytest.raises(OverlapError, match=r"at least 3\.0% of"):
        ask_about(0.03)
    assert ask_about(0.03, most_missing_share=0.0301).mean_weight == pytest.approx(0.97)
    # as the settings say, a hundredth is not held against rounded propensities
    assert ask_about(0.009).mean_weight == pytest.approx(0.991)


def hidden_item(n: int, *, slots: int = 1) -> tuple[Slotwise, Slotwise, LoggedSlates]:
    """A new policy that shows almost only item 0, which was logged once in 2,000 lists.

    Item 0 brings 0.5 and others nothing; where it happens not to be drawn, weights are all alike.
    """
    items = 200
    rare = np.append(0.0005, np.full(items - 1, 0.9995 / (items - 1)))
    wanted = np.append(0.9995, np.full(items - 1, 0.0005 / (items - 1)))
    even = [np.full(items, 1 / items)] * (slots - 1)
    logging = Slotwise([rare, *even], requests=n)
    shown = logging.sample(slots, rng=np.random.default_rng(0))
    shown[:, 0] = np.where(shown[:, 0] == 0, 1, shown[:, 0])
    slates = LoggedSlates(shown, 0.5 * (shown == 0), np.arange(n))
    return logging, Slotwise([wanted, *even], requests=n), slates


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr", "iips", "rips", "pi", "shrinkage"])
@pytest.mark.parametrize("kind", ["slotwise", "mixture", "plackett_luce", "logged"])
def test_lists_that_were_too_rare_to_be_logged_are_refused(kind: str, estimator: str) -> None:
    """All 3,000 weights are about .0005 and alike: many effective lists, none of them wanted."""
    n = 3_000
    logging, target, shown = hidden_item(n)
    assert missing_support(logging, target, k=1, seed=0).lists == 0  # type: ignore[union-attr]
    told: dict[str, Any] = {
        "slotwise": logging,
        "mixture": Mixture([logging, logging], shares=[0.4, 0.6]),
        "plackett_luce": PlackettLuce(np.log(logging.slot_chances(1)[:, :, 0])),
        "logged": LoggedPropensities(logging.prefix(shown.items)),
    }
    for cap in (None, 10.0):
        with pytest.raises(OverlapError, match=r"a mean of 0\.0005.*none was logged"):
            evaluate_policy(
                shown,
                told[kind],
                target=target,
                estimators=[estimator],
                predictions=lambda slot: np.zeros((n, 200)),
                config=OpeConfig(cap=cap),
            )


def test_what_may_be_missing_is_not_counted_once_per_slot() -> None:
    """A fifth of each slot is missing: 1 - .8^3 of lists, .6 of the pseudo-inverse's mean."""
    n = 3_000
    logging = Slotwise([[0.5, 0.5, 0]] * 3, requests=n)
    target = Slotwise([[0.4, 0.4, 0.2]] * 3, requests=n)
    items = logging.sample(3, rng=np.random.default_rng(0))
    shown = LoggedSlates(items, np.ones(items.shape), np.arange(n))

    def found(share: float) -> Any:
        config = OpeConfig(most_missing_share=share)
        return evaluate_policy(shown, logging, target=target, estimators=["pi"], config=config)

    assert found(0.52).estimate("pi").mean_weight == pytest.approx(1 - 3 * 0.2)
    with pytest.raises(OverlapError, match=r"48\.|49\."):
        found(0.45)


def test_one_slot_that_was_too_rare_is_not_hidden_by_the_others() -> None:
    n, slots = 3_000, 30
    logging, target, shown = hidden_item(n, slots=slots)
    for estimator in ("iips", "rips", "pi"):
        with pytest.raises(OverlapError, match="none was logged"):
            evaluate_policy(shown, logging, target=target, estimators=[estimator])


def test_the_table_has_a_row_for_each_and_reasons_for_refusals() -> None:
    target = FixedLists(np.tile([0, 1, 2], (N, 1)), candidates=C)
    found = evaluate_policy(
        logs(uniform()), uniform(), target=target, estimators=["ips", "iips", "pi"]
    )
    table = found.to_frame().set_index("estimator")
    assert list(table.index) == ["iips", "ips", "pi"]
    assert table.loc["iips", "value"] == found.estimate("iips").value.point
    assert table.loc[["ips", "pi"], "value"].isna().all()
    assert "effective lists" in str(table.loc["ips", "refusal"])
    assert table.loc[["iips"], "refusal"].isna().all()
    assert found.lists == N
    assert found.k == L
    with pytest.raises(ConfigError, match="was asked"):
        found.estimate("rips")


def ask(**changes: Any) -> Any:
    told = {"slates": logs(uniform()), "logging": uniform(), "target": uniform(), **changes}
    return evaluate_policy(
        told.pop("slates"), told.pop("logging"), config=OpeConfig(least_effective_lists=1), **told
    )


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"k": 4}, ConfigError, "k up to 3"),
        ({"k": 0}, ConfigError, "at least 1"),
        ({"estimators": ["ips", "magic"]}, ConfigError, "'magic'"),
        ({"estimators": []}, ConfigError, "none"),
        ({"target": uniform(3)}, SchemaError, "3 requests"),
        ({"target": PlackettLuce(np.zeros((N, 2)))}, RowError, "from 0 to 1"),
        ({"logging": uniform(3)}, SchemaError, "3 requests"),
        ({"logging": LoggedPropensities([[0.5] * 3])}, SchemaError, "logged"),
        (
            {"logging": FixedLists(np.tile([0, 1, 2], (N, 1)), candidates=C)},
            OverlapError,
            "never shows",
        ),
        (
            {
                "logging": FixedLists(np.tile([0, 1, 2], (N, 1)), candidates=C),
                "target": FixedLists(np.tile([0, 1, 2], (N, 1)), candidates=C),
            },
            RowError,
            "propensity of 0",
        ),
        (
            {
                "logging": MonteCarlo(
                    lambda rng: uniform().sample(L, rng=rng),
                    requests=N,
                    candidates=C,
                    draws=60,
                    seed=0,
                ),
                "target": FixedLists(logs(uniform()).items, candidates=C),
                "estimators": ["iips"],
            },
            ConfigError,
            "Draw more often",
        ),
    ],
)
def test_bad_input_is_refused(
    changes: dict[str, Any], error: type[CausalRankerError], text: str
) -> None:
    with pytest.raises(error, match=text):
        ask(**changes)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("kind", ["slotwise", "plackett_luce", "uniform", "mixture"])
def test_lists_that_could_not_be_logged_are_refused_by_the_pseudo_inverse_too(
    kind: str, slots: int
) -> None:
    scores = np.where(np.arange(C) == 5, -np.inf, np.zeros((N, C)))
    uneven = scores + np.arange(C) / 5
    policies: dict[str, Any] = {
        "slotwise": Slotwise([[0.1, 0.2, 0.3, 0.2, 0.2, 0]] * slots, requests=N),
        "plackett_luce": PlackettLuce(uneven),
        "uniform": PlackettLuce(scores),
        "mixture": Mixture([PlackettLuce(scores), PlackettLuce(uneven)], shares=[0.5, 0.5]),
    }
    shown = PlackettLuce(scores).sample(slots, rng=np.random.default_rng(0))
    shown[7] = [5, 0, 1][:slots]
    with pytest.raises(RowError, match=r"propensity of 0 in 1 of 400 .* row 7"):
        evaluate_policy(
            LoggedSlates(shown, np.ones(shown.shape), np.arange(N)),
            policies[kind],
            target=PlackettLuce(scores),
            estimators=["pi"],
        )


def test_slates_are_checked() -> None:
    with pytest.raises(RowError, match="reward"):
        LoggedSlates(np.array([[0, 1]]), np.array([[0.0, np.nan]]), np.array([1]))
    with pytest.raises(SchemaError, match="one shape"):
        LoggedSlates(np.array([[0, 1]]), np.array([[0.0]]), np.array([1]))
    with pytest.raises(SchemaError, match="user"):
        LoggedSlates(np.array([[0, 1]]), np.array([[0.0, 1.0]]), np.array([1, 2]))
    with pytest.raises(SchemaError, match="second_cluster"):
        LoggedSlates(np.array([[0]]), np.array([[0.0]]), np.array([1]), np.array([1, 2]))


def test_long_tables_become_lists_in_any_order() -> None:
    shown = logs(uniform())
    request, slot = np.repeat(np.arange(N), L), np.tile(np.arange(1, L + 1), N)
    columns = {
        "item": shown.items.ravel(),
        "reward": shown.reward.ravel(),
        "user": np.repeat(shown.user, L),
    }
    order = np.random.default_rng(0).permutation(N * L)
    found = LoggedSlates.from_long(
        request[order],
        slot[order],
        second_cluster=np.repeat(np.arange(N) % 7, L)[order],
        **{name: values[order] for name, values in columns.items()},
    )
    np.testing.assert_array_equal(found.items, shown.items)
    np.testing.assert_array_equal(found.reward, shown.reward)
    np.testing.assert_array_equal(found.user, shown.user)
    np.testing.assert_array_equal(found.second_cluster, np.arange(N) % 7)
    assert len(found) == N
    with pytest.raises(RowError, match=r"slots 1 \.\. L"):
        LoggedSlates.from_long(request, slot + 1, **columns)
    with pytest.raises(RowError, match=r"slots 1 \.\. L"):
        LoggedSlates.from_long(
            request[1:], slot[1:], **{name: values[1:] for name, values in columns.items()}
        )
    with pytest.raises(RowError, match="one 'user'"):
        LoggedSlates.from_long(request, slot, **{**columns, "user": np.arange(N * L)})


@pytest.mark.slow
def test_intervals_hold_the_truth_and_forgetting_users_does_not() -> None:
    """300 draws at 95 %: 0.906 to 0.994 (3.5 binomial standard errors)."""
    draws, users, each = 300, 100, 3
    n = users * each
    held = dict.fromkeys(("ips", "snips", "iips", "rips", "cascade_dr"), 0)
    by_row = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        # a user's requests are alike in what is shown, and in what it brings; the new policy does
        # not know, so that its lists bring 0 on average
        taste, other = (np.repeat(rng.normal(size=(users, C)), each, axis=0) for _ in range(2))
        level = np.repeat(rng.normal(size=users), each)[:, None]
        logging, target = PlackettLuce(0.3 * taste), PlackettLuce(0.5 * other)
        items = logging.sample(2, rng=rng)
        reward = level + np.take_along_axis(taste, items, axis=1) + rng.normal(size=(n, 2))
        found = evaluate_policy(
            LoggedSlates(items, reward, np.arange(n) // each),
            logging,
            target=target,
            estimators=list(held),
            predictions=partial(np.multiply, taste),  # the slot number times the taste
        )
        for each_of in found.estimates:
            held[each_of.estimator] += each_of.value.low <= 0 <= each_of.value.high
        alone = evaluate_policy(
            LoggedSlates(items, reward, np.arange(n)), logging, target=target, estimators=["iips"]
        ).estimate("iips")
        by_row += alone.value.low <= 0 <= alone.value.high
    assert all(0.906 <= count / draws <= 0.994 for count in held.values()), held
    assert by_row / draws < 0.9


def test_every_estimator_answers_in_one_call() -> None:
    rng = np.random.default_rng(0)
    logging = PlackettLuce(0.3 * rng.normal(size=(N, C)))
    found = evaluate_policy(
        logs(logging),
        logging,
        target=uniform(),
        estimators=list(ESTIMATORS),
        predictions=lambda slot: np.ones((N, C)),
    )
    assert [each.estimator for each in found.estimates] == list(ESTIMATORS)
    independent = Slotwise([np.full(C, 1 / C)] * L, requests=N)
    assert evaluate_policy(logs(logging), independent, target=independent).estimates[
        0
    ].value.point == pytest.approx(logs(logging).reward.sum(axis=1).mean())
