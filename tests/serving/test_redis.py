"""Redis that is slow, gone, empty or wrong: the base order and why, never another's features."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from causal_ranker.cli import main
from causal_ranker.errors import ConfigError, UpstreamError
from causal_ranker.reranking.policies import BasePolicy
from causal_ranker.serving import redis_push
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.config import BreakerConfig, ServeConfig
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.forget import forget, forget_in_models
from causal_ranker.serving.redis_keys import VersionKeys, connect, field
from causal_ranker.serving.redis_push import forget_features, push_features
from causal_ranker.serving.redis_store import RedisFeatureStore
from causal_ranker.serving.registry import Registry
from causal_ranker.serving.service import Service
from tests.serving.fakes import BASE_ORDER, request, running, until, value
from tests.serving.redis_server import RedisServer, free_port, redis_server
from tests.serving.shop import ITEM_IDS, Shop

SENT = [("item-03", 0.2), ("item-07", 0.9), ("item-00", 0.2), ("never-seen", 0.5)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running_server:
        yield running_server


def store_of(bundle: Bundle, url: str, *, timeout_ms: float = 5_000) -> RedisFeatureStore:
    client = connect(url, timeout_s=timeout_ms / 1_000)
    return RedisFeatureStore(client, version=bundle.version, layout=bundle.snapshot.layout)


def behind(bundle: Bundle, url: str, *, timeout_ms: float = 5_000) -> Bundle:
    return replace(bundle, store=store_of(bundle, url, timeout_ms=timeout_ms))


def keys_of(bundle: Bundle) -> VersionKeys:
    return VersionKeys(bundle.version, bundle.snapshot.layout.digest)


def assert_base_order(bundle: Bundle) -> None:
    got = rerank(bundle, 105, candidates=SENT)
    assert got.fallback == "feature_store_error"
    assert list(got.items) == BASE_ORDER
    assert np.isnan(got.uplift).all()


def test_a_server_that_is_gone_costs_the_list_and_not_the_answer(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    there = behind(bundle, f"redis://:secret@127.0.0.1:{free_port()}/0")
    with caplog.at_level(logging.WARNING):
        assert_base_order(there)
    assert bundle.counts.fallbacks == {"feature_store_error": 1}
    assert "Connection refused" in caplog.text
    assert "secret" not in caplog.text
    assert "105" not in caplog.records[0].getMessage()
    own = rerank(there, 105)  # without base scores, too
    assert own.fallback == "feature_store_error"
    assert own.items == tuple(ITEM_IDS)
    assert np.isnan(own.base_score).all()


def test_a_server_that_hangs_is_late_and_mixes_up_nothing(
    bundle: Bundle, server: RedisServer
) -> None:
    push_features(server.url, bundle=bundle)
    store = store_of(bundle, server.url, timeout_ms=300)
    for user in (105, 106):
        assert store.read(user, ["item-00"]).user is not None  # the connection is open
    client = server.client()
    before = client.info("stats")["total_connections_received"]
    server.hang()
    try:
        for user in (107, 108):
            began = time.monotonic()
            with pytest.raises(UpstreamError, match="TimeoutError"):
                store.read(user, ["item-01"])
            assert 0.25 < time.monotonic() - began < 10.0
    finally:
        server.go_on()
    # Each was asked once: the second on a connection of its own, as the first one's was given up.
    assert client.info("stats")["total_connections_received"] - before == 1
    # Answers to what was given up come late, on connections that nobody reads from any more.
    patient = replace(bundle, store=store_of(bundle, server.url))
    for user in range(100, 140):
        for each in (store, patient.store):
            assert each is not None
            rows = _patiently(each, user)
            assert rows.tobytes() == bundle.snapshot.users.values[user - 100].tobytes()


def _patiently(store: Any, user: int) -> Any:
    for _ in range(100):
        try:
            rows = store.read(user, ["item-02"])
        except UpstreamError:  # 300 ms may be short on a busy machine
            continue
        assert rows.user is not None
        return rows.user
    raise AssertionError("no answer in 100 tries")


def test_a_connection_that_was_closed_is_opened_again(
    bundle: Bundle, server: RedisServer, tmp_path: Path
) -> None:
    push_features(server.url, bundle=bundle)
    there = behind(bundle, server.url)
    assert rerank(there, 105, candidates=SENT).fallback is None
    server.stop()
    assert_base_order(there)
    with redis_server(tmp_path, port=server.port):
        assert_base_order(there)  # it came back with nothing in it
        push_features(server.url, bundle=bundle)
        got = rerank(there, 105, candidates=SENT)
        assert got.records() == rerank(bundle, 105, candidates=SENT).records()
        # The very next request after a server hung up is answered.
        server.client().client_kill_filter(_type="normal", skipme=True)
        assert rerank(there, 105, candidates=SENT).fallback is None


def test_a_password_is_asked_for_and_told_nobody(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server(tmp_path, "--requirepass", "open sesame") as server:
        right = f"redis://:open%20sesame@127.0.0.1:{server.port}/0"
        push_features(right, bundle=bundle)
        assert rerank(behind(bundle, right), 105, candidates=SENT).fallback is None
        for wrong in (server.url, f"redis://:sesame@127.0.0.1:{server.port}/0"):
            with caplog.at_level(logging.WARNING):
                assert_base_order(behind(bundle, wrong))
            with pytest.raises(UpstreamError, match="takes the features") as caught:
                push_features(wrong, bundle=bundle)
            assert "sesame" not in str(caught.value)
        assert "sesame" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "somewhere",
        "http://127.0.0.1",
        "redis://:pass/word@127.0.0.1:6379",
        "redis://127.0.0.1:6379?socket_timeout=60",
        "redis://127.0.0.1:6379?decode_responses=yes",
    ],
)
def test_what_is_no_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError, match="the URL of a Redis server") as caught:
        connect(url, timeout_s=1)
    assert "pass" not in str(caught.value).replace("password", "")


def test_settings_of_tls_may_be_in_the_url() -> None:
    client = connect("rediss://user:secret@host:6380/1?ssl_ca_certs=/some/ca.pem", timeout_s=0.5)
    settings = client.connection_pool.connection_kwargs
    assert settings["ssl_ca_certs"] == "/some/ca.pem"
    assert (settings["socket_timeout"], settings["socket_connect_timeout"]) == (0.5, 0.5)


def test_a_push_that_is_not_finished_is_not_there(
    bundle: Bundle, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Iterator[Any]:
        yield {b"i100": b"\0" * 8}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(redis_push, "_pair_values", full)
    with pytest.raises(UpstreamError, match="No space left"):
        push_features(server.url, bundle=bundle)
    monkeypatch.undo()
    assert server.client().hlen(keys_of(bundle).users) == 40
    assert_base_order(behind(bundle, server.url))
    push_features(server.url, bundle=bundle)
    there = behind(bundle, server.url)
    for user in range(100, 140):  # whatever was left half is overwritten
        mine, theirs = rerank(bundle, user), rerank(there, user)
        assert mine.records() == theirs.records()


def damaged(client: Any, keys: VersionKeys, how: str) -> None:
    user, item = b"i105", b"sitem-07"
    if how == "nothing":
        client.delete(keys.whole)
    elif how == "another format":
        client.set(keys.whole, b"features 2")
    elif how == "short user":
        client.hset(keys.users, user, client.hget(keys.users, user)[:-1])
    elif how == "long user":
        client.hset(keys.users, user, client.hget(keys.users, user) + b"\0" * 8)
    elif how == "short item":
        client.hset(keys.items, item, client.hget(keys.items, item)[:-8])
    elif how == "an item without numbers":
        client.hset(keys.items, item, b"")
    elif how == "two items in one":
        client.hset(keys.items, item, client.hget(keys.items, item) * 2)
    elif how == "two items in one, none in another":
        client.hset(keys.items, item, client.hget(keys.items, item) * 2)
        client.hset(keys.items, b"sitem-03", b"")
    elif how == "short pairs":
        client.hset(keys.pairs, user, b"\0" * 20)
    elif how == "another type":
        client.delete(keys.items)
        client.set(keys.items, b"text")


@pytest.mark.parametrize(
    "how",
    [
        "nothing",
        "another format",
        "short user",
        "long user",
        "short item",
        "an item without numbers",
        "two items in one",
        "two items in one, none in another",
        "short pairs",
        "another type",
    ],
)
def test_what_is_not_whole_is_an_error_and_not_a_list(
    bundle: Bundle, server: RedisServer, how: str
) -> None:
    push_features(server.url, bundle=bundle)
    there = behind(bundle, server.url)
    assert rerank(there, 105, candidates=SENT).fallback is None
    damaged(server.client(), keys_of(bundle), how)
    with pytest.raises(UpstreamError):
        store_of(bundle, server.url).read(105, ["item-03", "item-07"])
    assert_base_order(there)
    assert bundle.counts.fallbacks == {"feature_store_error": 1}


def test_versions_stand_side_by_side_and_older_ones_go(
    shop: Shop, bundle: Bundle, server: RedisServer, tmp_path: Path
) -> None:
    snapshot = shop.contents.snapshot
    users = replace(snapshot.users, values=snapshot.users.values + 100)
    contents = replace(shop.contents, snapshot=replace(snapshot, users=users))
    newer = load_bundle(write_bundle(tmp_path / "newer", contents=contents))
    assert push_features(server.url, bundle=bundle).expiring == ()
    done = push_features(server.url, bundle=newer, keep_hours=1)
    assert (done.users, done.items, done.expiring) == (40, 12, (bundle.version,))
    for each in (bundle, newer):
        rows = store_of(each, server.url).read(105, ["item-00"])
        assert rows.user is not None
        assert rows.user.tolist() == each.snapshot.users.values[5].tolist()

    client, old, new = server.client(), keys_of(bundle), keys_of(newer)
    parts = ("users", "items", "pairs", "whole")
    left = {part: client.ttl(getattr(old, part)) for part in parts}
    # What vouches for the others goes first: never a version with holes.
    assert 3_500 < left["whole"] <= 3_600 < min(left[part] for part in parts[:3]) <= 3_660
    assert {client.ttl(getattr(new, part)) for part in parts} == {-1}
    push_features(server.url, bundle=newer, keep_hours=500)
    assert client.ttl(old.whole) <= 3_600  # to expire is not put off
    push_features(server.url, bundle=bundle)  # the way back
    assert {client.ttl(getattr(old, part)) for part in parts} == {-1}
    assert client.ttl(new.whole) > 3_600

    client.delete(*(getattr(new, part) for part in parts))
    assert push_features(server.url, bundle=bundle).expiring == ()
    assert client.smembers("causal-ranker:versions") == {old.member.encode()}
    for hours in (0, -1):
        with pytest.raises(ConfigError, match="more than 0 hours"):
            push_features(server.url, bundle=bundle, keep_hours=hours)


def test_two_pushes_at_once_leave_the_one_that_ends_last(
    shop: Shop,
    bundle: Bundle,
    server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = load_bundle(write_bundle(tmp_path / "other", contents=shop.contents))
    ours = redis_push._pair_values

    def meanwhile(*tables: Any) -> Iterator[Any]:
        monkeypatch.undo()
        push_features(server.url, bundle=other)
        yield from ours(*tables)

    monkeypatch.setattr(redis_push, "_pair_values", meanwhile)
    push_features(server.url, bundle=bundle)
    client, keys = server.client(), keys_of(bundle)
    assert {client.ttl(key) for key in (keys.users, keys.items, keys.pairs, keys.whole)} == {-1}
    assert client.ttl(keys_of(other).whole) > 0
    assert rerank(behind(bundle, server.url), 105, candidates=SENT).fallback is None


def test_a_user_is_forgotten_in_every_version(
    shop: Shop, bundle: Bundle, server: RedisServer, tmp_path: Path
) -> None:
    again = load_bundle(write_bundle(tmp_path / "again", contents=shop.contents))
    for each in (bundle, again):
        push_features(server.url, bundle=each)
    assert forget_features(server.url, user="105") == 0  # another user
    assert forget_features(server.url, user=105) == 2
    assert forget_features(server.url, user=105) == 0
    for each in (bundle, again):
        assert rerank(behind(each, server.url), 105, candidates=SENT).fallback == "unknown_user"
        assert rerank(behind(each, server.url), 106, candidates=SENT).fallback is None
        assert not server.client().hexists(keys_of(each).pairs, b"i105")


def test_fields_of_different_ids_differ() -> None:
    ids: list[Any] = [1, "1", "i1", "s1", "", -1, 10, "1\0", "ü", "\udc80"]
    assert len({field(key) for key in ids}) == len(ids)
    assert field(np.int64(7)) == field(7)
    assert (field(None), field(1.0)) == (None, None)


def test_one_round_trip_a_request(bundle: Bundle, server: RedisServer) -> None:
    push_features(server.url, bundle=bundle)
    store = store_of(bundle, server.url)
    store.read(105, ITEM_IDS.tolist())
    client = server.client()
    before = client.info("stats")["total_reads_processed"]
    for user in range(100, 110):
        store.read(user, ITEM_IDS.tolist())
    # A read of the server's is at most a round trip of ours; the info itself is one.
    assert client.info("stats")["total_reads_processed"] - before == 11
    # In a transaction: a version that is deleted meanwhile is there as a whole or not at all.
    assert client.info("commandstats")["cmdstat_exec"]["calls"] == 11


def test_the_command_line_pushes_and_forgets(
    published: Path,
    bundle: Bundle,
    server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    DecisionLog(tmp_path / "log").close()
    push = ["features", "push", "--model", str(published), "--redis", server.url]
    forget = ["forget", "--log", str(tmp_path / "log"), "--user", "105", "--json"]
    monkeypatch.setenv("CAUSAL_RANKER_REDIS", server.url)
    for words, said in ((push, "40 users, 12 items"), (forget, '[["Redis","rows of features",1]]')):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 0
        assert said.replace(" ", "") in capsys.readouterr().out.replace(" ", "")
    assert rerank(behind(bundle, server.url), 105, candidates=SENT).fallback == "unknown_user"
    server.stop()
    with pytest.raises(SystemExit) as left:
        main(push)
    assert left.value.code == 2


def test_a_service_reads_from_redis_and_leaves_it_alone_when_it_fails(
    bundle: Bundle, server: RedisServer
) -> None:
    push_features(server.url, bundle=bundle)
    config = ServeConfig(
        deadline_ms=20_000,
        store=server.url,
        store_ms=5_000,
        breaker=BreakerConfig(failures=2, open_ms=60_000, longest_open_ms=60_000),
    )

    async def run() -> list[Any]:
        async with running(Service(bundle, config=config)) as service:
            answers = [await service.rerank(request(105))]
            server.stop()
            answers += [await service.rerank(request(105)) for _ in range(4)]
            return answers

    first, *others = asyncio.run(run())
    expected = rerank(bundle, 105, candidates=SENT)
    assert first.fallback is None
    assert [each.item_id for each in first.items] == list(expected.items)
    assert [each.fallback for each in others] == [
        *["feature_store_error"] * 2,
        *["circuit_open"] * 2,
    ]
    for each in others:
        assert [item.item_id for item in each.items] == BASE_ORDER


def test_a_version_answers_once_its_features_are_there(
    shop: Shop, server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causal_ranker.serving.live._FIRST_PAUSE_S", 0.02)
    registry = Registry(tmp_path / "shop")
    first = registry.publish(shop.contents)
    push_features(server.url, bundle=load_bundle(tmp_path / "shop"))
    DecisionLog(tmp_path / "log").close()
    config = ServeConfig(deadline_ms=20_000, store=server.url, store_ms=5_000, poll_ms=5)

    async def run() -> None:
        async with running(Service(registry, config=config)) as service:

            async def now(version: str) -> None:
                await until(lambda: service.version().version == version)
                got = await service.rerank(request())
                assert (got.version, got.fallback) == (version, None)

            second = registry.publish(replace(shop.contents, policy=BasePolicy()))
            await until(lambda: value(service, "bad_versions_total") >= 2)
            await now(first)
            push_features(server.url, bundle=load_bundle(tmp_path / "shop"))
            await now(second)
            swapped = value(service, "bad_versions_total")
            await asyncio.to_thread(
                forget,
                "106",
                log=tmp_path / "log",
                models=tmp_path / "shop",
                redis=server.url,
            )
            await now(registry.current())
            assert registry.current() != second
            assert value(service, "bad_versions_total") == swapped
            left = await service.rerank(request(106))
            assert left.fallback == "unknown_user"
            with server.client() as client:
                # what a server that has not seen it yet still reads stays for a while
                assert client.ttl(keys_of(load_bundle(tmp_path / "shop")).whole) == -1
                assert 0 < client.ttl(f"causal-ranker:{second}:{digest}:whole") <= 168 * 3600

    digest = load_bundle(tmp_path / "shop").snapshot.layout.digest
    asyncio.run(run())


def test_nobody_is_forgotten_in_models_while_redis_is_away(shop: Shop, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "shop")
    version = registry.publish(shop.contents)
    with pytest.raises(UpstreamError, match="takes the features"):
        forget_in_models(tmp_path / "shop", {106}, redis=f"redis://127.0.0.1:{free_port()}/0")
    assert registry.current() == version
    assert registry.verify(version)


def test_a_service_that_stopped_has_hung_up(bundle: Bundle, server: RedisServer) -> None:
    push_features(server.url, bundle=bundle)
    config = ServeConfig(deadline_ms=20_000, store=server.url, store_ms=5_000)
    client = server.client()

    async def run() -> int:
        async with running(Service(bundle, config=config)) as service:
            assert (await service.rerank(request(105))).fallback is None
            return int(client.info("clients")["connected_clients"])

    assert asyncio.run(run()) == 2
    until = time.monotonic() + 10
    while client.info("clients")["connected_clients"] > 1:
        assert time.monotonic() < until, "a connection stayed open"
        time.sleep(0.01)


def test_settings_of_the_store_are_checked_and_its_password_is_not_told() -> None:
    url = "redis://:secret@host"
    assert "secret" not in repr(ServeConfig(store=url))
    with pytest.raises(ConfigError, match="leave some of deadline_ms") as caught:
        ServeConfig(store=url, store_ms=45)
    assert "secret" not in str(caught.value)
    assert ServeConfig(store_ms=45).store is None
