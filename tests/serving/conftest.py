"""One shop, one published bundle and one browser for the whole room, and an empty registry.

Screenshots lie in pytest's own folder, or in that of ``CAUSAL_RANKER_SCREENSHOTS``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal_ranker.serving import registry as registry_module
from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
from causal_ranker.serving.probe import probe
from causal_ranker.serving.registry import Registry
from tests.reporting.browser import Page, browsing
from tests.serving.page_app import Stub
from tests.serving.page_use import PROGRAM
from tests.serving.shop import Shop, build_shop


@pytest.fixture(scope="session")
def shop() -> Shop:
    return build_shop()


@pytest.fixture(scope="session")
def published(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that tests read and do not change."""
    return write_bundle(tmp_path_factory.mktemp("models") / "shop", contents=shop.contents)


@pytest.fixture
def bundle(published: Path) -> Bundle:
    return load_bundle(published)


@pytest.fixture
def stub(bundle: Bundle) -> Stub:
    return Stub(bundle)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One for all files of the page: it takes most of a second to start."""
    assert PROGRAM is not None
    with browsing(PROGRAM, tmp_path_factory.mktemp("browser")) as page:
        # what waits seconds on the page waits milliseconds here
        page.tell(
            "Page.addScriptToEvaluateOnNewDocument",
            source="{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms / 50); }",
        )
        yield page


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots lie."""
    asked = os.environ.get("CAUSAL_RANKER_SCREENSHOTS")
    path = Path(asked) if asked else tmp_path_factory.mktemp("screenshots")
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture
def verified_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify in this process, which is quicker; `test_verify` looks at the child."""
    monkeypatch.setattr(registry_module, "verify_bundle", lambda path, timeout_s: probe(path))


@pytest.fixture
def registry(tmp_path: Path, verified_here: None) -> Registry:
    return Registry(tmp_path / "shop")
