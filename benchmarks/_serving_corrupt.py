"""Bundles spoilt in four ways, half of them with hashes that were made to fit: none does harm.

Each is verified as a publisher does, by `probe` in a process of its own, which is kept for the next
one unless it dies; and each is opened by another process, which stands for a server that somebody
has pointed at it. What was accepted scores the golden rows of before the damage and 2,000 others.
Some go through `verify_bundle` itself, which has to say the same.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from benchmarks._damage import KINDS, damaged, sealed_again
from benchmarks._small_shop import small_contents
from causal_ranker.errors import BundleError
from causal_ranker.serving.bundle import write_bundle
from causal_ranker.serving.manifest import MANIFEST
from causal_ranker.serving.verify import verify_bundle

__all__ = ["corrupt", "run"]

_LONGEST_S: Final = 20.0
_START_S: Final = 120.0
_TOO: Final = 100  # of so many, one is verified by the product too


def run(*, quick: bool) -> dict[str, object]:
    """Spoil bundles.

    Parameters
    ----------
    quick : bool
        20 of each kind instead of 1,000.

    Returns
    -------
    dict
        ``corrupt_served``: bundles with a wrong hash that were opened, golden rows scored wrong and
        servers that died or failed, which has to be 0, and each of these by itself; by kind, how
        many bundles with hashes that fit were refused and accepted; ``verifiers_died``, which costs
        nobody anything.
    """
    with tempfile.TemporaryDirectory() as folder:
        return corrupt(Path(folder), each=20 if quick else 1000)


def corrupt(folder: Path, *, each: int) -> dict[str, object]:
    """Spoil bundles in a folder, and count what comes of them.

    Parameters
    ----------
    folder : Path
        An empty folder.
    each : int
        Bundles of each kind.

    Returns
    -------
    dict
        As of `run`.

    Raises
    ------
    RuntimeError
        If the product says of a bundle what the same code in a process that is kept does not.
    """
    whole = _whole(folder)
    bare = {name: content for name, content in whole.items() if name != MANIFEST}
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    with ExitStack() as stack:
        prober, server = (stack.enter_context(_Child(way)) for way in ("probe", "serve"))
        for number in range(each * len(KINDS)):
            kind, sealed = KINDS[number % len(KINDS)], number // len(KINDS) % 2 == 1
            rng = np.random.default_rng([5, number])
            files = damaged(bare if sealed else whole, kind, rng)
            if sealed:
                files = sealed_again(files, whole[MANIFEST])
            place = _lay_out(folder / f"{number}", files)
            verdict, opened = prober.ask(place), server.ask(place)
            if number % _TOO == 0:
                _agree(place, verdict)
            counts["verifiers_died"] += verdict["came"] == "died"
            counts["corrupt_server_deaths"] += opened["came"] in ("died", "failed")
            for told in (verdict, opened) if not sealed else ():
                counts["corrupt_wrong_hash_served"] += told["came"] != "refused"
            if verdict["came"] == "accepted":
                counts["corrupt_golden_wrong"] += not opened.get("golden", False)
            if sealed:
                (accepted if verdict["came"] == "accepted" else refused)[kind] += 1
            _clear(place)
    names = ("corrupt_wrong_hash_served", "corrupt_golden_wrong", "corrupt_server_deaths")
    return {
        "corrupt_served": sum(counts[name] for name in names),
        **{name: counts[name] for name in names},
        "corrupt_bundles": each * len(KINDS),
        "corrupt_sealed_refused": {kind: refused[kind] for kind in KINDS},
        "corrupt_sealed_accepted": {kind: accepted[kind] for kind in KINDS},
        "verifiers_died": counts["verifiers_died"],
    }


def _whole(folder: Path) -> dict[str, bytes]:
    """Write a bundle, and beside it what its golden rows are."""
    contents = small_contents()
    assert contents.base is not None
    np.savez(
        folder / "golden.npz",
        uplift_features=contents.uplift.golden_features,
        uplift_expected=contents.uplift.golden_expected,
        base_features=contents.base.golden_features,
        base_expected=contents.base.golden_expected,
    )
    place = write_bundle(folder / "whole", contents=contents)
    return {file.name: file.read_bytes() for file in place.iterdir()}


def _lay_out(place: Path, files: Mapping[str, bytes]) -> Path:
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def _clear(place: Path) -> None:
    for file in place.iterdir():
        file.unlink()
    place.rmdir()


def _agree(place: Path, verdict: Mapping[str, Any]) -> None:
    try:
        verify_bundle(place, timeout_s=_LONGEST_S)
    except BundleError:
        accepted = False
    else:
        accepted = True
    if accepted != (verdict["came"] == "accepted"):
        raise RuntimeError(f"verify_bundle says {accepted} of {place.name}: {verdict}")


class _Child:
    """A process that opens bundles, and another one when it has died or hangs."""

    def __init__(self, way: str) -> None:
        self._way = way
        self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def ask(self, folder: Path) -> dict[str, Any]:
        """Have a bundle opened; ``{"came": "died"}`` where nobody is left to answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n".encode())
        self._process.stdin.flush()
        told = _line_of(self._process, within=_LONGEST_S)
        if told is not None:
            return told
        self._stop()
        self._process = self._start()
        return {"came": "died"}

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks._corrupt_child", self._way],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        # A busy machine takes long to start it, which is no fault of a bundle.
        if _line_of(process, within=_START_S) is None:
            process.kill()
            process.communicate()
            raise RuntimeError("the process that opens bundles did not start")
        return process

    def _stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _line_of(process: subprocess.Popen[bytes], *, within: float) -> dict[str, Any] | None:
    """Return what it says next; ``None`` where it is silent for so long, or has died."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if waiting.select(within) else b""
    if not line:
        return None
    told: dict[str, Any] = json.loads(line)
    return told
