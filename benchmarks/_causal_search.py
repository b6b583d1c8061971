"""The search: random settings, judged on the second log as a log can judge, never by the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_draws import Given
from benchmarks._causal_features import PairTable
from benchmarks._causal_judge import ndcg, true_cdcg
from benchmarks._causal_logits import dense
from benchmarks._causal_methods import CAP, METHODS, OVERLAP, Chosen, Method, fitted
from benchmarks._causal_ranges import RANGES, TRIALS, drawn
from benchmarks._causal_tabular import labelled, prepared
from causal_ranker.errors import ConfigError
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.base import FactorModel
from causal_ranker.uplift.collaborative.estimated import estimated_cdcg
from causal_ranker.uplift.collaborative.interactions import Interactions

if TYPE_CHECKING:
    from causal_ranker.worlds.semisynthetic.pair_world import PairDraw

__all__ = ["FILE", "best_settings", "read_chosen", "searched", "write_chosen"]

Array = NDArray[np.float64]

#: What was found last, committed.
FILE: Final = Path(__file__).with_name("causal_ranking_chosen.json")


def searched() -> list[Method]:
    """List the methods with something to choose.

    Returns
    -------
    list of Method
        Pair models before tabular ones, whose columns are their scores.
    """
    found = [each for each in METHODS if each.key in RANGES and not each.both]
    return sorted(found, key=lambda each: each.tabular)


def best_settings(
    method: Method,
    given: Given,
    *,
    tables: Sequence[PairTable],
    trials: int = TRIALS,
    truth: PairDraw | None = None,
) -> dict[str, Any]:
    """Try random settings and keep those that do best on the second log, by what it tells.

    By estimated CDCG, or NDCG@10 of plays if the method is to rank by plays. One that is told is
    judged by the true CDCG of the second draw.

    A pair model is judged on the second log, by which it is also stopped early. A tabular learner
    learns from the second log: there, from half of the users, and it is judged on the others.

    Parameters
    ----------
    method : Method
        One of `searched`.
    given : Given
        Logs of a seed that no result is told of.
    tables : sequence of PairTable
        Of a tabular method; none of others.
    trials : int
        How many settings.
    truth : PairDraw, optional
        The second draw, for a method that is told.

    Returns
    -------
    dict
        "settings", "value" (CDCG or NDCG@10), and "epochs" of a method that is stopped
        early.
    """
    attempt = (
        _tabular(method, given, tables)
        if method.tabular
        else partial(_pair, method, given, truth=truth)
    )
    tried = []
    for trial in range(trials):
        settings = drawn(method.key, trial)
        try:
            tried.append({"settings": settings} | attempt(settings))
        except ConfigError:  # learning diverged
            continue
    return max(tried, key=lambda each: each["value"])


def _pair(
    method: Method, given: Given, settings: Mapping[str, Any], *, truth: PairDraw | None
) -> dict[str, Any]:
    model = fitted(method, given, settings=settings, truth=truth)
    log = given.validate["estimated"]
    users = np.arange(log.n_users)
    if method.accurate:
        first = np.argsort(-model.score_users(users), axis=1, kind="stable")[:, :10]
        return {"value": float(np.nanmean(ndcg(first, dense(log)[1])))}
    found = {
        "value": estimated_cdcg(model.score_users, log, cap=CAP, overlap=OVERLAP)
        if truth is None
        else true_cdcg(model.score_users(users), truth)
    }
    return found | ({"epochs": model.epochs_} if isinstance(model, FactorModel) else {})


def _tabular(
    method: Method, given: Given, tables: Sequence[PairTable]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Take half of the users to learn from; return what judges settings on the others."""
    log, table = given.validate["estimated"], tables[0]
    half = stage_rng(given.seed, "causal_ranking/halves").random(log.n_users) < 0.5
    learn, judge = np.flatnonzero(half), np.flatnonzero(~half)
    learner = prepared(
        method.key, labelled(table, log, users=learn, seed=given.seed), seed=given.seed
    )
    columns = table.features.reshape(log.n_users, log.n_items, -1)[judge]

    def attempt(settings: Mapping[str, Any]) -> dict[str, Any]:
        effect = learner(settings)(columns.reshape(-1, columns.shape[-1]))
        return {"value": _of_some(effect.reshape(judge.size, -1), judge, log)}

    return attempt


def _of_some(scores: Array, users: NDArray[np.int64], log: Interactions) -> float:
    """Estimate the CDCG of some users, of whom alone there are scores."""
    place = np.full(log.n_users, -1)
    place[users] = np.arange(users.size)
    kept = place[log.user] >= 0
    some = replace(
        log,
        n_users=users.size,
        user=place[log.user[kept]].astype(np.int32),
        **{name: getattr(log, name)[kept] for name in ("item", "exposed", "played", "propensity")},
    )
    return estimated_cdcg(lambda user: scores[user], some, cap=CAP, overlap=OVERLAP)


def read_chosen(world: str) -> Chosen:
    """Read what the latest search found.

    Parameters
    ----------
    world : str
        Of which world.

    Returns
    -------
    mapping
        For each method "settings", "value" and "epochs".
    """
    found: Chosen = json.loads(FILE.read_text("utf-8"))[world]
    return found


def write_chosen(found: Mapping[str, Chosen]) -> None:
    """Keep what a search found; other worlds' settings stay.

    Parameters
    ----------
    found : mapping of str to mapping
        By world.
    """
    before = json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}
    FILE.write_text(json.dumps(before | dict(found), indent=1, sort_keys=True) + "\n", "utf-8")
