"""Which engine an expression runs on, for the few places where engines have to be told apart."""

from __future__ import annotations

import ibis

__all__ = ["runs_on"]


def runs_on(expression: ibis.Expr, *engines: str) -> bool:
    """Say whether the tables of an expression lie on one of some engines.

    Parameters
    ----------
    expression : ibis.Expr
        A table or a column.
    *engines : str
        Ibis's names of engines, e.g. ``"duckdb"``.

    Returns
    -------
    bool
        False where no engine holds the tables yet, as when SQL is only written down.
    """
    return any(backend.name in engines for backend in expression._find_backends()[0])
