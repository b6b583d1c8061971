"""Every error the package raises on purpose, under one root.

The tree::

    CausalRankerError
    ├── ConfigError            a setting that cannot be
    ├── DataError              a table that breaks the contract
    │   ├── SchemaError        a column missing, or of the wrong type
    │   ├── RowError           rows with impossible values
    │   └── EmptyError         nothing left to work on
    ├── OverlapError           no comparable rows in the other arm
    ├── FidelityError          a distilled model that does not rank as its teacher
    ├── NotFittedError         used before ``fit``
    ├── BundleError            a model folder that is not one, or was changed
    ├── UnknownUserError       a user the model has never seen
    ├── UpstreamError          another service that gave no answer
    ├── OverloadedError        more requests than the service can answer
    ├── LogUnavailableError    a decision log that cannot be written
    └── MissingExtraError      an optional package is not installed

Each message has three parts: what was expected, what came, what to do.
"""

from __future__ import annotations

from functools import partial
from typing import Any

__all__ = [
    "BundleError",
    "CausalRankerError",
    "ConfigError",
    "DataError",
    "EmptyError",
    "FidelityError",
    "LogUnavailableError",
    "MissingExtraError",
    "NotFittedError",
    "OverlapError",
    "OverloadedError",
    "RowError",
    "SchemaError",
    "UnknownUserError",
    "UpstreamError",
]


class CausalRankerError(Exception):
    """Root of all errors raised on purpose.

    Parameters
    ----------
    expected : str
        What the code needed, e.g. ``"a column 'user_id' in impressions"``.
    came : str
        What it got instead, with column, count and a few rows where it can.
    do : str
        The next step for the reader, in the imperative.
    """

    def __init__(self, *, expected: str, came: str, do: str) -> None:
        self.expected = expected
        self.came = came
        self.do = do
        super().__init__(f"expected {expected}; got {came}. {do}")

    def __reduce__(self) -> tuple[Any, ...]:
        # An error that another process raised must come home: what cannot breaks its whole pool.
        return partial(type(self), expected=self.expected, came=self.came, do=self.do), ()


class ConfigError(CausalRankerError):
    """A setting that is out of range, unknown, or contradicts another."""


class DataError(CausalRankerError):
    """A table that breaks the contract of the logs."""


class SchemaError(DataError):
    """A column is missing or has the wrong type."""


class RowError(DataError):
    """Some rows hold impossible values; none was dropped."""


class EmptyError(DataError):
    """No row is left to work on."""


class OverlapError(CausalRankerError):
    """One arm has no comparable rows, so the effect is not identified."""


class FidelityError(CausalRankerError):
    """A distilled model ranks too differently from the one it stands for."""


class NotFittedError(CausalRankerError):
    """The object was used before ``fit``."""


class BundleError(CausalRankerError):
    """A model folder is missing a file, was changed, or is not a bundle."""


class UnknownUserError(CausalRankerError):
    """The user is not in the model's snapshot."""


class UpstreamError(CausalRankerError):
    """Another service gave no answer in time, or none that can be read."""


class OverloadedError(CausalRankerError):
    """More requests wait than can be answered in time, and there is no list to fall back to."""


class LogUnavailableError(CausalRankerError):
    """What must be written down could not be written to the decision log."""


class MissingExtraError(CausalRankerError):
    """An optional package is needed and not installed."""
