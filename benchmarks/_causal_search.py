"""The search: random settings, judged on the second log as a log can judge, never by the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks._causal_draws import Given
from benchmarks._causal_features import PairTable
from benchmarks._causal_methods import CAP, METHODS, Chosen, Method, fitted
from benchmarks._causal_ranges import RANGES, TRIALS, drawn
from benchmarks._causal_tabular import tabular_scores
from causal_ranker.errors import ConfigError
from causal_ranker.seeds import stage_rng
from causal_ranker.uplift.collaborative.estimated import estimated_ranking

__all__ = ["FILE", "best_settings", "read_chosen", "searched", "write_chosen"]

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
    value = estimated_ranking(model.score_users, log, cap=CAP).cdcg().value
    epochs = getattr(model, "epochs_", None)
    return value, {} if epochs is None else {"epochs": int(epochs)}


def _tabular(
    method: Method, given: Given, tables: Sequence[PairTable], *, settings: Mapping[str, Any]
) -> tuple[float, dict[str, int]]:
    log = given.validate["estimated"]
    learn = stage_rng(given.seed, "causal_ranking/halves").random(log.n_users) < 0.5
    scores = tabular_scores(
        method.key, tables, log, settings=settings, seed=given.seed, users=learn
    )
    judged = estimated_ranking(lambda user: scores[user], log, cap=CAP).cdcg()
    return float(judged.by_user[~learn].mean()), {}


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
