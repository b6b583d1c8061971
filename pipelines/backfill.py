"""What the steps of `pipelines.backfill_flow` do; each can be called without the engine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis
import pandas as pd
import pyarrow.parquet as pq

from causal_ranker.attribution.partitions import (
    attribute_days,
    days_of,
    impressions_since,
    plays_since,
)
from causal_ranker.chain.logs import connection_of, read_checked
from causal_ranker.reporting.places import make_folder
from pipelines.settings import BackfillSettings

__all__ = ["credit_days", "days_to_do"]


def days_to_do(settings: BackfillSettings) -> list[list[date]]:
    """List the days, in the portions that processes take.

    Parameters
    ----------
    settings : BackfillSettings
        Settings.

    Returns
    -------
    list of list of date
        UTC days that hold plays or have a file already, in order.

    Raises
    ------
    ConfigError
        If the folder of the credits cannot be made.
    DataError
        If the plays break their contract.
    """
    make_folder(settings.out)
    _, plays = _read(settings, since=settings.since)
    days = days_of(plays, folder=settings.out, since=settings.since)
    if settings.until is not None:
        days = [day for day in days if day <= settings.until]
    size = settings.days_a_task
    return [days[at : at + size] for at in range(0, len(days), size)]


def credit_days(settings: BackfillSettings, days: Sequence[date]) -> pd.DataFrame:
    """Credit the plays of some days, each in a file that is the old one or the whole new one.

    Parameters
    ----------
    settings : BackfillSettings
        Settings.
    days : sequence of date
        UTC days, at least one.

    Returns
    -------
    pandas.DataFrame
        ``day`` and ``credits``, the number of credit lines.
    """
    impressions, plays = _read(settings, since=min(days))
    paths = attribute_days(
        impressions,
        plays,
        days=list(days),
        folder=settings.out,
        config=settings.chain.attribution,
    )
    counts = [pq.read_metadata(path).num_rows for path in paths]
    return pd.DataFrame({"day": list(days), "credits": counts})


def _read(settings: BackfillSettings, *, since: date | None) -> tuple[ibis.Table, ibis.Table]:
    """Read what these days look at; earlier rows are not even checked."""
    chain = settings.chain
    connection = connection_of(config=chain)

    def shown(table: ibis.Table) -> ibis.Table:
        return (
            table
            if since is None
            else impressions_since(table, since=since, config=chain.attribution)
        )

    def played(table: ibis.Table) -> ibis.Table:
        return table if since is None else plays_since(table, since=since)

    impressions, _ = read_checked(
        connection, settings.impressions, name="impressions", config=chain, rows=shown
    )
    plays, _ = read_checked(connection, settings.plays, name="plays", config=chain, rows=played)
    return impressions, plays
