from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks._loop_log import decision_ids
from benchmarks._loop_service import CausalService
from benchmarks._loop_world import DAY, Audience, LoopWorld, Requests
from causal_ranker.columns import Columns as C
from causal_ranker.reranking.chained import score_lists
from causal_ranker.serving.config import ServeConfig
from causal_ranker.serving.service import Service
from causal_ranker.serving.wire import Candidate, RerankAnswer, RerankRequest
from causal_ranker.stats.plackett_luce import conditional_propensities, inclusion_propensities
from causal_ranker.worlds.config import WorldConfig

K = 4


@dataclass
class Played:
    world: LoopWorld
    service: CausalService
    days: list[tuple[Requests, NDArray[np.int64]]]
    now: Requests
    tables: Path


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    config = WorldConfig(
        users=250, items=50, days=8, candidates=12, slate_size=K, discovery_rate=0.2, seed=5
    )
    world = LoopWorld(config)
    audience = Audience(world)
    folder = tmp_path_factory.mktemp("loop")
    service = CausalService(world, folder=folder)
    days = []
    for day in range(4):
        requests = audience.requests(day)
        slate = service.choose(requests)
        service.told(requests, slate, served=audience.serve(requests, slate))
        days.append((requests, slate))
    service.retrain(day=4)
    return Played(world, service, days, audience.requests(4), folder / "compacted")


class Taken:
    """A log that hands out the ids it was given, and keeps what is written."""

    alive = True

    def __init__(self, ids: list[str]) -> None:
        self.ids, self.records = ids, list[Any]()

    def new_id(self) -> str:
        return self.ids.pop(0)

    def append(self, records: Sequence[Any]) -> Future[bool]:
        self.records += records
        written: Future[bool] = Future()
        written.set_result(True)
        return written

    def flush(self, timeout_s: float) -> None:
        del timeout_s


def test_a_day_at_once_is_what_the_service_answers(played: Played) -> None:
    bundle, requests = played.service.bundle, played.now
    assert bundle is not None
    assert len(requests) > 80
    lists, policy, exploration = played.service.asked(requests)
    assert policy == bundle.policy
    slate, drawn = played.service.choose(requests), played.service.propensity
    score = score_lists(policy, lists).reshape(requests.item.shape)
    some = range(0, len(requests), 7)
    ids = decision_ids(requests)
    log = Taken([ids[row] for row in some])
    config = ServeConfig(
        exploration=exploration, seed=played.world.config.seed, deadline_ms=60_000, log_ms=1_000
    )
    service = Service(bundle, config=config, log=log)

    async def ask() -> list[RerankAnswer]:
        await service.start()
        answers = []
        for row in some:
            pairs = zip(requests.item[row].tolist(), requests.base_score[row].tolist(), strict=True)
            offer = [Candidate(item_id=item, base_score=base) for item, base in pairs]
            user = int(requests.visits.user[row])
            answers.append(await service.rerank(RerankRequest(user_id=user, candidates=offer, k=K)))
        await service.stop()
        return answers

    for row, answer, record in zip(some, asyncio.run(ask()), log.records, strict=True):
        assert answer.fallback is None
        assert answer.explored
        assert answer.decision_id == record.decision_id == ids[row]
        shown = requests.item[row, slate[row]].tolist()
        assert [each.item_id for each in answer.items] == shown
        uplift = lists.uplift.reshape(requests.item.shape)[row, slate[row]]
        np.testing.assert_array_equal([each.uplift for each in answer.items], uplift)
        assert [each.propensity for each in answer.items] == pytest.approx(drawn[row].tolist())
        assert record.items == requests.item[row].tolist()
        assert record.shown == slate[row].tolist()
        assert record.constrained is False
        assert record.exploration == exploration.model_dump()
        np.testing.assert_allclose(record.score, score[row], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(record.propensity, drawn[row])


def test_exploration_changes_lists_and_mostly_follows_them(played: Played) -> None:
    lists, policy, _ = played.service.asked(played.now)
    score = policy.score(lists.base_score, lists.uplift, request=lists.request)  # type: ignore[union-attr]
    best = np.argsort(-score.reshape(played.now.item.shape), axis=1)[:, :K]
    slate = played.service.choose(played.now)
    kept = (slate[:, :, None] == best[:, None, :]).any(axis=2).mean()
    assert 0.6 < kept < 0.98


def test_the_log_says_what_was_done(played: Played) -> None:
    until = played.world.start + 4 * DAY
    tables = {
        name: pd.read_parquet(played.tables / name)
        for name in ("impressions", "plays", "candidates")
    }
    candidates = tables["candidates"].sort_values([C.T0, C.USER, C.ITEM])
    at = pd.Timestamp(until, unit="s", tz="UTC")
    assert tables["plays"][C.PLAYED_AT].max() < at
    assert tables["plays"][C.PLAYED_AT].max() > at - pd.Timedelta(hours=1)
    assert tables["plays"][C.PLAY].is_unique
    asked = [requests for requests, _ in played.days]
    assert len(candidates) == sum(each.item.size for each in asked)
    assert candidates[C.SHOWN].sum() == K * sum(map(len, asked)) == len(tables["impressions"])
    requests, slate = played.days[2]
    for row in range(0, len(requests), 13):
        user = int(requests.visits.user[row])
        t0 = pd.Timestamp(int(requests.visits.t0[row]), unit="s", tz="UTC")

        def of(table: pd.DataFrame, user: int = user, t0: pd.Timestamp = t0) -> pd.DataFrame:
            return table[(table[C.USER] == user) & (table[C.T0] == t0)]

        listed = of(candidates)
        assert listed[C.ITEM].tolist() == requests.item[row].tolist()
        assert listed[C.ASSIGNMENT_UNIT].nunique() == 1
        shown = of(tables["impressions"]).sort_values(C.POSITION)
        assert shown[C.ITEM].tolist() == requests.item[row, slate[row]].tolist()
        assert sorted(listed[C.ITEM][listed[C.SHOWN]]) == sorted(shown[C.ITEM])
        # round 0 draws by Plackett-Luce over base scores
        score = requests.base_score[row]
        np.testing.assert_allclose(
            listed[C.PROPENSITY], inclusion_propensities(score, K), atol=1e-6
        )
        given = conditional_propensities(score[None], slate[row][None])[0]
        np.testing.assert_allclose(shown[C.PROPENSITY], given, rtol=1e-9)


def test_the_snapshot_knows_every_user_and_item(played: Played) -> None:
    bundle = played.service.bundle
    assert bundle is not None
    assert bundle.snapshot.users.ids.tolist() == list(range(250))
    assert bundle.snapshot.items.ids.tolist() == list(range(50))
    assert bundle.snapshot.pairs.items.size > 100
