"""Logs of any size, written by the engine: the same rows on every run."""

from __future__ import annotations

from pathlib import Path

from causal_ranker.logs.sources import connect

__all__ = ["write_logs"]

_DAYS = 28


def write_logs(
    folder: Path, *, impressions: int, users: int | None = None, items: int = 5_000
) -> None:
    """Write ``impressions.parquet`` and a quarter as many plays as ``plays.parquet``.

    Of the plays, three in five follow an impression of their item within 30 hours; the others are
    of any user, item and time. They lie in four weeks.

    Parameters
    ----------
    folder : Path
        Where to write.
    impressions : int
        Rows of the impression log.
    users : int, optional
        Users; one for each 100 impressions by default.
    items : int, default 5000
        Items.
    """
    users = users or max(impressions // 100, 10)
    span = _DAYS * 86_400_000_000
    # hash() is DuckDB's own: equal on every run. Each column has a salt of its own.
    draw = "(hash(i, {salt}) % {below}::UBIGINT)::BIGINT"

    def drawn(salt: int, below: int) -> str:
        return draw.format(salt=salt, below=below)

    start = "TIMESTAMPTZ '2025-01-06 00:00:00+00'"
    engine = connect()
    engine.raw_sql(
        f"""
        COPY (
            SELECT i AS impression_id, {drawn(1, users)} AS user_id, {drawn(2, items)} AS item_id,
                   {start} + to_microseconds({drawn(3, span)}) AS t0,
                   (1 + {drawn(4, 20)})::INTEGER AS position,
                   ((1 + {drawn(5, 100)}) / 100)::DOUBLE AS propensity,
                   ({drawn(6, 10)} < 8) AS viewable,
                   ['home', 'row', 'search'][1 + {drawn(7, 3)}] AS surface
            FROM range({impressions}) AS rows(i)
        ) TO '{folder / "impressions.parquet"}' (FORMAT parquet, COMPRESSION snappy)
        """
    )
    # Every fourth impression has a play of its user: of its item, or of any.
    own = f"{drawn(8, 5)} < 3"
    engine.raw_sql(
        f"""
        COPY (
            SELECT i // 4 AS play_id, {drawn(1, users)} AS user_id,
                   CASE WHEN {own} THEN {drawn(2, items)} ELSE {drawn(9, items)} END AS item_id,
                   {start} + to_microseconds(CASE WHEN {own}
                       THEN {drawn(3, span)} + {drawn(10, 30 * 3_600_000_000)}
                       ELSE {drawn(11, span)} END) AS played_at,
                   {drawn(12, 7200)}::DOUBLE AS seconds
            FROM range(0, {impressions}, 4) AS rows(i)
        ) TO '{folder / "plays.parquet"}' (FORMAT parquet, COMPRESSION snappy)
        """
    )
