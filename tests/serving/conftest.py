"""One shop and one published bundle for the whole room."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal_ranker.serving.bundle import Bundle, load_bundle, write_bundle
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
