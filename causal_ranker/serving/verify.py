"""Verify a bundle in a child process, so that a bad one takes nobody along."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from math import ceil
from pathlib import Path
from typing import Final

from causal_ranker.errors import BundleError

__all__ = ["verify_bundle"]

_ROOT: Final = Path(__file__).resolve().parents[2]


def verify_bundle(path: Path, *, timeout_s: float) -> tuple[tuple[str, str], ...]:
    """Load a bundle and score with it, in a process that may die of it.

    Parameters
    ----------
    path : Path
        Folder of the bundle, or of a registry, whose current version is verified.
    timeout_s : float
        Seconds that it may take.

    Returns
    -------
    tuple of tuple of str
        What was checked, and what was found.

    Raises
    ------
    BundleError
        If the bundle does not load, does not score its golden rows, or gives a row no finite
        score; or if the process dies or is not done in time.
    """
    # Our own package, wherever this process has it from; `-P` keeps out whatever lies around.
    search = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    environment = dict(os.environ, PYTHONPATH=search, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    words = ["-P", "-m", "causal_ranker.serving.probe", str(path), str(ceil(timeout_s) + 1)]
    try:
        done = subprocess.run(
            [sys.executable, *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _refused(path, f"no end within {timeout_s:g} s") from None
    except OSError as error:
        raise BundleError(
            expected="a process to verify the bundle in",
            came=str(error),
            do="Look at the limits of this machine; nothing was published.",
        ) from error
    if done.returncode:  # even after an answer: memory may have been spoilt
        raise _refused(path, _last_words(done))
    told = json.loads(done.stdout)
    if "refused" in told:
        expected, came, do = told["refused"]
        raise BundleError(expected=expected, came=came, do=do)
    return tuple((name, found) for name, found in told["checks"])


def _last_words(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        try:
            return f"its end by {signal.Signals(-done.returncode).name}"
        except ValueError:
            return f"its end by signal {-done.returncode}"
    lines = done.stderr.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    return f"exit code {done.returncode} and {last[:200]!r}"


def _refused(path: Path, came: str) -> BundleError:
    return BundleError(
        expected=f"a bundle at {path} that a process can load and score with",
        came=came,
        do="Publish the bundle again from the trained model.",
    )
