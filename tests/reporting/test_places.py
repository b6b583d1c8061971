"""Where results cannot lie is told before any work."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal_ranker.errors import ConfigError
from causal_ranker.reporting.places import check_file, make_folder

KINDS = (".npz", ".parquet")


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    check_file(tmp_path / "new" / "one" / "scores.npz", kinds=KINDS)
    assert list((tmp_path / "new" / "one").iterdir()) == []
    make_folder(tmp_path / "new")  # one that is there is no fault


def test_another_kind_and_a_folder_of_that_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ends in \.npz or \.parquet"):
        check_file(tmp_path / "new" / "scores.csv", kinds=KINDS)
    assert not (tmp_path / "new").exists()
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.npz"):
        check_file(tmp_path / "folder.npz", kinds=KINDS)


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="place to create it"):
        check_file(tmp_path / "file" / "scores.npz", kinds=KINDS)
