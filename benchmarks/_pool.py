"""Small jobs side by side: one a core, each in one thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import track

__all__ = ["each_on_a_core"]

_Job = TypeVar("_Job")
_Told = TypeVar("_Told")
_SINGLE: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def each_on_a_core(work: Callable[[_Job], _Told], jobs: Sequence[_Job]) -> Iterator[_Told]:
    """Do every job in a process of its own libraries; a few thousand rows keep no second thread.

    Parameters
    ----------
    work : callable
        What to do, a function of a module.
    jobs : sequence
        Its arguments.

    Yields
    ------
    object
        What each job gave, in their order.
    """
    before = {key: os.environ.get(key) for key in _SINGLE}
    # Read once, by the libraries that the workers load.
    os.environ.update(_SINGLE)
    try:
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            told = pool.map(work, jobs)
            yield from track(told, total=len(jobs), console=Console(stderr=True))
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key)
            else:
                os.environ[key] = value
