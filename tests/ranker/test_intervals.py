"""Intervals from the logs to the lists that are served."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from causal_ranker.chain import width as module
from causal_ranker.ranker import CausalRanker
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.intake import take
from causal_ranker.serving.ranking import rank_request
from causal_ranker.serving.wire import Candidate, RerankRequest
from causal_ranker.uplift.intervals import HalfSampleConfig, HalfSampleIntervals
from tests.ranker.season import config, fit
from tests.ranker.shared import offer, small, told_ranker


def test_what_is_served_has_the_intervals_of_the_half_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[HalfSampleIntervals] = []
    learn = module.learn_width

    def keeping(teacher: HalfSampleIntervals, *rows: Any, **others: Any) -> Any:
        kept.append(teacher)
        return learn(teacher, *rows, **others)

    monkeypatch.setattr(module, "learn_width", keeping)
    past = small()[0]
    intervals = HalfSampleConfig(draws=8)
    ranker = fit(past, learner="dr", config=config(intervals=intervals))
    # everything else is as without intervals
    assert ranker.trained_.scorer.learner.model_.model_to_string() == (
        told_ranker().trained_.scorer.learner.model_.model_to_string()
    )
    assert told_ranker().trained_.width is None
    ranker.save(tmp_path / "model")
    bundle = load_bundle(tmp_path / "model")
    loaded = CausalRanker.load(tmp_path / "model")
    said, taught = [], []
    for user in past.candidates["user_id"].unique()[:60]:
        offered = offer(past.candidates, user)
        found = loaded.rerank(user, offered, at=past.log_end)
        assert found.interval is not None
        low, high = found.interval
        assert (low < found.uplift).all()
        assert (found.uplift < high).all()
        sent = [Candidate(item_id=item, base_score=score) for item, score in offered]
        request = RerankRequest(user_id=int(user), candidates=sent)
        ranked = rank_request(bundle, take(bundle, request))
        assert ranked.features is not None
        effect = kept[0].predict(ranked.features[np.argsort(ranked.rank)].astype(np.float32))
        assert effect.low is not None
        assert effect.high is not None
        np.testing.assert_allclose(found.uplift, effect.point, rtol=1e-6, atol=1e-9)
        said.append((high - low) / 2)
        taught.append((effect.high - effect.low) / 2)
    half, truth = np.concatenate(said), np.concatenate(taught)
    assert spearmanr(half, truth)[0] > 0.6
    assert np.abs(half - truth).mean() < 0.25 * truth.mean()
    assert half.mean() == pytest.approx(truth.mean(), rel=0.1)
