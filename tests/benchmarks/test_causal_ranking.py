"""The benchmark of causal rankings: what judges, what is given, what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import _causal_search, causal_ranking
from benchmarks.__main__ import main
from benchmarks._causal_draws import Given, given
from benchmarks._causal_features import PairTable
from benchmarks._causal_judge import FIGURES, by_user, true_cdcg
from benchmarks._causal_logits import LogOdds
from benchmarks._causal_methods import (
    BOTH,
    CAP,
    EPOCHS,
    METHODS,
    ORACLE,
    OURS,
    OVERLAP,
    STACK,
    THEIRS,
    TOLD,
    Method,
    early_stop,
    fitted,
    scores,
)
from benchmarks._causal_ranges import RANGES, TRIALS, drawn
from benchmarks._causal_search import best_settings, searched
from benchmarks._causal_speed import Speed, generated_log
from benchmarks._causal_tables import Judged, compared
from benchmarks._causal_tabular import labelled
from benchmarks._causal_worlds import PUBLISHED, WORLDS, planted_world
from benchmarks._spent import Spent, spending
from causal_ranker.stats.rank_metrics import cdcg, cp_at_k
from causal_ranker.uplift.collaborative.base import FactorModel
from causal_ranker.uplift.collaborative.dlce import DLCE, DLCEConfig
from causal_ranker.uplift.collaborative.estimated import estimated_cdcg
from causal_ranker.uplift.collaborative.interactions import from_dense
from causal_ranker.worlds.semisynthetic.pair_world import PairDraw, PairWorld

Array = NDArray[np.float64]
SPEEDS = {"sgd_pairs_per_s", "ml1m_seconds", "sgd_step_ns", "sgd_step_near_ns"}


@pytest.fixture(scope="module")
def world() -> PairWorld:
    return planted_world("grocery", users=40, items=130)


@pytest.fixture(scope="module")
def known(world: PairWorld) -> Given:
    train, validate, _ = world.draw_three(seed=1)
    return given(train, validate, world=world, seed=1)


def test_users_are_judged_by_the_metrics_of_the_package(world: PairWorld) -> None:
    draw = world.draw(seed=0)
    guess = np.random.default_rng(0).normal(size=world.propensity.shape).astype(np.float32)
    found = by_user(guess, draw, rng=np.random.default_rng(1))
    users, items = guess.shape
    rank = (np.argsort(np.argsort(-guess, axis=1), axis=1) + 1).reshape(-1)
    request = np.repeat(np.arange(users), items)
    tau = draw.effect.reshape(-1)
    expected = (
        cp_at_k(tau, rank, request, k=10),
        cp_at_k(tau, rank, request, k=100),
        cdcg(tau, rank, request),
    )
    np.testing.assert_allclose(found[:, :3].mean(axis=0), expected, rtol=1e-12)
    for user in range(users):
        order = np.argsort(-guess[user])
        gains = [draw.played[user, item] / np.log2(2 + place) for place, item in enumerate(order)]
        best = sum(1 / np.log2(2 + place) for place in range(min(10, draw.played[user].sum())))
        assert found[user, 3] == pytest.approx(sum(gains[:10]) / best)


def test_who_played_nothing_has_no_ndcg_and_ties_are_broken_by_lot() -> None:
    some = np.zeros((500, 12), dtype=bool)
    some[1:, 0] = True
    draw = PairDraw(np.ones_like(some), some, np.zeros_like(some))
    found = by_user(np.zeros(some.shape, np.float32), draw, rng=np.random.default_rng(0))
    assert np.isnan(found[0, 3])
    assert not np.isnan(found[1:]).any()
    # the first item is among ten of twelve for five users in six, not for all
    assert found[1:, 0].mean() * 10 == pytest.approx(10 / 12, abs=4 * np.sqrt(10 / 144 * 2 / 499))
    with pytest.raises(ValueError, match="1 scores"):
        by_user(np.full((1, 1), np.nan, np.float32), draw, rng=np.random.default_rng(0))


def test_what_a_step_needs_is_measured() -> None:
    with spending() as nothing:
        pass
    with spending() as spent:
        sum(range(200_000))
        np.ones(20_000_000).sum()
    if np.isnan(spent.peak):
        pytest.skip("the system does not tell of peaks")
    assert 140 < spent.peak < 200
    assert nothing.peak < 5
    assert 0 <= nothing.seconds < spent.seconds < 30
    both = Spent(1.0, 5.0) + Spent(2.0, 3.0)
    assert (both.seconds, both.peak) == (3.0, 5.0)


def test_no_method_is_given_what_did_not_happen(world: PairWorld) -> None:
    draws = [world.draw(seed=seed) for seed in (1, 2)]
    hidden = [
        replace(
            each,
            played_if_shown=each.played_if_shown ^ ~each.exposed,
            played_if_not=each.played_if_not ^ each.exposed,
        )
        for each in draws
    ]
    assert not np.array_equal(hidden[0].effect, draws[0].effect)
    first, second = (given(*each, world=world, seed=0) for each in (draws, hidden))
    for part in ("train", "validate"):
        for kind in ("true", "estimated"):
            one, other = (getattr(each, part)[kind] for each in (first, second))
            for name in ("user", "item", "exposed", "played", "propensity"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    true, estimated = first.train["true"], first.train["estimated"]
    chance = world.propensity[true.user, true.item]
    np.testing.assert_array_equal(true.propensity, chance.astype(np.float64))
    assert not np.array_equal(estimated.propensity, true.propensity)
    assert estimated.propensity.mean() == pytest.approx(true.propensity.mean(), abs=0.05)


def test_labels_are_of_the_second_log_and_weigh_what_they_stand_for(
    known: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks._causal_tabular._SAMPLED", 300)
    log = known.validate["estimated"]
    pairs = log.n_users * log.n_items
    table = PairTable(np.arange(pairs, dtype=np.float32)[:, None], ("pair",))
    users = np.array([3, 5, 20, 21, 22, 30, 39])
    rows = labelled(table, log, users=users, seed=0)
    pair = rows.features[:, 0].astype(int)
    np.testing.assert_array_equal(rows.user, pair // log.n_items)
    assert set(rows.user) == set(users)
    t, y = np.zeros((2, pairs), dtype=bool)
    t[log.keys], y[log.keys] = log.exposed, log.played
    np.testing.assert_array_equal(rows.treatment, t[pair])
    np.testing.assert_array_equal(rows.outcome, y[pair])
    assert (np.diff(pair) > 0).all()
    mine = np.isin(np.arange(pairs) // log.n_items, users)
    assert rows.outcome.sum() == y[mine].sum()
    assert (rows.weight[rows.outcome == 1] == 1).all()
    for arm in (0, 1):
        without = mine & ~y & (t == arm)
        kept = (rows.treatment == arm) & (rows.outcome == 0)
        assert rows.weight[kept].sum() == pytest.approx(without.sum(), rel=0.2)


@pytest.mark.parametrize("method", searched(), ids=lambda each: each.searched)
def test_every_draw_of_the_ranges_is_a_setting(method: Method, known: Given) -> None:
    tried = [drawn(method.key, trial) for trial in range(3)]
    assert tried[0] == drawn(method.key, 0)
    assert tried[0] != tried[1]
    assert all(settings.keys() == RANGES[method.key].keys() for settings in tried)
    if not method.tabular:
        model = fitted(method, known, settings=tried[0])
        assert model.score_users(np.arange(3)).shape == (3, known.train["true"].n_items)


def test_a_pair_model_keeps_what_the_second_log_says_is_best(known: Given) -> None:
    method = next(each for each in METHODS if each.name == THEIRS)
    tried = [best_settings(method, known, tables=[], trials=count) for count in (1, 2)]
    second = fitted(method, known, settings=drawn(method.key, 1))
    assert isinstance(second, DLCE)
    best = tried[1]
    assert best["value"] == max(tried[0]["value"], *second.history_.values())
    model = fitted(method, known, settings=best["settings"])
    assert isinstance(model, DLCE)
    assert best["epochs"] == model.epochs_
    assert best["value"] == max(model.history_.values())
    log = known.validate["estimated"]
    assert best["value"] == estimated_cdcg(model.score_users, log, cap=CAP, overlap=OVERLAP)


@pytest.mark.parametrize("name", TOLD)
def test_who_is_told_keeps_what_the_truth_says_is_best(
    name: str, world: PairWorld, known: Given
) -> None:
    method = next(each for each in METHODS if each.name == name)
    second = world.draw_three(seed=1).validate
    best = best_settings(method, known, tables=[], trials=2, truth=second)
    model = fitted(method, known, settings=best["settings"], truth=second)
    assert isinstance(model, FactorModel)
    assert best["epochs"] == model.epochs_
    assert best["value"] == max(model.history_.values())
    guess = model.score_users(np.arange(known.train["true"].n_users))
    judged = by_user(guess, second, rng=np.random.default_rng(0))[:, 2].mean()
    assert best["value"] == pytest.approx(judged) == true_cdcg(guess, second)
    told = scores(method, known, tables=[], chosen={method.searched: best}, truth=second)
    np.testing.assert_array_equal(told, guess)
    # Another truth is obeyed, too: it is what was told, not what the log says, that chooses.
    turned = replace(
        second, played_if_shown=second.played_if_not, played_if_not=second.played_if_shown
    )
    assert best_settings(method, known, tables=[], trials=2, truth=turned)["value"] != best["value"]


def test_nothing_of_ours_is_told() -> None:
    assert {each.name for each in METHODS if each.told} == set(TOLD)
    assert not {OURS, STACK, THEIRS, BOTH} & set(TOLD)


def test_both_logs_are_learned_from_and_each_stops_the_other(known: Given) -> None:
    both = next(each for each in METHODS if each.both)
    settings = {"factors": 3, "learning_rate": 0.02}
    found = scores(both, known, tables=[], chosen={"dlce_true": {"settings": settings}})
    users = np.arange(len(found))
    logs = known.train, known.validate
    alone = []
    for learned, other in (logs, logs[::-1]):
        model = DLCE(config=DLCEConfig(**settings, epochs=EPOCHS), seed=known.seed)
        model.fit(learned["true"], early=early_stop(other["estimated"]))
        alone.append(model.score_users(users))
    assert not np.allclose(*alone)
    np.testing.assert_array_equal(found, (alone[0] + alone[1]) / 2)


def test_every_method_is_judged_and_stopped_by_the_same_estimate(known: Given) -> None:
    """With true propensities the estimate would leave out what they say is always shown."""
    true = next(each for each in METHODS if each.name == THEIRS)
    blind = replace(known, validate={"estimated": known.validate["estimated"]})
    found = fitted(true, blind, settings={"factors": 3})
    same = fitted(true, known, settings={"factors": 3})
    users = np.arange(known.train["true"].n_users)
    np.testing.assert_array_equal(found.score_users(users), same.score_users(users))
    assert best_settings(true, blind, tables=[], trials=1)["value"] > 0


def test_log_odds_are_those_of_their_pairs() -> None:
    rng = np.random.default_rng(0)
    shape = (150, 80)
    user, item = rng.normal(size=(shape[0], 1)), rng.normal(size=(1, shape[1]))
    exposed = rng.random(shape) < 0.5
    chance = {
        "played_if_shown": 1 / (1 + np.exp(-user - item)),
        "played_if_not": 1 / (1 + np.exp(2 + user * item)),
    }
    played = rng.random(shape) < np.where(exposed, *chance.values())
    log = from_dense(exposed, played)
    everyone = np.arange(shape[0])
    for of in ("played_if_shown", "played_if_not"):
        model = LogOdds(of, seed=0).fit(log)  # type: ignore[arg-type]
        odds = model.score_users(everyone)
        truth = np.log(chance[of] / (1 - chance[of]))
        assert np.corrcoef(odds.reshape(-1), truth.reshape(-1))[0, 1] > 0.75
        item_of = everyone % shape[1]
        np.testing.assert_allclose(
            model.score(everyone, item_of), odds[everyone, item_of], rtol=1e-4, atol=1e-5
        )
        arm = exposed if of == "played_if_shown" else ~exposed
        assert (1 / (1 + np.exp(-odds)))[arm].mean() == pytest.approx(played[arm].mean(), abs=0.02)


def judged(seed: int, lift: float) -> Judged:
    """Figures of 200 users who differ a lot, and whom ours lifts a little."""
    own = np.random.default_rng(0).normal(size=(200, 1)) * np.ones((1, 4))
    noise = np.random.default_rng(seed).normal(size=(200, 4)) * 0.05
    names = dict.fromkeys(("random", "cause", "bpr", "mf", "popularity", THEIRS, *TOLD), 0.0)
    gains = {**names, OURS: lift, STACK: 0.02, BOTH: 0.05, ORACLE: 2 * lift}
    figures = {name: own + gain + (name == OURS) * noise for name, gain in gains.items()}
    figures["mf"][:, 3] = np.nan
    figures["mf"][seed, 3] = 1.0
    spent = {name: Spent(1.0 + seed, 10.0 * seed) for name in figures if name != ORACLE}
    return Judged(figures, spent)


def test_differences_are_paired_by_user(world: PairWorld) -> None:
    speed = Speed(
        10,
        20,
        exposures=30,
        plays=40,
        pairs_per_s=1e7,
        seconds=2.5,
        epochs=3,
        steps_ns=70,
        near_ns=50,
    )
    told = compared([(world, [judged(1, 0.1), judged(2, 0.1)])], speed=speed)
    assert all(len(row) == len(told.columns) for row in told.rows)
    assert ("bpr, published", "0.0301", "0.0138", "0.8983", "", "", "") in told.rows
    figures: dict[str, Any] = dict(told.figures)["grocery"]  # type: ignore[assignment]
    assert figures["oracle_gain_share"] == pytest.approx(0.5, abs=0.05)
    for name in ("cp10", "cdcg"):
        gap = figures[f"ours_{name}"] - figures[f"dlce_true_{name}"]
        assert figures[f"{name}_diff"] == pytest.approx(gap)
        # users differ by 1: unpaired, an interval would be wider than the gap
        assert 0.08 < figures[f"{name}_diff_low"] < gap
        both = figures["beside"][f"{OURS}, over {BOTH}"]
        assert both[f"{name}_diff"] == pytest.approx(gap - 0.05)
        assert both[f"{name}_diff_low"] == pytest.approx(figures[f"{name}_diff_low"] - 0.05)
        assert figures["beside"][f"{STACK}, over {THEIRS}"][f"{name}_diff"] == pytest.approx(0.02)
    line = next(line for line in figures["table"] if line["method"] == "mf")
    assert line["seconds"] == 2.5
    assert line["peak_mb"] == 20.0
    assert line["NDCG@10"][0] == pytest.approx(1.0)  # of the two users who have one
    assert (told.figures["sgd_pairs_per_s"], told.figures["ml1m_seconds"]) == (10_000_000, 2.5)
    assert "on a log of 10 users, 20 items, 30 exposures and 40 plays" in told.note
    alone = compared([], speed=speed)
    assert alone.figures.keys() == SPEEDS
    assert alone.note.startswith("DLCE, 100 factors")
    assert "(100 ns a pair: steps 70 ns, of which 50 ns where memory" in alone.note
    assert compared([], speed=None).figures == {}


def test_settings_of_every_method_and_world_are_kept() -> None:
    kept = json.loads(_causal_search.FILE.read_text("utf-8"))
    assert kept.keys() == WORLDS.keys() == PUBLISHED.keys()
    for chosen in kept.values():
        assert chosen.keys() == {method.searched for method in searched()}
        for method in searched():
            assert chosen[method.searched]["settings"] in [
                drawn(method.key, trial) for trial in range(TRIALS)
            ]


def test_a_quick_run_tells_all_and_a_quick_search_keeps_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = _causal_search.FILE.read_bytes()
    assert main(["causal_ranking", "--quick"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["sgd_pairs_per_s"] > 1e4
    assert 0 < told["ml1m_seconds"] < 60
    figures = told["grocery"]
    asked = {"ours_cp10", "dlce_true_cp10", "cp10_diff_low", "ours_cdcg", "dlce_true_cdcg"}
    assert asked | {"cdcg_diff_low", "oracle_gain_share"} <= figures.keys()
    names = [line["method"] for line in figures["table"]]
    assert names == [*(method.name for method in METHODS), ORACLE]
    best = max(figures["table"], key=lambda line: line["CDCG"][0])
    assert best["method"] == ORACLE
    assert all(line[name][1] < line[name][0] for line in figures["table"] for name in FIGURES)
    assert main(["causal_ranking", "--quick", "--part", "speed"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told.keys() == {"benchmark", "part", "quick"} | SPEEDS
    assert main(["causal_ranking", "--search", "--quick", "--part", "films"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["chosen"].keys() == {"films"}
    assert told["chosen"]["films"].keys() == {method.searched for method in searched()}
    assert _causal_search.FILE.read_bytes() == before
    monkeypatch.setattr(_causal_search, "FILE", tmp_path / "kept.json")
    _causal_search.write_chosen(told["chosen"])
    _causal_search.write_chosen({"grocery": told["chosen"]["films"]})
    assert _causal_search.read_chosen("films") == told["chosen"]["films"]


def test_a_benchmark_without_settings_has_nothing_to_search(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["import_time", "--search"]) == 2
    assert "leave --search out" in capsys.readouterr().err
    assert tuple(causal_ranking.parts()) == (*WORLDS, "speed")


def test_a_log_is_made_up_of_the_size_asked_for() -> None:
    one, other = (
        generated_log(300, 200, exposures=3000, draw=draw) for draw in ("train", "validate")
    )
    assert (one.n_users, one.n_items) == (300, 200)
    for log in (one, other):
        assert log.exposed.sum() == pytest.approx(3000, abs=5 * np.sqrt(3000))
        assert log.played.sum() == pytest.approx(3000, rel=0.3)
        shown, rest = (log.played[log.exposed == arm].sum() for arm in (True, False))
        assert min(shown, rest) > 300
    assert not np.array_equal(one.keys, other.keys)
