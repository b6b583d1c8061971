"""Imports that can fail on a machine, and say what it lacks."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from causal_ranker.errors import MissingExtraError

__all__ = ["needs_openmp", "needs_package", "require"]


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module : str
        The module's dotted name.
    extra : str
        The extra of this package that installs it.

    Returns
    -------
    types.ModuleType
        The imported module.

    Raises
    ------
    MissingExtraError
        If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            expected=f"the module '{module}'",
            came=str(error),
            do=f"Install it: pip install 'causal-ranker[{extra}]'.",
        ) from error


@contextmanager
def needs_openmp() -> Iterator[None]:
    """Say what the system lacks where LightGBM cannot be loaded.

    Yields
    ------
    None
        Control, inside which LightGBM is imported.

    Raises
    ------
    MissingExtraError
        If its shared library does not load.
    """
    try:
        yield
    except OSError as error:
        raise MissingExtraError(
            expected="LightGBM with the system's OpenMP runtime",
            came=str(error),
            do="Install it: apt-get install libgomp1, or brew install libomp.",
        ) from error


@contextmanager
def needs_package(name: str) -> Iterator[None]:
    """Say which package is missing where one that this package depends on was taken away.

    Parameters
    ----------
    name : str
        The package, as it is imported and installed.

    Yields
    ------
    None
        Control, inside which the package is imported.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            expected=f"the package '{name}'",
            came=str(error),
            do=f"Install it: pip install {name}.",
        ) from error
