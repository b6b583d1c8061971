"""The documentation builds without a warning, and its reference names everything public."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks._kept import RESULTS
from docs.pictures import NAMES
from docs.pictures import load as load_picture
from docs.results_page import all_kept
from pipelines.settings import TrainSettings
from tests.cli.calling import ROOT
from tests.structure.public import load, module_names
from tests.structure.test_readme import quickstart

PAGES = ROOT / "docs" / "pages"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; its links and references are checked by the strict build."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"),
            *("--config-file", ROOT / "docs" / "mkdocs.yml", "--site-dir", folder),
        ],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site: Path) -> None:
    told = "".join(page.read_text(encoding="utf-8") for page in site.glob("reference/*.html"))
    anchors = set(re.findall(r'id="(causal_ranker[\w.]*)"', told))
    public = {
        f"{name}.{each}"
        for name in module_names()
        if not any(part.startswith("_") for part in name.split("."))
        for each in getattr(load(name), "__all__", ())
        if getattr(getattr(load(name), each), "__module__", name) == name
    }
    assert len(public) > 500
    assert public <= anchors, sorted(public - anchors)[:20]


@pytest.mark.slow
def test_no_page_asks_the_network_for_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:[^"]+)"', text)
        assert not [each for each in loaded if "canonical" not in each], page


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_trap_has_one_picture_whose_caption_is_computed(site: Path, name: str) -> None:
    page = (site / "concepts" / "traps" / f"{name}.html").read_text(encoding="utf-8")
    (figure,) = re.findall(r'<figure class="picture".*?</figure>', page, re.DOTALL)
    assert figure.count("<svg") == 1
    (caption,) = re.findall(r"<figcaption>(.*?)</figcaption>", figure)
    assert html.unescape(caption) == load_picture(name).draw(seed=0).caption


@pytest.mark.slow
def test_every_kept_result_is_a_table_of_the_site(site: Path) -> None:
    page = (site / "benchmarks.html").read_text(encoding="utf-8")
    kept = all_kept(RESULTS)
    for each in kept:
        assert each.origin.commit in page
        assert each.origin.command in page
    assert page.count("<table") >= len(kept) > 0


@pytest.mark.slow
def test_the_card_is_that_of_a_model_that_was_fitted(site: Path) -> None:
    page = (site / "model-card.html").read_text(encoding="utf-8")
    assert re.search(r"Model [0-9a-f]{12}", page)
    assert re.search(r"plays per 100 slots \(95 % .+ to .+\), on [\d,]+ requests", page)
    assert "<!-- " not in page


def test_the_quickstart_is_that_of_the_readme() -> None:
    ours = quickstart((PAGES / "index.md").read_text(encoding="utf-8"))
    readme = quickstart((ROOT / "README.md").read_text(encoding="utf-8"))
    assert readme.startswith(ours)


def test_the_nightly_settings_are_settings() -> None:
    text = (PAGES / "guides" / "nightly.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert TrainSettings(**tomllib.loads(block)).gate.failed_refuters == 0
