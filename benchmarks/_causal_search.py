"""The search: random settings, judged on the second log as a log can judge, never by the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks._causal_draws import Given
from benchmarks._causal_features import PairTable
from benchmarks._causal_methods import CAP, METHODS, Chosen, Method, fitted
from benchmarks._causal_ranges import RANGES, TRIALS, drawn
from benchmarks._causal_tabular import estimated, labelled
from causal_ranker.errors import ConfigError
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.estimated import estimated_cdcg
from causal_ranker.uplift.collaborative.interactions import Interactions

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
    method: Method, given: Given, *, tables: Sequence[PairTable], trials: int = TRIALS
) -> dict[str, Any]:
    """Try random settings and keep those of the highest estimated CDCG.

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

    Returns
    -------
    dict
        "settings", "estimated_cdcg", and "epochs" of a method that has them.
    """
    tried = []
    for trial in range(trials):
        settings = drawn(method.key, trial)
        try:
            value, epochs = (
                _tabular(method, given, tables[:1], settings=settings)
                if method.tabular
                else _pair(method, given, settings=settings)
            )
        except ConfigError:  # learning diverged
            continue
        tried.append({"settings": settings, "estimated_cdcg": value} | epochs)
    return max(tried, key=lambda each: each["estimated_cdcg"])


def _pair(
    method: Method, given: Given, *, settings: Mapping[str, Any]
) -> tuple[float, dict[str, int]]:
    model = fitted(method, given, settings=settings)
    log = given.validate[method.knows]
    value = estimated_cdcg(model.score_users, log, cap=CAP)
    epochs = getattr(model, "epochs_", None)
    return value, {} if epochs is None else {"epochs": int(epochs)}


def _tabular(
    method: Method, given: Given, tables: Sequence[PairTable], *, settings: Mapping[str, Any]
) -> tuple[float, dict[str, int]]:
    log = given.validate["estimated"]
    half = stage_rng(given.seed, "causal_ranking/halves").random(log.n_users) < 0.5
    learn, judge = np.flatnonzero(half), np.flatnonzero(~half)
    rows = labelled(tables[0], log, users=learn, seed=given.seed)
    known = tables[0].features.reshape(log.n_users, log.n_items, -1)[judge]
    effect = estimated(
        method.key,
        rows,
        [known.reshape(-1, known.shape[-1])],
        settings=settings,
        seed=given.seed,
    )
    return _of_some(effect.reshape(judge.size, -1), judge, log), {}


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
    return estimated_cdcg(lambda user: scores[user], some, cap=CAP)


def read_chosen(world: str) -> Chosen:
    """Read what the latest search found.

    Parameters
    ----------
    world : str
        Of which world.

    Returns
    -------
    mapping
        For each method "settings", "estimated_cdcg" and "epochs".
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
