"""Effect learners on real, randomised e-mails: areas under their curves, out of fold."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmarks import Result
from benchmarks._peers import PEERS, peer_estimate
from causal_ranker.logs.datasets.hillstrom import load_hillstrom
from causal_ranker.logs.sources import connect
from causal_ranker.stats.bands import half_sample_bands
from causal_ranker.uplift.auto import AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.crossfit import user_fold
from causal_ranker.uplift.factory import make_learner
from causal_ranker.uplift.nuisance import cross_fit

__all__ = ["DESCRIPTION", "SEEDS", "run"]

DESCRIPTION: Final = "hillstrom: out-of-fold AUTOC and Qini of every learner on randomised e-mails"
SEEDS: Final = "0; folds 1"

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]
_WORDS: Final = ("history_segment", "zip_code", "channel")
_NUMBERS: Final = ("recency", "history", "mens", "womens", "newbie")
_OURS: Final = ("s", "t", "x", "r", "dr")
_FOLDS: Final = 3
_DRAWS: Final = 400


def run(*, quick: bool) -> Result:
    """Judge every learner's out-of-fold estimates by doubly robust scores.

    The chance of an e-mail is known (one half beside no e-mail), and told to ours. An outcome is
    a visit within two weeks. Intervals are 95 %, from half-samples of customers; the ranking is
    taken as given.

    Parameters
    ----------
    quick : bool
        A tenth of the customers, one e-mail, and ours alone.

    Returns
    -------
    Result
        Figure ``table``: per 1,000 customers, for each e-mail and learner.

    Raises
    ------
    FileNotFoundError
        If the data set is not where ``CAUSAL_RANKER_DATA`` says.
    """
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CAUSAL_RANKER_DATA", default)) / "hillstrom"
    found = sorted(folder.glob("*.csv*"))
    if not found:
        raise FileNotFoundError(f"no Hillstrom file in {folder}; say where: CAUSAL_RANKER_DATA")
    logs = load_hillstrom(found[0], connect())
    visited = logs.plays.select("user_id", "item_id").distinct().to_pandas()
    offers = logs.candidates.to_pandas().merge(logs.users.to_pandas(), on="user_id")
    lines: list[tuple[object, ...]] = []
    table: list[dict[str, object]] = []
    for email in ("mens",) if quick else ("mens", "womens"):
        played = set(visited.loc[visited["item_id"] == email, "user_id"])
        rows = _rows(offers[offers["item_id"] == email], played, share=0.1 if quick else 1.0)
        config = AutoConfig().learner
        values = cross_fit(rows, config=config.nuisance, seed=0)
        scores = values.scores(rows.treatment, rows.outcome)
        fold = user_fold(rows.user, _FOLDS, seed=1)
        for name, estimate in _learners(peers=not quick).items():
            start = time.perf_counter()
            guess = np.empty(len(rows))
            for f in range(_FOLDS):
                held = np.flatnonzero(fold == f)
                part = rows.take(np.flatnonzero(fold != f))
                # Shares within the fold: levels of folds differ by chance, against their outcomes.
                guess[held] = (rankdata(estimate(part, rows.features[held])) - 0.5) / len(held)
            took = time.perf_counter() - start
            bands = half_sample_bands(
                guess,
                scores,
                rows.user,
                draws=_DRAWS,
                rng=np.random.default_rng(0),
                grid=[0.1, 0.5, 1.0],
            )
            areas = {"autoc": bands.autoc_interval, "qini": bands.qini_interval}
            texts = [
                f"{1000 * each.point:.1f} ({1000 * each.low:.1f} to {1000 * each.high:.1f})"
                for each in areas.values()
            ]
            lines.append((email, name, *texts, f"{took:.1f}"))
            told = {
                key: [round(1000 * value, 3) for value in (each.point, each.low, each.high)]
                for key, each in areas.items()
            }
            table.append({"email": email, "learner": name, **told})
    return Result(
        columns=("e-mail", "learner", "AUTOC", "Qini", "seconds"),
        rows=lines,
        figures={"table": table},
        note="Visits per 1,000 customers, with 95 % intervals; seeds 0. A constant effect has 0.",
    )


def _rows(offers: pd.DataFrame, played: set[int], *, share: float) -> Rows:
    offers = offers.sort_values("user_id").sample(frac=share, random_state=0).sort_index()
    codes = [pd.Categorical(offers[name]).codes for name in _WORDS]
    columns = [*(offers[name].to_numpy(np.float32) for name in _NUMBERS), *codes]
    user = offers["user_id"].to_numpy()
    return Rows(
        features=np.column_stack(columns).astype(np.float32),
        treatment=offers["shown"].to_numpy().astype(np.int8),
        outcome=offers["user_id"].isin(played).to_numpy().astype(np.int8),
        weight=np.ones(len(offers)),
        user=user,
        unit=user,
        propensity=offers["propensity"].to_numpy(np.float64),
        names=(*_NUMBERS, *_WORDS),
        categorical=_WORDS,
    )


def _learners(*, peers: bool) -> dict[str, Callable[[Rows, Matrix], Array]]:
    def auto(rows: Rows, later: Matrix) -> Array:
        return AutoLearner(config=AutoConfig(), seed=0).fit(rows).predict(later).point

    def ours(name: str) -> Callable[[Rows, Matrix], Array]:
        return lambda rows, later: (
            make_learner(name, config=AutoConfig().learner, seed=0).fit(rows).predict(later).point
        )

    def peer(name: str) -> Callable[[Rows, Any], Array]:
        return lambda rows, later: peer_estimate(name, rows, later, seed=0)

    theirs = {name: peer(name) for name in PEERS} if peers else {}
    return {"auto": auto, **{name: ours(name) for name in _OURS}, **theirs}
