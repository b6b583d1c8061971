"""Optional imports that name the extra they belong to."""

from __future__ import annotations

import importlib
from types import ModuleType

from causal_ranker.errors import MissingExtraError

__all__ = ["require"]


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
