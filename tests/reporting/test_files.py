"""A page is written whole or not at all, and what cannot be written is told before the work."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.reporting.files import check_page, write_page
from tests.reporting.sample import document


def test_a_good_place_is_left_as_it_was(tmp_path: Path) -> None:
    check_page(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
    path = write_page(document(), tmp_path / "report.html")
    before = path.read_bytes()
    check_page(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_bad_places_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report.html"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"report report\.html to; got a folder of that name"):
        check_page(folder)
    with pytest.raises(ConfigError, match="got No such file"):
        check_page(tmp_path / "missing" / "report.html")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="got Not a directory"):
        check_page(tmp_path / "file" / "report.html")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(ConfigError, match=r"got Permission denied at .*one that is writable"):
        check_page(tmp_path / "new.html")
