"""`rerank` in this process beside LightGBM's own predict on the same matrix, one thread each."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import cast

import lightgbm
import numpy as np
from numpy.typing import NDArray

from benchmarks._shop import Asked, draw_requests, publish_shop, shop_contents
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle, load_bundle
from causal_ranker.serving.model import TextModel

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
    matrices = _read_by_the_model(bundle, asked)
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


def _read_by_the_model(bundle: Bundle, asked: Sequence[Asked]) -> list[NDArray[np.float64]]:
    """Let `rerank` answer, and keep the matrix that each request makes."""
    seen: list[NDArray[np.float64]] = []

    class Recorder:
        def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
            seen.append(X)
            return bundle.uplift.model.predict(X)

    model = cast(TextModel, Recorder())
    recorded = replace(bundle, uplift=replace(bundle.uplift, model=model))
    for each in asked:
        rerank(recorded, each.user, candidates=each.candidates)
    return seen


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return milliseconds on the clock, and of the processor in all threads."""
    cpu, wall = process_time(), perf_counter()
    work()
    return (perf_counter() - wall) * 1e3, (process_time() - cpu) * 1e3
