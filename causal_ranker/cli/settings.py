"""From ``--config`` and single options to settings and an engine; options win over the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from causal_ranker.chain.config import ChainConfig

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

    from causal_ranker.logs.quarantine import Quarantine

__all__ = ["chain_config", "open_engine", "tell"]


def chain_config(file: Path | None, *, quarantine: Path | None) -> ChainConfig:
    """Return the settings of a file, or the defaults.

    Parameters
    ----------
    file : Path or None
        TOML file.
    quarantine : Path or None
        Folder for bad rows, in place of what the file says about them.

    Returns
    -------
    ChainConfig
        Settings.

    Raises
    ------
    ConfigError
        If the file cannot be read, or holds a wrong key or value.
    """
    config = ChainConfig() if file is None else ChainConfig.from_toml(file)
    if quarantine is None:
        return config
    aside = {"on_bad_rows": "quarantine", "quarantine_folder": quarantine}
    return config.model_copy(update=aside)


def open_engine(config: ChainConfig, *, threads: int | None, memory: str | None) -> Backend:
    """Open the embedded engine.

    Parameters
    ----------
    config : ChainConfig
        Settings.
    threads : int or None
        Threads, in place of the settings'.
    memory : str or None
        Memory, in place of the settings'.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The connection.

    Raises
    ------
    ConfigError
        If the engine does not open so.
    """
    from causal_ranker.logs.sources import connect

    return connect(
        threads=config.engine_threads if threads is None else threads,
        memory_limit=config.engine_memory if memory is None else memory,
    )


def tell(*quarantines: Quarantine | None) -> None:
    """Print what was set aside.

    Parameters
    ----------
    *quarantines : Quarantine or None
        One for each table that was read.
    """
    for each in quarantines:
        if each is not None:
            typer.echo(str(each))
