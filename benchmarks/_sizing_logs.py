"""Logs of whole slates, written by the engine: the same rows on every run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from causal_ranker.logs.sources import connect

__all__ = ["CANDIDATES", "DAYS", "LOG_END", "SHOWN", "write_slates"]

DAYS: Final = 14
#: Candidates of a request, and how many of them are shown.
CANDIDATES: Final = 50
SHOWN: Final = 10
_START: Final = datetime(2025, 1, 6, tzinfo=UTC)
LOG_END: Final = _START + timedelta(days=DAYS)
_ITEMS: Final = 2003  # a prime, so that steps through them give distinct items
_A_USER: Final = 10  # requests


def write_slates(folder: Path, *, requests: int) -> None:
    """Write ``impressions``, ``plays`` and ``candidates`` as Parquet.

    Each user makes about ten requests in two weeks, of 50 candidates of which ten are shown. One
    impression in eight is played within half a day, and as many plays again are of any user, item
    and time.

    Parameters
    ----------
    folder : Path
        Where to write.
    requests : int
        Requests.
    """
    users, span = max(requests // _A_USER, 2), DAYS * 86_400_000_000

    def drawn(salt: int, below: int, row: str = "r") -> str:
        # hash() is DuckDB's own: equal on every run of one version. Each column has a salt.
        return f"(hash({row}, {salt}) % {below}::UBIGINT)::BIGINT"

    start = "TIMESTAMPTZ '2025-01-06 00:00:00+00'"
    rank = "(j * 7 + r) % 50"
    engine = connect()
    engine.raw_sql(
        f"""
        CREATE TEMP TABLE candidates AS
        SELECT r * {CANDIDATES} + j AS row, {drawn(1, users)} AS user_id,
               ({drawn(2, _ITEMS)} + j * (1 + {drawn(3, 40)})) % {_ITEMS} AS item_id,
               {start} + to_microseconds({drawn(4, span)}) AS t0,
               {rank} < {SHOWN} AS shown, {SHOWN / CANDIDATES} AS propensity,
               -{rank} / 10.0 + {drawn(5, 100, "r * 50 + j")} / 1000.0 AS base_score
        FROM range({requests}) AS a(r), range({CANDIDATES}) AS b(j)
        """
    )
    played = drawn(6, 8, "row") + " = 0"
    tables = {
        "candidates": """
            SELECT * EXCLUDE (row), t0 + INTERVAL 1 DAY AS horizon_end FROM candidates
        """,
        "impressions": """
            SELECT row AS impression_id, user_id, item_id, t0, propensity FROM candidates
            WHERE shown
        """,
        "plays": f"""
            SELECT row AS play_id, user_id, item_id,
                   t0 + to_microseconds(1 + {drawn(7, 43_200_000_000, "row")}) AS played_at
            FROM candidates WHERE shown AND {played}
            UNION ALL
            SELECT -1 - row, {drawn(8, users, "row")}, {drawn(9, _ITEMS, "row")},
                   {start} + to_microseconds({drawn(10, span, "row")})
            FROM candidates WHERE shown AND {played}
        """,
    }
    for name, query in tables.items():
        engine.raw_sql(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")
