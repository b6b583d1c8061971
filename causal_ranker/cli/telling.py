"""What an error looks like on the command line."""

from __future__ import annotations

import typer

from causal_ranker.errors import CausalRankerError

__all__ = ["tell"]


def tell(error: CausalRankerError) -> None:
    """Print an error as one line on stderr.

    Parameters
    ----------
    error : CausalRankerError
        What was raised.
    """
    typer.echo(f"error: {' '.join(str(error).split())}", err=True)
