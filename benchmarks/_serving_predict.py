"""`rerank` in this process beside LightGBM's own predict on the same matrix, one thread each."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import lightgbm
import numpy as np

from benchmarks._shop import draw_requests, publish_shop, shop_contents
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle

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
        ``rerank_vs_predict``: ratio of the medians, the median and the worst of 3 runs, and of the
        processor's time, from which neighbours take nothing; the medians in milliseconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        bundle = load_bundle(publish_shop(Path(folder)))
    booster = lightgbm.Booster(model_str=shop_contents().uplift.text)
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
        runs.append((np.median(ours, axis=0), np.median(theirs, axis=0)))
    ratios = [mine / other for mine, other in runs]
    return {
        "rerank_vs_predict": statistics.median(float(wall) for wall, _ in ratios),
        "rerank_vs_predict_worst": max(float(wall) for wall, _ in ratios),
        "rerank_vs_predict_cpu": statistics.median(float(cpu) for _, cpu in ratios),
        "rerank_ms": statistics.median(float(mine[0]) for mine, _ in runs),
        "predict_ms": statistics.median(float(other[0]) for _, other in runs),
    }


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return milliseconds on the clock, and of the processor in all threads."""
    cpu, wall = process_time(), perf_counter()
    work()
    return (perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3
