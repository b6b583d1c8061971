"""Effect learners beside the true effects: five regimes, and real e-mails."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import Result
from benchmarks._peers import PEERS, peer_estimate
from benchmarks._pool import each_on_a_core
from causal_ranker.stats.curves import autoc
from causal_ranker.stats.hashing import uniform_hash
from causal_ranker.uplift.auto import AutoConfig, AutoLearner
from causal_ranker.uplift.base import Rows
from causal_ranker.uplift.factory import make_learner
from causal_ranker.worlds.known import learner_rows
from causal_ranker.worlds.regimes import REGIMES, regime
from causal_ranker.worlds.streaming import StreamingWorld

__all__ = ["DESCRIPTION", "SEEDS", "run"]

DESCRIPTION: Final = (
    "learners: true AUTOC and RMSE in five regimes, ours beside econml's, causalml's"
)
SEEDS: Final = "0 to 4"

Array = NDArray[np.float64]
#: AUTOC, RMSE and seconds.
_Figures = tuple[float, float, float]
#: Regime, seed and rows; what `auto` chose, and the figures of each learner.
_Draw = tuple[str, int, int]
_Told = tuple[str, dict[str, _Figures]]
_ROWS: Final = 20_000
_SEEDS: Final = 5
#: Our learners that are shown beside `auto`, with its nuisances.
_OURS: Final = ("s", "t", "x", "r", "dr")


def run(*, quick: bool) -> Result:
    """Train every learner on the same rows of each regime and judge it on other users' rows.

    Propensities are not told. AUTOC and RMSE are those of the true effects; `auto` is tied
    with the best where its mean AUTOC over seeds is no more than one standard error (of the
    paired difference) below: with the best of econml's and causalml's learners, and, which is
    more than was asked, with the best of all, among which are those that it chooses from.

    Parameters
    ----------
    quick : bool
        Two seeds of 4,000 rows of the first regime.

    Returns
    -------
    Result
        Figures ``regimes``, ``regimes_best_or_tied`` (of `auto` and the peers),
        ``regimes_best_or_tied_of_all``, and the ``table``.
    """
    regimes = REGIMES[:1] if quick else REGIMES
    seeds = range(2 if quick else _SEEDS)
    draws = [(name, seed, 4_000 if quick else _ROWS) for name in regimes for seed in seeds]
    found: dict[str, dict[str, list[_Figures]]] = {}
    chosen: dict[str, list[str]] = {}
    for (name, _, _), (winner, figures) in zip(draws, each_on_a_core(_judge, draws), strict=True):
        chosen.setdefault(name, []).append(winner)
        for learner, told in figures.items():
            found.setdefault(name, {}).setdefault(learner, []).append(told)
    lines: list[tuple[object, ...]] = []
    table: list[dict[str, object]] = []
    tied = {"peers": 0, "all": 0}
    for name, learners in found.items():
        means = {each: np.mean(values, axis=0) for each, values in learners.items()}
        best = max(means, key=lambda each: means[each][0])
        tied["peers"] += _no_worse(
            learners["auto"], learners[max(PEERS, key=lambda p: means[p][0])]
        )
        tied["all"] += _no_worse(learners["auto"], learners[best])
        for each, (area, rmse, seconds) in means.items():
            mark = "best" if each == best else ""
            lines.append((name, each, f"{area:.5f}", f"{rmse:.4f}", f"{seconds:.1f}", mark))
            table.append(
                {
                    "regime": name,
                    "learner": each,
                    "autoc": round(float(area), 6),
                    "rmse": round(float(rmse), 5),
                    "seconds": round(float(seconds), 2),
                    "autoc_by_seed": [round(value[0], 6) for value in learners[each]],
                }
            )
    return Result(
        columns=("regime", "learner", "true AUTOC", "RMSE", "seconds", ""),
        rows=lines,
        figures={
            "regimes": len(regimes),
            "regimes_best_or_tied": tied["peers"],
            "regimes_best_or_tied_of_all": tied["all"],
            "chosen": chosen,
            "table": table,
        },
        note=f"Means over {len(seeds)} seeds; auto better than or tied with the best peer in "
        f"{tied['peers']} of {len(regimes)}, and with the best of all in {tied['all']}. "
        "Seconds with one thread, another draw on each other core.",
    )


def _no_worse(auto: list[_Figures], other: list[_Figures]) -> bool:
    """Say whether mean AUTOC is at most a standard error of the paired difference below."""
    gap = np.array([b[0] - a[0] for a, b in zip(auto, other, strict=True)])
    return bool(gap.mean() <= gap.std(ddof=1) / np.sqrt(len(gap)))


def _judge(draw: _Draw) -> _Told:
    """Train every learner on one draw; return what `auto` chose, and each one's figures."""
    from joblib.externals.loky import get_reusable_executor

    warnings.simplefilter("ignore")  # of the packages beside ours
    name, seed, size = draw
    rows, later, tau = _draw(name, seed, rows=size)
    chosen: list[str] = []
    found: dict[str, _Figures] = {}
    for learner, estimate in _learners(seed, chosen).items():
        start = time.perf_counter()
        guess = estimate(rows, later)
        took = time.perf_counter() - start
        found[learner] = (autoc(guess, tau), float(np.sqrt(np.mean((guess - tau) ** 2))), took)
    # A worker that ends waits for the forests' idle workers, which wait for minutes.
    get_reusable_executor().shutdown(wait=True)
    return chosen[0], found


def _draw(name: str, seed: int, *, rows: int) -> tuple[Rows, NDArray[np.float32], Array]:
    """Draw training rows of one half of the users, and the rows of the others with the truth."""
    logs = StreamingWorld(regime(name, seed=seed)).simulate()
    ended = int((logs.candidates["horizon_end"] <= logs.log_end).sum())
    drawn = learner_rows(logs, rows=ended, seed=seed, logged=False)
    half = uniform_hash(drawn.user, salt=f"learners-{seed}") < 0.5
    rng = np.random.default_rng(seed)
    train = np.sort(rng.choice(np.flatnonzero(half), size=rows, replace=False))
    every = Rows(**{each.name: getattr(drawn, each.name) for each in fields(Rows) if each.init})
    # A request is one user's: folds of users hold its rows out together.
    chosen = replace(every.take(train), unit=every.user[train])
    return chosen, drawn.features[~half], drawn.tau[~half]


def _learners(seed: int, chosen: list[str]) -> dict[str, Callable[[Rows, Any], Array]]:
    settings = AutoConfig().learner

    def auto(rows: Rows, later: NDArray[np.float32]) -> Array:
        learner = AutoLearner(config=AutoConfig(), seed=seed).fit(rows)
        assert learner.league_ is not None
        chosen.append(learner.league_.chosen)
        return learner.predict(later).point

    def ours(name: str) -> Callable[[Rows, NDArray[np.float32]], Array]:
        return lambda rows, later: (
            make_learner(name, config=settings, seed=seed).fit(rows).predict(later).point
        )

    def peer(name: str) -> Callable[[Rows, NDArray[np.float32]], Array]:
        return lambda rows, later: peer_estimate(name, rows, later, seed=seed)

    return {
        "auto": auto,
        **{name: ours(name) for name in _OURS},
        **{name: peer(name) for name in PEERS},
    }
