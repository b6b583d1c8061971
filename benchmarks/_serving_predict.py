"""`rerank` in this process beside LightGBM's own predict on the same matrix, one thread each."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import lightgbm
import numpy as np

from benchmarks._shop import draw_requests, shop_contents
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle, publish_bundle

__all__ = ["run"]


def run(*, quick: bool) -> dict[str, object]:
    """Time both in turn, request by request, so that a busy moment falls on both.

    Parameters
    ----------
    quick : bool
        100 requests instead of 3,000.

    Returns
    -------
    dict
        ``rerank_vs_predict``: ratio of the medians, the median and the worst of 3 runs; the medians
        in milliseconds.
    """
    contents = shop_contents()
    with tempfile.TemporaryDirectory() as folder:
        bundle = load_bundle(publish_bundle(Path(folder) / "shop", contents=contents))
    booster = lightgbm.Booster(model_str=contents.uplift.text)
    asked = draw_requests(50)
    matrices = []
    for each in asked:
        rows = np.array([bundle.snapshot.items.row(item) for item, _ in each.candidates])
        score = np.array([score for _, score in each.candidates])
        rank = rank_within(np.zeros(rows.size, dtype=np.int64), score)
        user = bundle.snapshot.users.row(each.user)
        matrices.append(bundle.uplift.plan.matrix(user, rows, base_score=score, base_rank=rank))
    runs = []
    for _ in range(1 if quick else 3):
        ours, theirs = [], []
        for turn in range(100 if quick else 1000):
            each, matrix = asked[turn % len(asked)], matrices[turn % len(asked)]
            theirs.append(_timed(partial(booster.predict, matrix, num_threads=1)))
            ours.append(_timed(partial(rerank, bundle, each.user, candidates=each.candidates)))
        mine, other = statistics.median(ours), statistics.median(theirs)
        runs.append((mine / other, mine * 1e3, other * 1e3))
    ratios, mine_ms, other_ms = zip(*runs, strict=True)
    return {
        "rerank_vs_predict": statistics.median(ratios),
        "rerank_vs_predict_worst": max(ratios),
        "rerank_ms": statistics.median(mine_ms),
        "predict_ms": statistics.median(other_ms),
    }


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start
