"""Settings of the decision log."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from causal_ranker.config import FrozenConfig

__all__ = ["LogConfig"]


class LogConfig(FrozenConfig):
    """How decisions are written down.

    Parameters
    ----------
    segment_bytes : int
        A segment is closed once it is this long.
    segment_seconds : float
        It is closed when it is this old, too, whether anything is written or not, so that
        compaction never waits longer.
    sync_seconds : float
        0: records are on the disk (fdatasync) before they are acknowledged, so that they survive a
        loss of power as well. Above 0: they are acknowledged once the operating system has them,
        which survives the death of the process (kill -9); a loss of power may take the last so
        many seconds.
    pending_bytes : int
        Records are refused at once while more than this waits to be written.
    """

    segment_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 64 << 20
    segment_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    sync_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    pending_bytes: Annotated[int, Field(ge=1)] = 32 << 20
