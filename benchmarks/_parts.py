"""What benchmarks share that are run part by part, and that have figures with limits."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol, cast

import benchmarks

__all__ = ["Limits", "Part", "asked", "part_named"]

#: What is asked of figures: "at most" or "at least", and the limit.
Limits = Mapping[str, tuple[str, float]]


class Part(Protocol):
    """The form of a part's module."""

    def run(self, *, quick: bool) -> Mapping[str, object]:
        """Measure, and return figures by name."""
        ...


def part_named(module: str) -> Part:
    """Import a part.

    Parameters
    ----------
    module : str
        Its module in `benchmarks`.

    Returns
    -------
    Part
        The module.
    """
    return cast(Part, importlib.import_module(f"{benchmarks.__name__}.{module}"))


def asked(figure: str, *, limits: Limits) -> str:
    """Say what is asked of a figure.

    Parameters
    ----------
    figure : str
        Its name.
    limits : Limits
        Of those with one.

    Returns
    -------
    str
        Such as "at most 15"; empty where nothing is.
    """
    if figure not in limits:
        return ""
    words, limit = limits[figure]
    return f"{words} {limit:g}"
