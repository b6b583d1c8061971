"""The command that gives the same results again."""

from __future__ import annotations

import shlex
from datetime import datetime

import typer

__all__ = ["command_line"]


def command_line(context: typer.Context) -> str:
    """Write the running command as it could be typed.

    Parameters
    ----------
    context : typer.Context
        The command's context.

    Returns
    -------
    str
        Program, command and the options that were given, quoted for a shell.
    """
    words = ["causal-ranker", str(context.info_name)]
    for option in context.command.params:
        source = context.get_parameter_source(str(option.name))
        if source is None or source.name != "COMMANDLINE":
            continue
        value = context.params[str(option.name)]
        words += [
            option.opts[0],
            value.isoformat() if isinstance(value, datetime) else str(value),
        ]
    return shlex.join(words)
