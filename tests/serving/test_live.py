"""Versions that come and go under load, a share for the canary, and a shadow nobody sees."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.errors import BundleError, ConfigError, RowError
from causal_ranker.reranking.chained import ChainedPolicy
from causal_ranker.reranking.constrained import Constrained
from causal_ranker.reranking.draws import PlackettLuce
from causal_ranker.reranking.explore import Exploration
from causal_ranker.reranking.policies import BasePolicy, BlendPolicy
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.config import BreakerConfig, CanaryConfig, ServeConfig
from causal_ranker.serving.decisions.record import ShadowRecord
from causal_ranker.serving.forget import forget_in_models
from causal_ranker.serving.intake import take
from causal_ranker.serving.ranking import rank_request
from causal_ranker.serving.registry import Registry
from causal_ranker.serving.service import Service
from causal_ranker.serving.shadow import compare
from causal_ranker.serving.verify import UnverifiedError
from causal_ranker.serving.wire import RerankAnswer
from tests.serving.fakes import (
    SENT,
    Hang,
    MemoryLog,
    Versions,
    explode,
    request,
    running,
    stubbed,
    until,
    value,
)
from tests.serving.shop import Shop

PATIENT = ServeConfig(deadline_ms=20_000, poll_ms=5)


@pytest.fixture(scope="module")
def folders(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By version: one by uplift, one by base score; and one that was changed."""
    root = tmp_path_factory.mktemp("versions")
    found = {}
    for name, policy in (("uplift", shop.contents.policy), ("base", BasePolicy())):
        path = write_bundle(root / name, contents=replace(shop.contents, policy=policy))
        found[name] = path
    changed = write_bundle(root / "changed", contents=shop.contents)
    text = (changed / "uplift.txt").read_bytes()
    (changed / "uplift.txt").write_bytes(text.replace(b"leaf_value=", b"leaf_value=9", 1))
    limits = ChainedPolicy(BlendPolicy(0.5), (Constrained(slots=4, max_moves=1),))
    found["limits"] = write_bundle(root / "limits", contents=replace(shop.contents, policy=limits))
    return {**found, "changed": changed}


def versions(folders: dict[str, Path], now: str = "uplift") -> tuple[Versions, dict[str, str]]:
    """A registry, and what each of its versions is called."""
    called = {
        name: load_bundle(path).version for name, path in folders.items() if name != "changed"
    }
    called["changed"] = "changed"
    return Versions({called[name]: path for name, path in folders.items()}, called[now]), called


def by(answer: RerankAnswer) -> str:
    """Which of the two versions ordered a list."""
    uplift = all(each.score == each.uplift for each in answer.items)
    base = all(each.score == each.base_score for each in answer.items)
    assert uplift != base
    return "uplift" if uplift else "base"


def test_each_answer_carries_the_one_version_that_made_it(folders: dict[str, Path]) -> None:
    source, called = versions(folders)

    async def run() -> None:
        seen: list[str] = []
        over = False

        async def ask() -> None:
            while not over:
                got = await service.rerank(request())
                assert got.fallback is None
                assert got.version == called[by(got)]
                seen.append(got.version)
                await asyncio.sleep(0)

        async with running(Service(source, config=PATIENT)) as service:
            asking = [asyncio.create_task(ask()) for _ in range(3)]
            for turn in range(8):
                name = ("base", "uplift")[turn % 2]
                source.promote(called[name])
                await until(lambda name=name: service.version().version == called[name])  # type: ignore[misc]
                before = len(seen)
                await until(lambda before=before: len(seen) > before + 3)  # type: ignore[misc]
            over = True
            await asyncio.gather(*asking)
            assert value(service, "swaps_total") == 8
            assert value(service, "bad_versions_total") == 0
            assert value(service, "model_info", role="current", version=called["uplift"]) == 1
            assert value(service, "model_info", role="current", version=called["base"]) == 0
        assert set(seen) == {called["uplift"], called["base"]}

    asyncio.run(run())


def test_a_bad_version_is_told_once_and_changes_nothing(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    source, called = versions(folders)

    async def run() -> None:
        async with running(Service(source, config=PATIENT)) as service:
            source.promote("changed")
            await until(lambda: value(service, "bad_versions_total") == 1)
            await asyncio.sleep(0.05)
            assert value(service, "bad_versions_total") == 1  # not tried again
            assert source.verified == [called["uplift"], "changed"]
            assert (await service.rerank(request())).version == called["uplift"]
            assert service.not_ready() is None
            source.promote(called["base"])
            await until(lambda: value(service, "swaps_total") == 1)

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    alarms = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(alarms) == 1
    assert "goes on answering" in alarms[0].getMessage()


def test_a_version_that_cannot_be_verified_now_is_tried_again_after_a_while(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causal_ranker.serving.live._FIRST_PAUSE_S", 0.03)
    plain, called = versions(folders)
    tries: list[float] = []

    class Full(Versions):
        def verify(self, version: str) -> None:
            if version == called["base"]:
                tries.append(time.monotonic())
                if len(tries) < 4:
                    raise UnverifiedError(expected="a process", came="no memory", do="Wait.")

    source = Full(plain.paths, plain.now)

    async def run() -> None:
        async with running(Service(source, config=PATIENT)) as service:
            source.promote(called["base"])
            await until(lambda: value(service, "swaps_total") == 1)
            assert service.version().version == called["base"]
            assert value(service, "bad_versions_total") == 3
            await asyncio.sleep(0.05)
            assert len(tries) == 4

    asyncio.run(run())
    assert all(np.diff(tries) >= [0.03, 0.06, 0.12])


def test_a_version_that_fails_in_another_process_is_never_read_here(
    folders: dict[str, Path],
) -> None:
    class Crashing(Versions):
        def verify(self, version: str) -> None:
            super().verify(version)
            if version == self.bad:
                raise BundleError(expected="a bundle", came="a crash", do="Publish it again.")

        def path_of(self, version: str) -> Path:
            assert version != self.bad
            return super().path_of(version)

        bad = ""

    plain, called = versions(folders)
    source = Crashing(plain.paths, plain.now)
    source.bad = called["base"]

    async def run() -> None:
        async with running(Service(source, config=PATIENT)) as service:
            source.promote(called["base"])
            await until(lambda: value(service, "bad_versions_total") == 1)
            assert service.version().version == called["uplift"]

    asyncio.run(run())
    source.now = called["base"]
    with pytest.raises(BundleError, match="a crash"):
        asyncio.run(Service(source).start())


def test_a_version_that_cannot_be_explored_is_a_bad_one(folders: dict[str, Path]) -> None:
    source, called = versions(folders)
    drawn = Exploration(draw=PlackettLuce(temperature=1.0), slots=2)
    config = PATIENT.model_copy(update={"exploration": drawn})

    async def run() -> None:
        async with running(Service(source, config=config, log=MemoryLog())) as service:
            source.promote(called["limits"])  # its rules hold in four slots
            await until(lambda: value(service, "bad_versions_total") == 1)
            assert (await service.rerank(request())).explored

    asyncio.run(run())
    source.now = called["limits"]
    with pytest.raises(ConfigError, match="4 slots"):
        asyncio.run(Service(source, config=config, log=MemoryLog()).start())


def test_the_interpreter_is_left_as_it_was(bundle: Bundle) -> None:
    before = sys.getswitchinterval()
    gc.unfreeze()  # what the tests themselves had frozen

    async def run() -> None:
        async with running(Service(bundle, config=PATIENT)):
            assert sys.getswitchinterval() == pytest.approx(0.001)
            assert gc.get_freeze_count() > 10_000

    asyncio.run(run())
    assert sys.getswitchinterval() == before
    assert gc.get_freeze_count() == 0


def test_a_registry_that_cannot_be_read_is_read_again(folders: dict[str, Path]) -> None:
    source, called = versions(folders)

    class Away(Versions):
        broken = False

        def stamp(self) -> object:
            if self.broken:
                raise OSError("stale handle")
            return super().stamp()

    away = Away(source.paths, source.now)

    async def run() -> None:
        async with running(Service(away, config=PATIENT)) as service:
            away.broken = True
            away.promote(called["base"])
            await asyncio.sleep(0.05)
            assert (await service.rerank(request())).version == called["uplift"]
            away.broken = False
            await until(lambda: service.version().version == called["base"])

    asyncio.run(run())


def test_the_canary_answers_its_share_of_the_users(folders: dict[str, Path]) -> None:
    source, called = versions(folders)
    canary = CanaryConfig(version=called["base"], share=0.25)
    config = PATIENT.model_copy(update={"canary": canary})
    n = 600

    async def run() -> list[list[RerankAnswer]]:
        log = MemoryLog()
        async with running(Service(source, config=config, log=log)) as service:
            found = [
                [await service.rerank(request(user, k=1)) for user in range(n)] for _ in range(2)
            ]
            assert service.version().canary == called["base"]
            with pytest.raises(RowError, match="64 bits"):
                await service.rerank(request(1 << 90))
            by_role = value(service, "requests_total", role="canary")
            assert [each.canary for each in log.decisions].count(True) == by_role
            return found

    first, second = asyncio.run(run())
    mine = [answer.version == called["base"] for answer in first]
    assert mine == [answer.version == called["base"] for answer in second]
    assert {answer.version for answer in first} == {called["base"], called["uplift"]}
    assert abs(sum(mine) - n * 0.25) < 4.5 * np.sqrt(n * 0.25 * 0.75)


def test_the_shadow_is_scored_and_changes_nothing(folders: dict[str, Path]) -> None:
    source, called = versions(folders)
    config = PATIENT.model_copy(update={"shadow": called["base"]})

    async def run() -> None:
        async with running(Service(source, config=config)) as service:
            assert service.version().shadow == called["base"]
            for turn in range(3):
                got = await service.rerank(request(k=2))
                assert got.version == called["uplift"]
                assert by(got) == "uplift"
                await until(
                    lambda t=turn: value(service, "shadow_total", outcome="scored") == t + 1
                )  # type: ignore[misc]
            total = service.metrics.registry.get_sample_value
            assert total("causal_ranker_shadow_uplift_difference_sum") == 0  # the same model
            assert total("causal_ranker_shadow_changed_share_count") == 3

    asyncio.run(run())


def told(service: Service) -> list[str | None]:
    found = service.version()
    return [found.version, found.canary, found.shadow]


def test_canary_and_shadow_go_on_when_a_user_is_forgotten_in_them(
    shop: Shop, tmp_path: Path
) -> None:
    class Trusting(Registry):  # a process for each version would take its time
        def _verify(self, folder: Path) -> tuple[tuple[str, str], ...]:
            return ()

    registry = Trusting(tmp_path / "shop")
    beside = registry.publish(shop.contents)
    current = registry.publish(replace(shop.contents, policy=BasePolicy()))
    config = PATIENT.model_copy(
        update={"shadow": beside, "canary": CanaryConfig(version=beside, share=0.5)}
    )
    names = [beside]

    async def run() -> None:
        async with running(Service(registry, config=config)) as service:
            for user in (106, 105):
                fresh = await asyncio.to_thread(forget_in_models, tmp_path / "shop", {user})
                names.append(fresh[names[-1]])
                await until(lambda: told(service) == [registry.current(), names[-1], names[-1]])
                assert value(service, "model_info", role="canary", version=names[-2]) == 0
                assert value(service, "model_info", role="shadow", version=names[-1]) == 1
                got = [await service.rerank(request(each)) for each in range(100, 120)]
                assert {each.version for each in got} == {names[-1], registry.current()}
            assert value(service, "bad_versions_total") == 0
        async with running(Service(registry, config=config)) as service:  # by the name of before
            assert service.version().canary == service.version().shadow == names[-1]

    asyncio.run(run())
    assert current not in [each.version for each in registry.versions()]
    registry.promote(beside)
    assert registry.current() == names[-1]
    registry.rollback()
    assert registry.path_of(beside).name == names[-1]  # promoting forgets no name


def test_what_the_shadow_would_change(bundle: Bundle) -> None:
    asked = request(k=2)
    answered = rank_request(bundle, take(bundle, asked))
    other = stubbed(bundle, lambda X: -np.asarray(bundle.uplift.model.predict(X)))
    uplift = answered.uplift
    found = compare(other, asked, answered)
    assert found.uplift == pytest.approx(np.abs(2 * uplift).mean())
    mine = set(np.lexsort((answered.base_rank, -uplift))[:2])
    theirs = set(np.lexsort((answered.base_rank, uplift))[:2])
    assert found.changed == len(mine - theirs) / 2
    assert found.items == [answered.items[place] for place in np.argsort(uplift)[:2]]
    assert found.fallback is None
    assert compare(stubbed(bundle, explode), asked, answered).fallback == "model_error"


def test_the_shadow_s_lists_are_in_the_log_with_the_decision(folders: dict[str, Path]) -> None:
    source, called = versions(folders)
    config = PATIENT.model_copy(update={"shadow": called["base"]})

    async def run() -> None:
        log = MemoryLog()
        async with running(Service(source, config=config, log=log)) as service:
            got = await service.rerank(request(k=2))
            await until(lambda: value(service, "shadow_total", outcome="scored") == 1)
            assert await service.rerank(request(k=2, log=False))
            await until(lambda: value(service, "shadow_total", outcome="scored") == 2)
        assert [each for each in log.records if isinstance(each, ShadowRecord)] == [
            ShadowRecord(
                decision_id=got.decision_id or "",
                user_id=105,
                version=called["base"],
                items=["item-07", "never-seen"],
                score=[0.9, 0.5],
                fallback=None,
            )
        ]

    asyncio.run(run())


def test_a_user_whom_the_shadow_does_not_know_is_no_fault_of_it_and_in_no_log(
    shop: Shop, folders: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, _ = versions(folders)
    path = write_bundle(tmp_path / "less", contents=shop.contents)
    assert forget_in_models(path, {105})
    source.paths["less"] = path
    config = PATIENT.model_copy(
        update={"shadow": "less", "breaker": BreakerConfig(failures=2, open_ms=60_000)}
    )

    async def run() -> None:
        async with running(Service(source, config=config)) as service:
            for turn in range(4):
                sent = SENT if turn % 2 else None
                assert (await service.rerank(request(sent=sent))).fallback is None
                await until(
                    lambda n=turn + 1: value(service, "shadow_total", outcome="unknown") == n  # type: ignore[misc]
                )
            assert (await service.rerank(request(106))).fallback is None
            await until(lambda: value(service, "shadow_total", outcome="scored") == 1)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())
    assert "105" not in caplog.text


@pytest.mark.parametrize("hangs", [True, False])
def test_a_shadow_that_hangs_or_fails_delays_no_answer(
    folders: dict[str, Path], hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, called = versions(folders)
    config = PATIENT.model_copy(update={"shadow": called["base"], "abandoned": 1})
    hang = Hang()

    def broken(*_: Any) -> Any:
        return hang([0]) if hangs else explode(0)

    monkeypatch.setattr("causal_ranker.serving.shadow.compare", broken)

    async def run() -> None:
        async with running(Service(source, config=config)) as service:
            for _ in range(12):
                got = await service.rerank(request())
                assert got.fallback is None
            await until(
                lambda: (
                    sum(
                        value(service, "shadow_total", outcome=outcome)
                        for outcome in ("dropped", "failed")
                    )
                    + (4 if hangs else 0)
                    >= 12
                )
            )
            assert value(service, "shadow_total", outcome="scored") == 0
            assert hang.calls == (1 if hangs else 0)
            hang.released.set()

    asyncio.run(run())
