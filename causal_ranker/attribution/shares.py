"""What each surface gets of a play's credit, given the surfaces that led to it: learned, kept."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from causal_ranker.config import FrozenConfig

__all__ = ["MOST_SURFACES", "NO_SURFACE", "SurfaceSet", "SurfaceShares"]

#: The number of sets, and with it the text of a query, doubles with each surface.
MOST_SURFACES = 8

#: Name of what has no surface, or one that was not there when the shares were learned.
NO_SURFACE = ""


class SurfaceSet(FrozenConfig):
    """Shares of credit where a play was led to by exactly these surfaces.

    Parameters
    ----------
    surfaces : tuple of str
        Distinct names; the empty one stands for impressions without a known surface.
    shares : tuple of float
        Share of each, at least 0; they sum to 1.
    paths, plays : int
        Evidence: impressions at which exactly these surfaces had been seen within the window,
        and how many of them were the last before a play. Both are 0 for a set that was not seen
        itself.
    """

    surfaces: Annotated[tuple[str, ...], Field(min_length=1)]
    shares: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    paths: Annotated[int, Field(ge=0)] = 0
    plays: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if len(set(self.surfaces)) != len(self.surfaces):
            raise ValueError("surfaces must be distinct")
        if len(self.shares) != len(self.surfaces) or abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError("shares must be one number for each surface and sum to 1")
        return self


class SurfaceShares(FrozenConfig):
    """Shares of credit by set of surfaces (see `causal_ranker.attribution.shapley`).

    Parameters
    ----------
    sets : tuple of SurfaceSet
        Every set once. A play of a set that is not here gives each of its surfaces the same.
    """

    sets: tuple[SurfaceSet, ...]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(self.surfaces) > MOST_SURFACES + 1:
            raise ValueError(f"at most {MOST_SURFACES} surfaces: their sets double with each")
        if len({frozenset(each.surfaces) for each in self.sets}) != len(self.sets):
            raise ValueError("a set of surfaces must occur once")
        return self

    @property
    def surfaces(self) -> tuple[str, ...]:
        """Names of all surfaces, in ascending order, behind the empty one."""
        named = {name for each in self.sets for name in each.surfaces}
        return (NO_SURFACE, *sorted(named - {NO_SURFACE}))
