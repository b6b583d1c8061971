"""The real Alibi-Detect, in an environment of its own, through the adapter.

It needs NumPy 1 and is under a business licence, so it is no dependency of ours. The environment
holds what its tabular detectors import, at versions pinned in `alibi_detect.txt`; a process in it
serves `predict`, and an object with the library's interface asks that process from here.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats as ss
from numpy.typing import NDArray

from causal_ranker.drift.alibi import AlibiDetector

HERE = Path(__file__).parent
SECONDS_TO_BUILD = 120
SECONDS_TO_ANSWER = 90


def build(folder: Path) -> Path:
    """Make the environment and return its Python, or skip and say why there is none."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    install += ["--no-deps", "--no-compile", "--only-binary", ":all:", "--retries", "1"]
    install += ["--disable-pip-version-check", "--requirement", str(HERE / "alibi_detect.txt")]
    try:
        done = subprocess.run(
            install, capture_output=True, text=True, timeout=SECONDS_TO_BUILD, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"no environment for Alibi-Detect after {SECONDS_TO_BUILD} s")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        pytest.skip(f"no environment for Alibi-Detect: {' '.join(told) or done.stderr[-200:]}")
    return python


class Remote:
    """One of the library's detectors, in its own process; the interface is the library's."""

    def __init__(
        self,
        reference: NDArray[Any],
        *,
        kind: str,
        process: subprocess.Popen[bytes],
        **settings: Any,
    ) -> None:
        self._process = process
        self._place = self._ask((kind, reference, settings, None, None))

    def predict(self, x: NDArray[Any]) -> Any:
        return self._ask((None, None, None, self._place, x))

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)


@contextmanager
def serving(python: Path) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [str(python), "-I", str(HERE / "alibi_server.py")], stdin=pipe, stdout=pipe
    ) as process:
        limit = threading.Timer(SECONDS_TO_ANSWER, process.kill)
        limit.start()
        try:
            yield process
        finally:
            limit.cancel()
            process.kill()


@pytest.mark.slow
def test_the_real_library_through_the_adapter(tmp_path: Path) -> None:
    start = time.monotonic()
    python = build(tmp_path / "alibi")
    print(f"built in {time.monotonic() - start:.0f} s")
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(400, 3)).astype(np.float32)
    quiet = rng.normal(size=(300, 3)).astype(np.float32)
    moved = quiet + np.array([0, 0, 0.6], dtype=np.float32)
    with serving(python) as process:
        make = partial(Remote, process=process)

        by_feature = AlibiDetector(make=partial(make, kind="KSDrift"), level=0.01).fit(reference)
        found = by_feature.predict(moved)
        tests = [
            ss.ks_2samp(a, b, method="asymp") for a, b in zip(reference.T, moved.T, strict=True)
        ]
        assert found.p_value == pytest.approx(3 * min(t.pvalue for t in tests), rel=1e-3)
        assert found.effect_size == pytest.approx(max(t.statistic for t in tests), rel=1e-5)
        assert found.threshold == pytest.approx(-np.log10(0.01 / 3))
        assert (by_feature.predict(quiet).drifted, found.drifted) == (False, True)

        discoveries = partial(make, kind="KSDrift", correction="fdr")
        assert AlibiDetector(make=discoveries).fit(reference).predict(moved).drifted

        codes = partial(make, kind="ChiSquareDrift")
        colours = rng.choice(3, size=(400, 1), p=[0.5, 0.3, 0.2])
        by_colour = AlibiDetector(make=codes).fit(colours)
        assert not by_colour.predict(rng.permutation(colours)[:300]).drifted
        assert by_colour.predict(rng.choice(3, size=(300, 1), p=[0.2, 0.3, 0.5])).drifted
    print(f"answered after {time.monotonic() - start:.0f} s")
