"""API keys: hashed at rest, several at a time, seen without a restart."""

from __future__ import annotations

import hmac
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.serving.app import create_app
from causal_ranker.serving.http.keys import KeyRing, new_key, read_keys, revoke_key
from tests.serving.http.fake import FakeService
from tests.serving.running import Running

BODY = b'{"user_id": 1, "candidates": [{"item_id": 1, "base_score": 2}]}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_enters_and_neighbours_of_it_do_not(file: Path) -> None:
    key = new_key(file, note="shop")
    ring = KeyRing(file)
    assert ring.holds(key)
    _, name, secret = key.split("_", 2)
    assert len(secret) == 43  # 256 bits
    other = "a" if secret[0] != "a" else "b"
    wrong = ["", "_", "cr_", name, secret, key + " ", key[:-1], key + "x", key.upper(), "\udcff_"]
    wrong += [f"cr_{name}_{other}{secret[1:]}", f"cr_00000000_{secret}", f"xx_{name}_{secret}"]
    assert [each for each in wrong if ring.holds(each)] == []


def test_the_file_holds_no_key_and_is_its_owners(file: Path) -> None:
    keys = [new_key(file, note=str(n)) for n in range(3)]
    text = file.read_text("utf-8")
    assert [key for key in keys if key in text or key.split("_", 2)[2] in text] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [key.note for key in read_keys(file)] == ["0", "1", "2"]
    assert sorted(os.listdir(file.parent)) == ["keys.json"]


def test_old_and_new_hold_together_until_one_is_revoked(file: Path) -> None:
    old = new_key(file)
    ring = KeyRing(file)
    new = new_key(file)
    assert ring.holds(old)
    assert ring.holds(new)
    revoke_key(file, old.split("_")[1])
    assert not ring.holds(old)
    assert ring.holds(new)
    with pytest.raises(ConfigError, match="the id of a key"):
        revoke_key(file, old.split("_")[1])


def test_a_file_that_breaks_locks_nobody_out_and_lets_nobody_in(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = new_key(file)
    ring = KeyRing(file)
    file.write_text("{", "utf-8")
    assert ring.holds(key)
    file.unlink()
    assert ring.holds(key)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert not ring.holds("cr_x_y")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": [1]}', '{"keys": [{"id": "a"}]}'])
def test_no_file_of_keys(file: Path, content: str) -> None:
    with pytest.raises(ConfigError, match=r"keys\.json"):
        KeyRing(file)
    file.write_text(content, "utf-8")
    with pytest.raises(ConfigError, match=r"keys\.json"):
        KeyRing(file)


def test_a_file_without_keys_is_no_ring(file: Path) -> None:
    revoke_key(file, new_key(file).split("_")[1])
    with pytest.raises(ConfigError, match="at least one key"):
        KeyRing(file)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can be written"):
        new_key(tmp_path / "absent" / "keys.json")


def test_two_who_make_keys_at_once_lose_none(file: Path) -> None:
    threads = [threading.Thread(target=new_key, args=(file,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(read_keys(file)) == 12


def test_whole_hashes_are_compared_in_constant_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = KeyRing(file) if file.exists() else KeyRing(_made(file))
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def watched(a: Any, b: Any) -> bool:
        compared.append((a, b))
        return real(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    ring.holds("cr_nobody_nothing")
    ring.holds(f"cr_{read_keys(file)[0].id}_nothing")
    assert [(len(a), len(b)) for a, b in compared] == [(64, 64)] * 2


def _made(file: Path) -> Path:
    new_key(file)
    return file


def test_who_needs_a_key_and_who_does_not(file: Path) -> None:
    key = new_key(file)
    service = FakeService()
    with Running(create_app(service, keys=KeyRing(file))) as running:  # type: ignore[arg-type]
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert running.get(path)[0] == 200
        for path in ("/v1/version", "/nowhere", "/v1/rerank", "/metrics"):
            assert running.get(path)[0] == 401
        good = {"Authorization": f"Bearer {key}"}
        for headers in ({}, {"Authorization": key}, {"Authorization": "Bearer x"}):
            status, answer = running.ask("POST", "/v1/rerank", BODY, headers)
            assert (status, list(answer)) == (401, ["error"])
        assert service.asked == []
        assert running.ask("POST", "/v1/rerank", BODY, good)[0] == 200
        lower = {"authorization": f"bearer {key}"}
        assert running.ask("POST", "/v1/rerank", BODY, lower)[0] == 200
        document = running.get("/openapi.json")[1]
    assert document["components"]["securitySchemes"] == {
        "key": {"type": "http", "scheme": "bearer"}
    }
    asking = {
        path: operation.get("security")
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    assert {path for path, needs in asking.items() if needs is None} == {
        "/healthz",
        "/readyz",
        "/openapi.json",
    }


def test_the_file_is_plain_json(file: Path) -> None:
    new_key(file, note="x")
    (kept,) = json.loads(file.read_text("utf-8"))["keys"]
    assert sorted(kept) == ["created_at", "id", "note", "sha256"]
