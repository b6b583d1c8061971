"""Attribution day by day: credits of the plays of one day, in one file that is old or new.

Credits lie by the day of their play (UTC), in hive partitions ``date=2024-03-09/credits.parquet``.
A day depends on the impressions inside the longest window before it, so that a late play changes
its own day only, and a late impression the days that its windows reach.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import ibis
import pyarrow.parquet as pq

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, DataError

__all__ = ["attribute_days", "days_reached", "partition_path"]

_FILE: Final = "credits.parquet"


def partition_path(folder: Path, day: date) -> Path:
    """Return where the credits of a day lie.

    Parameters
    ----------
    folder : Path
        The folder of all days.
    day : date
        The day of the plays, in UTC.

    Returns
    -------
    Path
        The file.
    """
    return folder / f"date={day.isoformat()}" / _FILE


def attribute_days(
    impressions: ibis.Table,
    plays: ibis.Table,
    *,
    days: Iterable[date],
    folder: Path,
    config: AttributionConfig,
) -> list[Path]:
    """Attribute the plays of some days, and replace their partitions one by one.

    Each partition is written aside and renamed, so that whoever reads, and whatever fails, finds
    the old one or the new one and never a part. Rows lie in order of play and impression: the
    same logs give the same bytes.

    Parameters
    ----------
    impressions, plays : ibis.Table
        Logs that passed their checks. Of the impressions, those inside the longest window before
        a day are looked at; all earlier ones with click windows or ``exposures="first"``.
    days : iterable of date
        Days of plays, in UTC. A day without plays gets an empty partition.
    folder : Path
        Where the partitions lie.
    config : AttributionConfig
        Settings; those of all partitions of a folder should be the same.

    Returns
    -------
    list of Path
        The files written, in order of their days.

    Raises
    ------
    DataError
        If a partition cannot be written; those before it are new, it and those after it are as
        they were.
    """
    written: list[Path] = []
    reach, boundless = _reach(config), _is_boundless(config)
    for day in sorted(set(days)):
        start = datetime.combine(day, time(), tzinfo=UTC)
        stop = start + timedelta(days=1)
        played = _between(plays, C.PLAYED_AT, start, stop)
        shown = _between(impressions, C.T0, None if boundless else start - reach, stop)
        credits = attribute(shown, played, config=config).order_by([C.PLAY, C.IMPRESSION])
        path = partition_path(folder, day)
        aside = path.with_name(f"{_FILE}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(credits.to_pyarrow(), aside, compression="zstd")
            os.replace(aside, path)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise DataError(
                expected=f"room to write the credits of {day.isoformat()} at {path}",
                came=error.strerror or str(error),
                do=f"Make room, and run the days from {day.isoformat()} on again: "
                f"{len(written)} before it are done.",
            ) from error
        written.append(path)
    return written


def days_reached(
    *,
    plays: Iterable[datetime] = (),
    impressions: Iterable[datetime] = (),
    config: AttributionConfig,
) -> set[date]:
    """Return the days to run again when events arrive late.

    Parameters
    ----------
    plays : iterable of datetime
        Times of late plays, with a time zone.
    impressions : iterable of datetime
        t0 of late impressions.
    config : AttributionConfig
        Settings of the partitions.

    Returns
    -------
    set of date
        Days in UTC whose partitions may change.

    Raises
    ------
    ConfigError
        If late impressions may change any later day: with click-through windows, or where only
        the first exposure counts.
    """
    days = {moment.astimezone(UTC).date() for moment in plays}
    shown = [moment.astimezone(UTC) for moment in impressions]
    if shown and _is_boundless(config):
        raise ConfigError(
            expected="view-through windows of every exposure, whose end is known from t0",
            came=f"exposures={config.exposures!r}, click_window_hours={config.click_window_hours}",
            do="Run every day from the first late impression on again.",
        )
    for moment in shown:
        last = (moment + _reach(config) - timedelta(microseconds=1)).date()
        count = (last - moment.date()).days
        days |= {moment.date() + timedelta(days=step) for step in range(count + 1)}
    return days


def _reach(config: AttributionConfig) -> timedelta:
    return timedelta(hours=max([config.window_hours, *config.surface_window_hours.values()]))


def _is_boundless(config: AttributionConfig) -> bool:
    """Whether impressions of any age bear on a day: a click opens its window whenever it comes."""
    return config.exposures == "first" or config.click_window_hours is not None


def _between(table: ibis.Table, column: str, start: datetime | None, stop: datetime) -> ibis.Table:
    kind = table[column].type()
    inside = table[column] < ibis.literal(stop).cast(kind)
    if start is not None:
        inside = inside & (table[column] >= ibis.literal(start).cast(kind))
    return table.filter(inside)
