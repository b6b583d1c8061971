"""Tables of other engines, carried over to the one that the chain works on."""

from __future__ import annotations

import secrets

import ibis
from ibis.backends.duckdb import Backend

from causal_ranker.errors import DataError
from causal_ranker.logs.failures import brief, explain, lacks_room

__all__ = ["bring_over", "new_name"]


def bring_over(table: ibis.Table, connection: Backend, *, name: str) -> ibis.Table:
    """Return a table on a connection: the table itself if it is there, else a copy of its rows.

    The copy is streamed in batches where the other engine can do that (another DuckDB can; of
    SQLite and Polars, Ibis fetches all rows first), and lies where DuckDB keeps temporary tables,
    which spill to disk.

    Parameters
    ----------
    table : ibis.Table
        A table on any engine.
    connection : ibis.backends.duckdb.Backend
        Where it is needed.
    name : str
        What the table is, for messages.

    Returns
    -------
    ibis.Table
        The same rows on the connection.

    Raises
    ------
    DataError
        If the other engine cannot hand out its rows, the table lies on several engines, or there
        is no room for the copy.
    """
    backends = table._find_backends()[0]
    if all(backend is connection for backend in backends):
        return table
    view, copy = new_name(name), new_name(name)
    try:
        batches = table.to_pyarrow_batches()
        connection.con.register(view, batches)
        try:
            connection.con.execute(f'CREATE TEMP TABLE "{copy}" AS SELECT * FROM "{view}"')
        finally:
            connection.con.unregister(view)
    # Each engine has errors of its own, of packages that need not be installed.
    except Exception as error:
        if lacks_room(error):
            raise explain(error, name=name) from error
        engines = " and ".join(sorted({backend.name for backend in backends}))
        raise DataError(
            expected=f"{name} on an engine that hands out its rows in batches",
            came=f"an error of {engines}: {type(error).__name__} ({brief(error)})",
            do="Write the table to Parquet there, and pass the path.",
        ) from error
    return connection.table(copy)


def new_name(name: str) -> str:
    """Return a name for a table that no other one has.

    Parameters
    ----------
    name : str
        What the table is.

    Returns
    -------
    str
        The name, fit for an identifier, with a random end.
    """
    stem = "".join(sign if sign.isalnum() else "_" for sign in name)
    return f"{stem}_{secrets.token_hex(4)}"
