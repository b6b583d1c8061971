"""One seed for the run, one independent generator per stage."""

from __future__ import annotations

import zlib

import numpy as np

__all__ = ["stage_rng", "stage_seed"]


def _sequence(seed: int, stage: str) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(stage.encode())])


def stage_rng(seed: int, stage: str) -> np.random.Generator:
    """Return the generator of one stage.

    Adding a stage never changes the draws of another, because each stage's stream
    depends on its own name only.

    Parameters
    ----------
    seed : int
        The run's seed, non-negative.
    stage : str
        The stage's name.

    Returns
    -------
    numpy.random.Generator
        The stage's own generator.
    """
    return np.random.default_rng(_sequence(seed, stage))


def stage_seed(seed: int, stage: str) -> int:
    """Return a 31-bit integer seed of one stage, for libraries that want an integer.

    Parameters
    ----------
    seed : int
        The run's seed, non-negative.
    stage : str
        The stage's name.

    Returns
    -------
    int
        A number in ``[0, 2**31)``.
    """
    return int(_sequence(seed, stage).generate_state(1)[0] >> 1)
