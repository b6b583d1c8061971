"""One engine for the room's tests."""

from __future__ import annotations

import pytest
from ibis.backends.duckdb import Backend

from causal_ranker.logs.sources import connect


@pytest.fixture(scope="session")
def connection() -> Backend:
    return connect(threads=1)
