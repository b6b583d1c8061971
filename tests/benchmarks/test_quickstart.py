"""The quickstart that is timed is the README's, run where it may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import quickstart
from tests.structure.test_readme import ROOT, first_block

TEXT = "## Quickstart\n\nSo:\n\n```python\n{}\n```\n\n## More\n"


def readme(text: str, *, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "README.md"
    file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(quickstart, "README", file)


def test_lines_and_seconds_of_the_block_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    code = f"import os, time\n\ntime.sleep(0.3)\nprint(os.getcwd(), file=open({str(told)!r}, 'a'))"
    readme(TEXT.format(code), folder=tmp_path, monkeypatch=monkeypatch)
    found = quickstart.run(quick=False).figures
    assert found["lines"] == 3
    assert 0.3 < float(str(found["seconds"])) < 60
    places = told.read_text("utf-8").split()
    assert len(set(places)) == 3
    assert not any(Path(place).exists() for place in places)


def test_what_fails_or_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme(TEXT.format("raise ValueError('no')"), folder=tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(RuntimeError, match="no"):
        quickstart.run(quick=True)
    readme("## Start\n", folder=tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(RuntimeError, match="no block of Python"):
        quickstart.run(quick=True)


def test_it_is_the_one_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = quickstart._BLOCK.search(text)
    assert found is not None
    assert found[1] == first_block(text, "Quickstart", language="python")
