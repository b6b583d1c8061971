"""Which tables a command reads: options first, then those of the settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from causal_ranker.chain.project import ProjectConfig
from causal_ranker.errors import ConfigError
from causal_ranker.logs.mapping import TableSource

if TYPE_CHECKING:
    from pathlib import Path

    from ibis.backends.duckdb import Backend

__all__ = ["Sources", "find_sources", "latest_offer", "with_candidates"]

_NAMES = ("impressions", "plays", "candidates", "users", "items")


@dataclass(frozen=True)
class Sources:
    """The tables of a command; None for one that is not there.

    Attributes
    ----------
    impressions, plays, candidates, users, items : str, TableSource, ibis.Table or None
        Paths, paths with the names of their columns, or tables that were made of others.
    """

    impressions: Any
    plays: Any
    candidates: Any = None
    users: Any = None
    items: Any = None

    @property
    def paths(self) -> dict[str, str | None]:
        """Paths by name, for the record of a run; None for what is no file."""
        told = {}
        for name in _NAMES:
            source = getattr(self, name)
            path = source.path if isinstance(source, TableSource) else source
            told[name] = path if isinstance(path, str) else None
        return told


def find_sources(
    config: ProjectConfig, *, needed: tuple[str, ...], **options: str | None
) -> Sources:
    """Say where each table lies.

    Parameters
    ----------
    config : ProjectConfig
        Settings, which may name files and their columns.
    needed : tuple of str
        Tables that the command cannot do without.
    **options : str or None
        Paths of the command line by table. One takes the place of the file in the settings, whose
        names of columns stay.

    Returns
    -------
    Sources
        The tables.

    Raises
    ------
    ConfigError
        If a table that is needed is named by neither.
    """
    found: dict[str, Any] = {}
    for name in _NAMES:
        path: str | None = options.get(name)
        known: TableSource | None = getattr(config.tables, name)
        if known is None:
            found[name] = path
        else:
            found[name] = known if path is None else known.at(path)
    lacking = [name for name in needed if found[name] is None]
    if lacking:
        raise ConfigError(
            expected=f"--{lacking[0]}, or [tables.{lacking[0]}] in the file of --config",
            came="neither",
            do=_HINTS.get(lacking[0], "Name the file; causal-ranker init writes such settings."),
        )
    return Sources(**found)


_HINTS = {
    "candidates": "Log what could have been shown; or, if the recommender chose among all items, "
    "set every_item = true below [run] in the settings."
}


def with_candidates(connection: Backend, sources: Sources, *, config: ProjectConfig) -> Sources:
    """Make the candidate log that nobody wrote, where the settings ask for it.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    sources : Sources
        The command's tables.
    config : ProjectConfig
        Settings; without ``run.every_item`` nothing is made.

    Returns
    -------
    Sources
        The same, with candidates and items where they were made.

    Raises
    ------
    ConfigError
        If there is a candidate log, too.
    DataError
        If a table breaks its contract.
    """
    if not config.run.every_item:
        return sources
    if sources.candidates is not None:
        raise ConfigError(
            expected="either a candidate log, or run.every_item",
            came="both",
            do="Leave one of them out: a log says which items there were to choose from.",
        )
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.cli.settings import tell
    from causal_ranker.columns import Columns as C
    from causal_ranker.labels.controls import every_item

    chain = config.chain
    shown, aside = read_checked(connection, sources.impressions, name="impressions", config=chain)
    catalogue = sources.items
    worse = None
    if catalogue is None:
        catalogue = shown.select(C.ITEM).distinct()
    else:
        catalogue, worse = read_checked(connection, catalogue, name="items", config=chain)
    tell(aside, worse)
    rows = every_item(shown, catalogue)
    return Sources(
        impressions=shown,
        plays=sources.plays,
        candidates=connection.create_table("every_item", rows, temp=True),
        users=sources.users,
        items=None if sources.items is None else catalogue,
    )


def latest_offer(file: Path, *, user: int | str) -> list[tuple[int | str, float]]:
    """Read what a user could have been shown at the latest request of a candidate log.

    Parameters
    ----------
    file : Path
        Settings that name the log.
    user : int or str
        The user.

    Returns
    -------
    list of (item id, base score)
        Best base score first.

    Raises
    ------
    ConfigError
        If the settings name no candidate log.
    DataError
        If the log breaks its contract, has no base score, or no request of the user.
    """
    from causal_ranker.chain.logs import read_checked
    from causal_ranker.cli.settings import open_engine, project_config
    from causal_ranker.columns import Columns as C
    from causal_ranker.errors import EmptyError
    from causal_ranker.logs.rules import require_columns
    from causal_ranker.logs.sources import reading

    config = project_config(file)
    connection = open_engine(config, threads=None, memory=None)
    source = find_sources(config, needed=("candidates",)).candidates
    log, _ = read_checked(connection, source, name="candidates", config=config)
    require_columns(log, [C.BASE_SCORE], name="candidates")
    own = log.filter(log[C.USER] == user)
    latest = own.filter(own[C.T0] == own[C.T0].max())
    with reading("candidates"):
        offer = latest.order_by(latest[C.BASE_SCORE].desc()).select(C.ITEM, C.BASE_SCORE)
        rows = offer.to_pyarrow()
    if not rows.num_rows:
        raise EmptyError(
            expected=f"a request of the user {user!r} in the candidate log",
            came="none",
            do="Ask for a user who is in it, or send a list with --candidates.",
        )
    return list(zip(rows[C.ITEM].to_pylist(), rows[C.BASE_SCORE].to_pylist(), strict=True))
