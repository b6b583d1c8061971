"""Verify a bundle in a child process, so that a bad one takes nobody along."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from math import ceil
from pathlib import Path
from typing import Final

from causal_ranker.errors import BundleError, UpstreamError

__all__ = ["UnverifiedError", "may_pass", "verify_bundle"]

_ROOT: Final = Path(__file__).resolve().parents[2]

# What ends a process and says nothing of the bundle: the system, for want of memory, or a clock.
_PASSING_ENDS: Final = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGALRM)
_PASSING_WORDS: Final = ("MemoryError", os.strerror(errno.ENOMEM), os.strerror(errno.EAGAIN))


class UnverifiedError(BundleError):
    """The bundle could not be verified now; whether anything is wrong with it is not known."""


def may_pass(error: BaseException) -> bool:
    """Say whether an error tells of the machine rather than of the bundle.

    Parameters
    ----------
    error : BaseException
        What came of verifying or loading a bundle.

    Returns
    -------
    bool
        Whether the same may go well another time.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnverifiedError | UpstreamError | MemoryError):
            return True
        if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
            return True
        cause = cause.__context__
    return False


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
        score; or if the process dies of it.
    UnverifiedError
        If the process cannot start, is not done in time, or is ended from outside or for want of
        memory: it may pass another time.
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
        raise _refused(path, f"no end within {timeout_s:g} s", kind=UnverifiedError) from None
    except OSError as error:
        raise UnverifiedError(
            expected="a process to verify the bundle in",
            came=str(error),
            do="Look at the limits of this machine; nothing was published.",
        ) from error
    if done.returncode:  # even after an answer: memory may have been spoilt
        last = _last_words(done)
        passing = done.returncode in _PASSING_ENDS or any(each in last for each in _PASSING_WORDS)
        raise _refused(path, last, kind=UnverifiedError if passing else BundleError)
    told = json.loads(done.stdout)
    for name, kind in (("refused", BundleError), ("unread", UnverifiedError)):
        if name in told:
            expected, came, do = told[name]
            raise kind(expected=expected, came=came, do=do)
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


def _refused(path: Path, came: str, *, kind: type[BundleError]) -> BundleError:
    return kind(
        expected=f"a bundle at {path} that a process can load and score with",
        came=came,
        do="Publish the bundle again from the trained model.",
    )
