"""What fails in files and in the engine is told as what fails on purpose is: in one line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import typer

from causal_ranker.errors import CausalRankerError

__all__ = ["on_tables", "tell"]

_Words = ParamSpec("_Words")
_Result = TypeVar("_Result")


def on_tables(command: Callable[_Words, _Result]) -> Callable[_Words, _Result]:
    """Mark a command that reads or writes tables.

    Rooms run lazy queries at many places; whatever is not told there is told here.

    Parameters
    ----------
    command : callable
        The command.

    Returns
    -------
    callable
        The same, which raises a `causal_ranker.errors.DataError` where the engine, a disk or
        memory fails. Mistakes of the program stay what they are.
    """

    @wraps(command)
    def run(*words: _Words.args, **named: _Words.kwargs) -> _Result:
        from causal_ranker.logs.failures import FAILURES, explain

        try:
            return command(*words, **named)
        except BrokenPipeError:  # whoever reads what is printed has gone
            raise
        except FAILURES as error:
            raise explain(error, name="the tables") from error

    return run


def tell(error: CausalRankerError) -> None:
    """Print an error as one line on stderr.

    Parameters
    ----------
    error : CausalRankerError
        What was raised.
    """
    typer.echo(f"error: {' '.join(str(error).split())}", err=True)
