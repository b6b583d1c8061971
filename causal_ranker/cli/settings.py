"""From ``--config`` and single options to settings and an engine; options win over the file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.project import ProjectConfig

if TYPE_CHECKING:
    from ibis.backends.duckdb import Backend

    from causal_ranker.logs.quarantine import Quarantine

__all__ = ["open_engine", "project_config", "tell"]


def project_config(file: Path | None, *, quarantine: Path | None = None) -> ProjectConfig:
    """Return the settings of a file, or the defaults.

    Parameters
    ----------
    file : Path or None
        TOML file.
    quarantine : Path, optional
        Folder for bad rows, in place of what the file says about them.

    Returns
    -------
    ProjectConfig
        Settings.

    Raises
    ------
    ConfigError
        If the file cannot be read, or holds a wrong key or value.
    """
    config = ProjectConfig() if file is None else ProjectConfig.from_toml(file)
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
