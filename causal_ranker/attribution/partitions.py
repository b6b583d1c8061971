"""Attribution day by day: credits of the plays of one day, in one file that is old or new.

Credits lie by the day of their play (UTC), in hive partitions ``date=2024-03-09/credits.parquet``.
A day depends on the impressions inside the longest window before it, so that a late play changes
its own day only, and a late impression the days that its windows reach. One process at a time may
write a day.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import BinaryIO, Final

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.config import AttributionConfig
from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError, DataError
from causal_ranker.logs.failures import writing
from causal_ranker.logs.hours import hours_begun
from causal_ranker.logs.sources import reading

__all__ = [
    "attribute_days",
    "days_of",
    "days_reached",
    "impressions_since",
    "partition_path",
    "plays_since",
]

_FILE: Final = "credits.parquet"
#: Rows of a row group; the memory that writing takes.
_GROUP: Final = 122_880
_STEP: Final = timedelta(microseconds=1)


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

    Each partition is written aside, made durable and renamed, so that whoever reads, and whatever
    fails, finds the old one or the new one and never a part. Rows lie in order of play and
    impression, in groups of one size: the same logs give the same bytes.

    Parameters
    ----------
    impressions, plays : ibis.Table
        Logs that passed their checks. Of the impressions, those inside the longest window before
        a day are looked at, in whole days where their number in a day counts; all earlier ones
        with click windows or ``exposures="first"``.
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
        If the logs cannot be read or a partition cannot be written; those before it are new, it
        and those after it are as they were.
    """
    written: list[Path] = []
    for day in sorted(set(days)):
        start = _midnight(day)
        stop = start + timedelta(days=1)
        played = _between(plays, C.PLAYED_AT, start, stop)
        shown = _between(impressions, C.T0, _first_looked_at(start, config=config), stop)
        credits = attribute(shown, played, config=config).order_by([C.PLAY, C.IMPRESSION])
        path = partition_path(folder, day)
        try:
            _replace(credits, path)
        except DataError as error:
            raise DataError(
                expected=error.expected,
                came=error.came,
                do=f"{error.do} Then run the days from {day.isoformat()} on again: {len(written)} "
                "before it are done.",
            ) from error
        written.append(path)
    return written


def impressions_since(
    impressions: ibis.Table, *, since: date, config: AttributionConfig
) -> ibis.Table:
    """Return the impressions that the credits of a day and of all later ones look at.

    Parameters
    ----------
    impressions : ibis.Table
        Log whose columns passed their checks.
    since : date
        The first day of plays, in UTC.
    config : AttributionConfig
        Settings.

    Returns
    -------
    ibis.Table
        Those rows, and those whose time is not known, lazily.
    """
    return _since(impressions, C.T0, _first_looked_at(_midnight(since), config=config))


def plays_since(plays: ibis.Table, *, since: date) -> ibis.Table:
    """Return the plays of a day and of all later ones.

    Parameters
    ----------
    plays : ibis.Table
        Log whose columns passed their checks.
    since : date
        The day, in UTC.

    Returns
    -------
    ibis.Table
        Those rows, and those whose time is not known, lazily.
    """
    return _since(plays, C.PLAYED_AT, _midnight(since))


def days_of(plays: ibis.Table, *, folder: Path, since: date | None = None) -> list[date]:
    """Return the days to run so that a folder holds the credits of these plays.

    Parameters
    ----------
    plays : ibis.Table
        Play log that passed its checks.
    folder : Path
        Where the partitions lie; one there whose plays are gone has to be written anew, too.
    since : date, optional
        Leave out the days before this one. Events change the credits of their own and of later
        days, so nothing before the day of the first late event has to run again.

    Returns
    -------
    list of date
        Days in UTC, ascending.

    Raises
    ------
    DataError
        If the plays cannot be read.
    """
    number = hours_begun(plays[C.PLAYED_AT]) // 24
    with reading("plays"):
        numbers = plays.select(day=number.cast("int64")).distinct().to_pyarrow()["day"]
    days = {date(1970, 1, 1) + timedelta(days=each) for each in numbers.to_pylist()}
    for path in folder.glob(f"date=*/{_FILE}"):
        with suppress(ValueError):  # somebody else's folder
            days.add(date.fromisoformat(path.parent.name.removeprefix("date=")))
    return sorted(day for day in days if since is None or day >= since)


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
        day = moment.date()
        if config.most_impressions_a_day is not None:
            # One more impression may take the credit of all the others of its day.
            moment = _midnight(day) + timedelta(days=1) - _STEP
        last = (moment + _reach(config) - _STEP).date()
        days |= {day + timedelta(days=step) for step in range((last - day).days + 1)}
    return days


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def _reach(config: AttributionConfig) -> timedelta:
    return timedelta(hours=max([config.window_hours, *config.surface_window_hours.values()]))


def _first_looked_at(start: datetime, *, config: AttributionConfig) -> datetime | None:
    if _is_boundless(config):
        return None
    first = start - _reach(config)
    # Impressions are counted by the whole day.
    return first if config.most_impressions_a_day is None else _midnight(first.date())


def _is_boundless(config: AttributionConfig) -> bool:
    """Whether impressions of any age bear on a day: a click opens its window whenever it comes."""
    return config.exposures == "first" or config.click_window_hours is not None


def _since(table: ibis.Table, column: str, start: datetime | None) -> ibis.Table:
    if start is None:
        return table
    late = table[column] >= ibis.literal(start).cast(table[column].type())
    # Rows without a time are for the check to refuse or set aside.
    return table.filter(late | table[column].isnull())


def _between(table: ibis.Table, column: str, start: datetime | None, stop: datetime) -> ibis.Table:
    kind = table[column].type()
    if start is not None:
        table = table.filter(table[column] >= ibis.literal(start).cast(kind))
    return table.filter(table[column] < ibis.literal(stop).cast(kind))


def _replace(credits: ibis.Table, path: Path) -> None:
    """Put a table in the place of a file, so that a crash at any time leaves old or new."""
    aside = path.with_name(f"{_FILE}.{os.getpid()}.part")
    try:
        with writing(aside, name="impressions and plays"):
            path.parent.mkdir(parents=True, exist_ok=True)
            for left in path.parent.glob(f"{_FILE}.*.part"):  # of a process that was killed
                left.unlink(missing_ok=True)
            with aside.open("wb") as file:
                _write(credits, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
            _sync_names(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def _write(credits: ibis.Table, file: BinaryIO) -> None:
    # What Ibis knows to hold no nulls, the engine still hands over as if it might.
    schema = pa.schema([field.with_nullable(True) for field in credits.schema().to_pyarrow()])
    # Dictionaries of ids, which hardly repeat in a group, make files larger.
    few = [C.ITEM, C.SURFACE, C.CREDIT]
    with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=few) as writer:
        for group in _groups(credits, schema):
            writer.write_table(group, row_group_size=_GROUP)


def _groups(credits: ibis.Table, schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut the rows anew: how the engine cuts them depends on its threads, and shows in the file."""
    rest = schema.empty_table()
    for batch in credits.to_pyarrow_batches(chunk_size=_GROUP):
        rest = pa.concat_tables([rest, pa.Table.from_batches([batch], schema)])
        while rest.num_rows >= _GROUP:
            yield rest.slice(0, _GROUP).combine_chunks()
            rest = rest.slice(_GROUP)
    if rest.num_rows:
        yield rest.combine_chunks()


def _sync_names(folder: Path) -> None:
    """Make the names in a folder durable, the folder's own included."""
    for each in (folder, folder.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
