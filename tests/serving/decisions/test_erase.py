"""A user who leaves: nothing of them is left, and nothing of anybody else's is lost."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from causal_ranker.errors import BundleError, ConfigError, DataError
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import load_bundle, write_bundle
from causal_ranker.serving.decisions.compact import compact
from causal_ranker.serving.decisions.config import LogConfig
from causal_ranker.serving.decisions.erase import decisions_of, erase_from_compacted, erase_from_log
from causal_ranker.serving.decisions.frames import MAGIC, Damage
from causal_ranker.serving.decisions.log import DecisionLog
from causal_ranker.serving.decisions.record import Record, ShadowRecord, id_text
from causal_ranker.serving.decisions.segments import read_segment, segments
from causal_ranker.serving.forget import forget, forget_in_models
from causal_ranker.serving.registry import Registry
from tests.serving.decisions.making import decision, play, view, write
from tests.serving.decisions.test_compact import CHECKS, DAY, TABLES, assert_same, rows_of
from tests.serving.shop import USER_IDS, Shop

MINE = [decision("a", user=7), decision("c", user=7, holdout=True, explored=False)]
OTHERS = [decision("b", user=1), decision("d", user="7"), decision("e", user=77)]


def day() -> list[list[Record]]:
    a, b = MINE[0], OTHERS[0]
    return [
        [*MINE[:1], OTHERS[0], view(a, 0), view(b, 0), play(1, DAY, user_id=7)],
        [OTHERS[2], play(2, DAY, user_id=1)],
        [*MINE[1:], view(a, 1), play(3, DAY, decision_id="a"), play(4, DAY, decision_id="b")],
    ]


def rest() -> list[Record]:
    b = OTHERS[0]
    return [b, view(b, 0), OTHERS[2], play(2, DAY, user_id=1), play(4, DAY, decision_id="b")]


def read(folder: Path) -> list[Record]:
    found = [each for file in segments(folder) for each in read_segment(file)]
    return [each[1] for each in found if not isinstance(each, Damage)]


def test_nothing_of_the_user_is_left_and_nothing_else_is_lost(tmp_path: Path) -> None:
    log = write(tmp_path / "log", *day())
    untouched = segments(log)[1]
    before = untouched.stat().st_ino
    compact(log, out=tmp_path / "out")
    found = {what: count for _, what, count in forget("7", log=log, compacted=tmp_path / "out")}
    assert found["decisions"] == 2
    assert found["events"] == 4
    assert found["impressions"] == 4
    assert found["candidates"] == found["candidates_without_propensity"] == 6
    assert read(log) == rest()
    assert untouched.stat().st_ino == before, "a segment without the user stays as it is"
    assert_same(tmp_path / "out", rest())
    # what is compacted afterwards goes on as if they had never been there
    write(log, [decision("f", user=7)])
    assert compact(log, out=tmp_path / "out").decisions == 1
    assert_same(tmp_path / "out", [*rest(), decision("f", user=7)])
    for nobody in ("8", "9" * 40, "07", "x"):
        assert forget(nobody, log=log, compacted=tmp_path / "out") == []


def test_what_a_shadow_would_have_shown_is_kept_with_its_decision_and_goes_with_its_user(
    tmp_path: Path,
) -> None:
    a, b = MINE[0], OTHERS[0]
    mine, theirs = (
        ShadowRecord(
            decision_id=of.decision_id,
            user_id=of.user_id,
            version="0123456789ab",
            items=[*of.items[:1], "5"],
            score=[0.5, 0.25],
            fallback=None,
        )
        for of in (a, b)
    )
    log = write(tmp_path / "log", [a, b, mine], [theirs])
    done = compact(log, out=tmp_path / "out")
    assert (done.decisions, done.events, done.shadows) == (2, 0, 2)
    assert len(rows_of(tmp_path / "out", "shadow")) == 2
    assert_same(tmp_path / "out", [a, b])
    found = {what: count for _, what, count in forget("7", log=log, compacted=tmp_path / "out")}
    assert (found["lists of a shadow"], found["shadow"]) == (1, 1)
    assert read(log) == [b, theirs]
    assert rows_of(tmp_path / "out", "shadow") == [
        {
            "decision_id": "b",
            "user_id": "1",
            "version": "0123456789ab",
            "items": [id_text(b.items[0]), '"5"'],
            "score": [0.5, 0.25],
            "fallback": None,
        }
    ]


def test_no_byte_of_the_user_is_left(tmp_path: Path) -> None:
    mine = [decision(f"gone-{number}", user="leaver@here") for number in range(40)]
    log = write(tmp_path / "log", [decision("stays", user="stayer@here"), *mine])
    write(log, [play(1, DAY, user_id="leaver@here"), play(2, DAY, decision_id="gone-3")])
    compact(log, out=tmp_path / "out")

    def everything() -> bytes:
        return b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert b"leaver" in everything()
    assert b"gone-" in everything()
    forget("leaver@here", log=log, compacted=tmp_path / "out")
    assert b"stayer" in everything()
    assert b"leaver" not in everything()
    assert b"gone-" not in everything()


def test_what_waits_for_a_users_decisions_goes_too(tmp_path: Path) -> None:
    """Decisions in another log, of which events are here, and decisions that were set aside."""
    events = [play(3, DAY, decision_id=name) for name in ("odd", "away", "theirs")]
    some = [decision("b", user=1), decision("c", user=1)]
    events.append(view(some[0], 0, decision_id="nowhere", user_id=7))
    write(tmp_path / "here", [*some, decision("odd", user="7"), *events])
    write(tmp_path / "log", [decision("away", user=7)])
    out = tmp_path / "out"
    compact(tmp_path / "here", out=out)
    assert len(rows_of(out, "aside")) == 5
    forget("7", log=tmp_path / "log", compacted=out)
    assert [row["decision_id"] for row in rows_of(out, "aside")] == ["theirs"]
    write(tmp_path / "next", [decision("away", user=1), decision("theirs", user=1)])
    assert compact(tmp_path / "next", out=out).joined == 1
    assert not rows_of(out, "aside")


def test_an_integer_and_a_text_are_two_users_where_it_is_said(tmp_path: Path) -> None:
    log = write(tmp_path / "log", MINE, OTHERS)
    assert erase_from_log(log, {"7"}).rows == {"decisions": 1}
    assert read(log) == [*MINE, OTHERS[0], OTHERS[2]]
    compact(log, out=tmp_path / "out", ids="text")
    assert decisions_of(tmp_path / "out", {7, "7"}) == ["a", "c"]
    assert erase_from_compacted(tmp_path / "out", {7, "7", 2**63}).rows["impressions"] == 4
    assert {row["user_id"] for row in rows_of(tmp_path / "out", "impressions")} == {"1", "77"}


def test_what_cannot_be_read_goes_too(tmp_path: Path) -> None:
    log = write(tmp_path / "log", MINE, [OTHERS[0], OTHERS[2]])
    damaged = segments(log)[1]
    data = bytearray(damaged.read_bytes())
    data[len(MAGIC) + 300] ^= 1
    damaged.write_bytes(bytes(data))
    erased = erase_from_log(log, {7})
    assert erased.unreadable > 300
    assert erased.files == [file.name for file in segments(log)]
    assert read(log) == [OTHERS[2]]
    assert not any(isinstance(each, Damage) for each in read_segment(damaged))


def test_events_are_known_by_decisions_whose_records_are_gone(tmp_path: Path) -> None:
    log = write(tmp_path / "log", MINE, [view(MINE[0], 0), view(OTHERS[0], 0)])
    compact(log, out=tmp_path / "out")
    segments(log)[0].unlink()
    forget("7", log=log, compacted=tmp_path / "out")
    assert read(log) == [view(OTHERS[0], 0)]


def test_while_a_service_writes_it_is_refused_or_waited_for(tmp_path: Path) -> None:
    config = LogConfig(segment_seconds=2.0)
    with DecisionLog(tmp_path, config=config) as log:
        assert log.append(MINE).result(10)
        with pytest.raises(ConfigError, match=r"which a service is writing.*--wait"):
            erase_from_log(tmp_path, {7})
        assert read(tmp_path) == MINE
        waited = threading.Thread(target=lambda: erase_from_log(tmp_path, {7}, wait_s=20))
        waited.start()
        while waited.is_alive():
            assert log.append([OTHERS[0]]).result(10)
            time.sleep(0.05)
    assert {each.user_id for each in read(tmp_path)} == {1}


def test_a_quiet_service_closes_its_segment_and_is_waited_for(tmp_path: Path) -> None:
    with DecisionLog(tmp_path / "log", config=LogConfig(segment_seconds=1.5)) as log:
        assert log.append([*MINE, OTHERS[0]]).result(10)
        assert compact(tmp_path / "log", out=tmp_path / "out").segments == 0
        assert erase_from_log(tmp_path / "log", {7}, wait_s=20).rows == {"decisions": 2}
        assert compact(tmp_path / "log", out=tmp_path / "out").decisions == 1
        assert log.append([OTHERS[1]]).result(10)  # the service goes on
    assert read(tmp_path / "log") == OTHERS[:2]


def test_all_that_names_users_is_for_its_owner_alone(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        log = write(tmp_path / "log", *day())
        compact(log, out=tmp_path / "out")
        forget("7", log=log, compacted=tmp_path / "out")
    finally:
        os.umask(mask)
    files = [*segments(log), *(tmp_path / "out").rglob("*"), tmp_path / "out"]
    modes = {(file.is_dir(), file.stat().st_mode & 0o777) for file in files}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="decision log"):
        erase_from_log(tmp_path / "nowhere", {7})
    with pytest.raises(DataError, match="compacted tables"):
        erase_from_compacted(tmp_path, {7})


def test_a_registry_forgets_features_pairs_and_candidates(shop: Shop, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    version = registry.publish(shop.contents)
    before = load_bundle(registry.root)
    log = write(tmp_path / "log", OTHERS)
    user = int(USER_IDS[5])
    ((where, what, _),) = forget(str(user), log=log, models=registry.root)
    assert (where, what) == (str(registry.root), f"version {version}, now {registry.current()}")
    assert [each.version for each in registry.versions()] == [registry.current()] != [version]
    after = load_bundle(registry.root)
    assert after.manifest.training_window == before.manifest.training_window
    assert user not in after.snapshot.users.ids
    assert after.snapshot.users.ids.size == before.snapshot.users.ids.size - 1
    for each in (int(USER_IDS[0]), int(USER_IDS[6]), int(USER_IDS[-1])):
        assert rerank(after, each).records() == rerank(before, each).records()
    assert rerank(after, user, candidates=[("item-01", 1.0)]).fallback == "unknown_user"
    assert forget_in_models(registry.root, {user, "nobody"}) == {}
    with pytest.raises(BundleError):
        forget_in_models(tmp_path, {user})


def test_a_single_bundle_forgets(shop: Shop, tmp_path: Path) -> None:
    model = write_bundle(tmp_path / "model", contents=shop.contents)
    before = load_bundle(model)
    user = int(USER_IDS[5])
    (change,) = forget_in_models(model, {user}).items()
    after = load_bundle(model)
    assert change == (before.version, after.version)
    assert user not in after.snapshot.users.ids
    assert list(tmp_path.iterdir()) == [model]
    assert forget_in_models(model, {user}) == {}


def test_the_contract_holds_afterwards(tmp_path: Path) -> None:
    from causal_ranker.logs.sources import connect, read_table

    log = write(tmp_path / "log", *day())
    compact(log, out=tmp_path / "out")
    forget("7", log=log, compacted=tmp_path / "out")
    connection = connect()
    for table in TABLES[:3]:
        CHECKS[table](read_table(str(tmp_path / "out" / table), connection, name=table))
    assert not list((tmp_path / "out" / "candidates_without_propensity").glob("*"))
