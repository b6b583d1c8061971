"""What holds for every test: a skip fails in CI, but one, and Hypothesis keeps no deadline there.

Tests marked ``needs_data("folder")`` read a data set that is not ours to ship, found below
``CAUSAL_RANKER_DATA`` (by default ``../shared/data`` beside the project). Without it they are
skipped on a developer's machine; in CI they are left out of the run and counted in its header.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# Side by side, each worker has a core: a second thread would only wait for it.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

# Before a test imports LightGBM by another way: it is told once, at its start, not to spin.
import causal_ranker.boosting  # noqa: F401

# Seldom: each time, the collector goes through all that Ibis makes and the libraries hold.
gc.set_threshold(100_000, 50, 100)

SIDE_BY_SIDE = "PYTEST_XDIST_WORKER" in os.environ
IN_CI = os.environ.get("CI", "").lower() == "true"

# It installs a library that may be no dependency of ours, which takes a network and its wheels.
MAY_SKIP = "tests/drift/test_alibi_library.py::test_the_real_library_through_the_adapter"

DATA = Path(
    os.environ.get("CAUSAL_RANKER_DATA", Path(__file__).parents[2] / "shared" / "data")
).expanduser()

# Shared machines stall: a deadline would fail tests for the neighbours' load. In CI the examples
# are the same at every run, so that a red build is red for everyone.
settings.register_profile("house", deadline=None, derandomize=IN_CI)
settings.load_profile("house")


def _missing_data(item: pytest.Item) -> str | None:
    names = [str(name) for mark in item.iter_markers("needs_data") for name in mark.args]
    return next((name for name in names if not (DATA / name).is_dir()), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SIDE_BY_SIDE:
        # Files with slow tests first: whoever came last to one would keep the others waiting.
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)
    without = [(item, name) for item in items if (name := _missing_data(item)) is not None]
    if IN_CI and without:
        left_out = [item for item, _ in without]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
        folders = ", ".join(sorted({name for _, name in without}))
        print(f"left out: {len(left_out)} tests of the data sets {folders}, not found at {DATA}")
        return
    for item, name in without:
        reason = f"no data set '{name}' at {DATA}; say where with CAUSAL_RANKER_DATA"
        item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    gc.freeze()  # the collector passes over modules and tests, until a service thaws them


@pytest.fixture
def data_folder() -> Path:
    """Where the data sets lie that tests marked ``needs_data`` read."""
    return DATA


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if IN_CI and skipped and report.nodeid != MAY_SKIP:
        report.outcome = "failed"
        report.longrepr = f"with CI=true a skip is a failure: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report
