"""What stretch of time logs reach over, and whether they are whole."""

from __future__ import annotations

from datetime import UTC, datetime

import ibis

from causal_ranker.chain.logs import Logs
from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError, SchemaError

__all__ = ["check_later", "check_whole", "last_event", "to_datetime"]


def check_later(logs: Logs, *, than: datetime) -> None:
    """Refuse logs that reach back into a stretch that is known already.

    Parameters
    ----------
    logs : Logs
        Logs that passed `read_logs`.
    than : datetime
        End of the known stretch.

    Raises
    ------
    RowError
        If a play or a request lies before it: the play would be counted twice.
    """
    for name, table, clock in (
        ("candidates", logs.candidates, C.T0),
        ("plays", logs.plays, C.PLAYED_AT),
    ):
        early = table.filter(table[clock] < ibis.literal(than))
        found = early.aggregate(rows=early.count(), first=early[clock].min()).to_pyarrow()
        rows, first = (found[column][0].as_py() for column in ("rows", "first"))
        if rows:
            raise RowError(
                expected=f"{name} from {than:%Y-%m-%d %H:%M:%S} UTC on, where the known logs end",
                came=f"{rows} earlier rows, the first at {first:%Y-%m-%d %H:%M:%S}",
                do="Leave them out: what came before is remembered from the fit.",
            )


def check_whole(logs: Logs) -> None:
    """Refuse candidate lists that are samples: ranks in them say nothing of the whole list.

    Parameters
    ----------
    logs : Logs
        Logs that passed `read_logs`.

    Raises
    ------
    SchemaError
        If the candidates carry a sampling weight.
    """
    if C.SAMPLING_WEIGHT in logs.candidates.columns:
        raise SchemaError(
            expected="every candidate of each request, as lists are ranked whole",
            came=f"candidates with the column {C.SAMPLING_WEIGHT!r}, a sample",
            do="Pass the whole candidate log; sampled controls are for collect_labels and models "
            "of your own.",
        )


def last_event(plays: ibis.Table, candidates: ibis.Table) -> datetime:
    """Return the moment up to which the logs are known to reach.

    Parameters
    ----------
    plays, candidates : ibis.Table
        The logs.

    Returns
    -------
    datetime
        The later of the last play and the last request, UTC-aware.
    """
    ends = [
        table[column].max().to_pyarrow().as_py()
        for table, column in ((plays, C.PLAYED_AT), (candidates, C.T0))
    ]
    last: datetime = max(ends)
    return last.astimezone(UTC)


def to_datetime(microseconds: int) -> datetime:
    """Return a moment as a UTC-aware datetime.

    Parameters
    ----------
    microseconds : int
        Microseconds since 1970 UTC.

    Returns
    -------
    datetime
        The moment.
    """
    return datetime.fromtimestamp(microseconds / 1_000_000, tz=UTC)
