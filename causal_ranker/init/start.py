"""From files to a checklist and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ibis.backends.duckdb import Backend

from causal_ranker.errors import EmptyError
from causal_ranker.init.found import Found, sources_of, tell_found
from causal_ranker.init.looks import look
from causal_ranker.init.propose import propose
from causal_ranker.init.settings import settings_text
from causal_ranker.logs.mapping import check_zone
from causal_ranker.logs.sources import read_table

__all__ = ["Start", "start"]


@dataclass(frozen=True)
class Start:
    """What a newcomer gets.

    Attributes
    ----------
    found : Found
        The checklist.
    text : str
        Settings, TOML.
    """

    found: Found
    text: str


def start(
    paths: Mapping[str, str],
    connection: Backend,
    *,
    time_zone: str | None = None,
    said: Mapping[tuple[str, str], str] | None = None,
) -> Start:
    """Read a newcomer's files, and propose settings.

    Parameters
    ----------
    paths : mapping of str to str
        Files by table: impressions, plays, candidates, users, items.
    connection : ibis.backends.duckdb.Backend
        The engine.
    time_zone : str, optional
        Where clocks without a zone stood.
    said : mapping of (str, str) to str, optional
        Their column, by table and our column, where the owner has decided.

    Returns
    -------
    Start
        Checklist and settings.

    Raises
    ------
    ConfigError
        If the time zone is unknown, or a column that was named is not there.
    DataError
        If a file cannot be read.
    EmptyError
        If one holds no row.
    """
    check_zone(time_zone)
    tables = {name: read_table(path, connection, name=name) for name, path in paths.items()}
    looks = {name: look(table, name=name) for name, table in tables.items()}
    for name, each in looks.items():
        if not each.rows:
            raise EmptyError(
                expected=f"at least one row in {name}",
                came=f"{paths[name]} with the columns {', '.join(map(repr, each.columns))} alone",
                do="Check how it was exported.",
            )
    proposals = propose(tables, looks, said=said)
    sources = sources_of(paths, looks, proposals, time_zone=time_zone)
    found = tell_found(tables, looks, proposals, sources=sources, time_zone=time_zone)
    text = settings_text(paths, looks, proposals, sources=sources, found=found, time_zone=time_zone)
    return Start(found, text)
