"""How often intervals about scores and lists hold the truth, by simulation.

Scores are fixed: ours was learned on other users, the base recommender's follows what people play
anyway. What an interval must hold is the figure over all requests there could be.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from benchmarks._coverage import Fit, least_squares, linear
from benchmarks._lists import CANDIDATES, WORLDS, World, draw_lists, propensity
from benchmarks._regimes import Array, Drawn
from causal_ranker.errors import OverlapError
from causal_ranker.evaluation.compare import compare_policies
from causal_ranker.evaluation.ope.evaluate import evaluate_policy
from causal_ranker.evaluation.ope.slates import LoggedSlates
from causal_ranker.evaluation.ope.slotwise import Slotwise
from causal_ranker.evaluation.rows import EvaluationRows
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.stats.bands import paired_half_sample_bands
from causal_ranker.stats.curves import autoc, qini
from causal_ranker.stats.intervals import Interval
from causal_ranker.uplift.nuisance import NuisanceValues

__all__ = ["FIGURES", "REFUSED", "SNIPS", "coverage_of", "type_one"]

#: Draws whose weights look as if the new policy lacked support.
REFUSED: Final = "values refused"
#: The one figure that no outcome model is behind.
SNIPS: Final = "policy value, SNIPS"
#: What is estimated in each draw; policy values with the propensities that were logged.
FIGURES: Final = (
    "AUTOC",
    "QINI",
    "uplift@10",
    SNIPS,
    "policy value, DR",
    "AUTOC, ours minus base",
    "QINI, ours minus base",
    "uplift@10, ours minus base",
)
_K: Final = 10
_HALVES: Final = 400
_MANY_USERS: Final = 60_000


def coverage_of(name: str, fit: Fit, *, draws: int) -> dict[str, float]:
    """Count how often 95 % intervals hold the truth of a world.

    Parameters
    ----------
    name : str
        The world.
    fit : callable
        Cross-fitted nuisances of drawn lists.
    draws : int
        How many samples to draw.

    Returns
    -------
    dict of str to float
        For each of `FIGURES` the share of the draws that it was not refused in, and under
        `REFUSED` the share in which values of policies were.
    """
    world, rng, halves = WORLDS[name], np.random.default_rng(1), np.random.default_rng(3)
    truth = _truth(name)
    held: dict[str, list[bool]] = {figure: [] for figure in FIGURES}
    for _ in range(draws):
        drawn = draw_lists(world, rng)
        found = _intervals(name, drawn, fit(drawn), rng=halves)
        for figure, interval in found.items():
            held[figure].append(interval.low <= truth[figure] <= interval.high)
    return {figure: float(np.mean(times)) for figure, times in held.items()} | {
        REFUSED: 1 - len(held[SNIPS]) / draws
    }


def type_one(*, draws: int) -> dict[str, float]:
    """Count how often one of two scores of equal truth is called better than the other.

    Parameters
    ----------
    draws : int
        How many samples to draw.

    Returns
    -------
    dict of str to float
        Shares of draws whose 95 % interval of the difference leaves 0 out, 5 % expected.
    """
    world, rng, halves = WORLDS["even"], np.random.default_rng(2), np.random.default_rng(4)
    wrong = {"uplift@10": 0, "AUTOC": 0}
    for _ in range(draws):
        drawn = draw_lists(world, rng)
        scores = {"ours": drawn.x[:, 2], "base": drawn.x[:, 3]}
        found = _differences(drawn, _gamma(drawn, linear(drawn)), scores, rng=halves)
        for figure in wrong:
            interval = found[f"{figure}, ours minus base"]
            wrong[figure] += not interval.low <= 0 <= interval.high
    return {figure: times / draws for figure, times in wrong.items()}


def _gamma(drawn: Drawn, values: NuisanceValues) -> Array:
    return values.scores(drawn.treatment, drawn.outcome)


def _scores(name: str, drawn: Drawn) -> dict[str, Array]:
    return {"ours": drawn.x @ _learned(name), "base": drawn.x @ WORLDS[name].regime.organic}


@cache
def _learned(name: str) -> Array:
    """Fit a linear DR-learner on users of its own."""
    world = WORLDS[name]
    other = draw_lists(world, np.random.default_rng(7), users=5 * world.users)
    return least_squares(other.x, _gamma(other, linear(other)))


def _intervals(
    name: str, drawn: Drawn, values: NuisanceValues, *, rng: np.random.Generator
) -> dict[str, Interval]:
    scores = _scores(name, drawn)
    found = _differences(drawn, _gamma(drawn, values), scores, rng=rng)
    try:
        return found | _values(WORLDS[name], drawn, scores, values)
    except OverlapError:
        return found


def _differences(
    drawn: Drawn, gamma: Array, scores: dict[str, Array], *, rng: np.random.Generator
) -> dict[str, Interval]:
    """Estimate what the scores and their lists are worth, and how far apart they are."""
    second = None if drawn.unit is drawn.user else drawn.unit
    bands = paired_half_sample_bands(
        scores["ours"],
        scores["base"],
        gamma,
        drawn.user,
        second_cluster=second,
        draws=_HALVES,
        rng=rng,
        grid=[1.0],
    )
    ones = np.ones(gamma.size)
    lists = compare_policies(
        EvaluationRows(
            user=drawn.user,
            unit=drawn.unit,
            request=drawn.user,
            treatment=drawn.treatment,
            outcome=drawn.outcome,
            propensity=0.5 * ones,
            gamma=gamma,
            rank={key: rank_within(drawn.user, score) for key, score in scores.items()},
            sample_weight=ones,
            uplift=scores["ours"],
            base_score=scores["base"],
            requests=len(gamma) // CANDIDATES,
        ),
        k=_K,
    ).result("ours")
    return {
        "AUTOC": bands.first.autoc_interval,
        "QINI": bands.first.qini_interval,
        "uplift@10": lists.uplift,
        "AUTOC, ours minus base": bands.difference.autoc_interval,
        "QINI, ours minus base": bands.difference.qini_interval,
        "uplift@10, ours minus base": lists.difference,
    }


def _values(
    world: World, drawn: Drawn, scores: dict[str, Array], values: NuisanceValues
) -> dict[str, Interval]:
    """Estimate what showing the items of more than average effect would bring, per candidate."""
    shown = (scores["ours"] > world.regime.effect[0]).astype(np.float64)
    e = propensity(world, drawn.x)
    slates = LoggedSlates(
        items=drawn.treatment.astype(np.int64)[:, None],
        reward=drawn.outcome[:, None],
        user=drawn.user,
        second_cluster=None if drawn.unit is drawn.user else drawn.unit,
    )
    guess = np.column_stack([values.outcome_control, values.outcome_treated])
    found = evaluate_policy(
        slates,
        Slotwise([np.column_stack([1 - e, e])], requests=len(e)),
        target=Slotwise([np.column_stack([1 - shown, shown])], requests=len(e)),
        estimators=("snips", "dr"),
        predictions=lambda _: guess,
    )
    snips, robust = (each.value for each in found.estimates)
    return {SNIPS: snips, "policy value, DR": robust}


@cache
def _truth(name: str) -> dict[str, float]:
    """Return the figures over very many users."""
    world = WORLDS[name]
    everyone = draw_lists(world, np.random.default_rng(99), users=_MANY_USERS)
    scores = _scores(name, everyone)
    tau = everyone.tau
    ours, base = (
        {
            "AUTOC": autoc(score, tau),
            "QINI": qini(score, tau),
            "uplift@10": float(tau[rank_within(everyone.user, score) <= _K].mean()),
        }
        for score in (scores["ours"], scores["base"])
    )
    shown = scores["ours"] > world.regime.effect[0]
    value = everyone.x @ world.regime.organic + shown * tau
    found = ours | {f"{figure}, ours minus base": ours[figure] - base[figure] for figure in ours}
    return found | dict.fromkeys(FIGURES[3:5], float(value.mean()))
