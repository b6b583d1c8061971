"""The settings file of a project: where its tables lie, what is asked of them, and the chain's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from causal_ranker.chain.config import ChainConfig
from causal_ranker.config import FrozenConfig
from causal_ranker.logs.mapping import TableSource

__all__ = ["ProjectConfig", "RunConfig", "TablesConfig"]


class TablesConfig(FrozenConfig):
    """Where the tables lie, and what their columns are called.

    Parameters
    ----------
    impressions, plays, candidates, users, items : TableSource, optional
        The tables. An option of the command line takes the place of a path, and keeps the names.
    """

    impressions: TableSource | None = None
    plays: TableSource | None = None
    candidates: TableSource | None = None
    users: TableSource | None = None
    items: TableSource | None = None


class RunConfig(FrozenConfig):
    """What is asked of the tables; an option of the command line goes before each.

    Parameters
    ----------
    horizon_hours : float, optional
        Length of the horizon, where the candidates have no ``horizon_end``.
    holdout_from : datetime, optional
        `evaluate` learns from what came before this moment, and reports on what came from then on.
    base : {"logged", "boosted"}
        The candidates' ``base_score``, or the built-in base ranker.
    k : int
        Slots of a slate.
    every_item : bool
        Without a candidate log: take every item of the item table, or else of the impressions, for
        a candidate of every request (see `causal_ranker.labels.controls.every_item`).
    """

    horizon_hours: Annotated[float, Field(gt=0)] | None = None
    holdout_from: AwareDatetime | None = None
    base: Literal["logged", "boosted"] = "logged"
    k: Annotated[int, Field(ge=1)] = 10
    every_item: bool = False


class ProjectConfig(ChainConfig):
    """A settings file: the chain's settings, and with them tables and what is asked of them.

    Parameters
    ----------
    tables : TablesConfig
        Where the tables lie, and what their columns are called.
    run : RunConfig
        What is asked of them.
    """

    tables: TablesConfig = TablesConfig()
    run: RunConfig = RunConfig()

    @property
    def chain(self) -> ChainConfig:
        """The chain's settings alone."""
        return ChainConfig(**{name: getattr(self, name) for name in ChainConfig.model_fields})
