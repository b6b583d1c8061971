"""A folder or a file is put in the place of another: the old one or the new one is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal_ranker.serving.replace import make_folder, put_in_place, replace_synced, write_synced


@pytest.fixture(params=["one step", "two renames"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "two renames":
        monkeypatch.setattr("causal_ranker.serving.replace._exchange", lambda one, other: False)
    return request.param


def folder(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    write_synced(path / "text", text.encode())
    return path


@pytest.mark.usefixtures("exchange")
def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "model"
    put_in_place(folder(tmp_path / "a" / "new", "one"), target)
    assert (target / "text").read_text() == "one"
    put_in_place(folder(tmp_path / "b" / "new", "two"), target)
    assert (target / "text").read_text() == "two"
    (left,) = (tmp_path / "b").iterdir()
    assert (left / "text").read_text() == "one"
    (tmp_path / "empty").mkdir()
    put_in_place(target, tmp_path / "empty")
    assert not target.exists()


def test_two_renames_roll_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, fresh = folder(tmp_path / "model", "one"), folder(tmp_path / "b" / "new", "two")
    monkeypatch.setattr("causal_ranker.serving.replace._exchange", lambda one, other: False)
    rename, calls = os.rename, []

    def flaky(source: Path, place: Path) -> None:
        calls.append(place)
        if len(calls) == 3:
            raise OSError(5, "Input/output error")
        rename(source, place)

    monkeypatch.setattr("causal_ranker.serving.replace.os.rename", flaky)
    with pytest.raises(OSError, match="Input/output error"):
        put_in_place(fresh, target)
    assert len(calls) == 4
    assert (target / "text").read_text() == "one"


def test_a_file_is_replaced_whatever_was_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "current.json"
    (tmp_path / ".current.json.new").write_text("half of someth")
    for text in ("one", "two"):
        replace_synced(file, text.encode())
        assert file.read_text() == text
        assert list(tmp_path.iterdir()) == [file]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("causal_ranker.serving.replace.os.replace", full)
    with pytest.raises(OSError, match="No space"):
        replace_synced(file, b"three")
    assert file.read_text() == "two"


def test_every_new_folder_is_made_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("causal_ranker.serving.replace.sync_folder", synced.append)
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert set(synced) == {tmp_path, tmp_path / "a"}
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
