"""One core to measure on: two threads that wait for each other spend the time of two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_core"]


@contextmanager
def one_core() -> Iterator[None]:
    """Keep NumPy and PyTorch to one thread, and leave them as they were.

    Yields
    ------
    None
        Control, inside which processor time is that of one core.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
