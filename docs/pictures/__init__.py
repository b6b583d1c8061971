"""One drawing for each of the twelve traps: what goes wrong, beside what is right and the truth.

Every figure is computed when the site is built, from the simulated service or a few lines of draws
whose truth is known, by the package's own statistics. A trap is a module with `draw`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Final, Protocol, cast

__all__ = ["NAMES", "Picture", "load"]

#: In the order of `docs/pages/concepts/traps.md`.
NAMES: Final = (
    "credit",
    "immortal_time",
    "unfinished",
    "unseen",
    "base_ranker",
    "viewing",
    "ties",
    "average_effect",
    "dependent_rows",
    "candidate_sets",
    "cannibalised",
    "sampling",
)


@dataclass(frozen=True)
class Picture:
    """A drawing, its words, and the figures in them.

    Parameters
    ----------
    svg : str
        The drawing, as `causal_ranker.reporting.figures` makes it.
    caption : str
        What it shows, with the figures.
    alt : str
        What kind of drawing it is, for somebody who cannot see it.
    naive, right, truth : float
        What comes of the trap, of what is done here, and what is so.
    """

    svg: str
    caption: str
    alt: str
    naive: float
    right: float
    truth: float


class Trap(Protocol):
    """The form of a trap's module."""

    def draw(self, *, seed: int) -> Picture:
        """Draw it.

        Parameters
        ----------
        seed : int
            Of everything random.

        Returns
        -------
        Picture
            The drawing.
        """
        ...


def load(name: str) -> Trap:
    """Import a trap.

    Parameters
    ----------
    name : str
        One of `NAMES`.

    Returns
    -------
    Trap
        Its module.
    """
    return cast(Trap, importlib.import_module(f"{__name__}.{name}"))
