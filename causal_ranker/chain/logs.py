"""From whatever the caller has to labelled rows and everything features need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import ibis
from ibis.backends import BaseBackend
from ibis.backends.duckdb import Backend

from causal_ranker.attribution.attribute import attribute
from causal_ranker.attribution.windows import qualified_plays
from causal_ranker.chain.config import ChainConfig
from causal_ranker.chain.totals import Totals
from causal_ranker.columns import Columns as C
from causal_ranker.errors import DataError
from causal_ranker.features.asof import outcome_counts
from causal_ranker.labels.collect import LabelConfig, collect_labels
from causal_ranker.labels.dataset import UpliftDataset
from causal_ranker.labels.totals import total_plays
from causal_ranker.logs.carry import bring_over
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.csv_faults import FaultyRows
from causal_ranker.logs.keep import keep
from causal_ranker.logs.quarantine import Quarantine, quarantine_rows
from causal_ranker.logs.rules import Contract, check, check_any_row, check_columns
from causal_ranker.logs.sources import connect, read_faulty, read_table

__all__ = [
    "History",
    "LabelledLogs",
    "Logs",
    "connection_of",
    "label_logs",
    "read_checked",
    "read_logs",
]


@dataclass(frozen=True)
class History:
    """What as-of features look back on.

    Attributes
    ----------
    plays : ibis.Table
        ``(user_id, item_id, played_at, credit)``, one row per play.
    daily : ibis.Table
        Rows and outcomes by item and t0 (see `causal_ranker.features.asof.outcome_counts`).
    users, items : ibis.Table or None
        User and item tables.
    exposures : ibis.Table or None
        Distinct ``(user_id, item_id, t0)`` that were shown, where features look at them.
    """

    plays: ibis.Table
    daily: ibis.Table
    users: ibis.Table | None
    items: ibis.Table | None
    exposures: ibis.Table | None = None

    def followed_by(self, later: History) -> History:
        """Put the events of a later stretch behind this one's.

        Parameters
        ----------
        later : History
            A stretch that begins where this one ends.

        Returns
        -------
        History
            Events of both; the later tables of users and items, where there are any.
        """
        exposures = None
        if self.exposures is not None and later.exposures is not None:
            # Later logs may repeat earlier impressions, which plays of theirs are credited to.
            exposures = self.exposures.union(later.exposures, distinct=True)
        return History(
            plays=self.plays.union(later.plays),
            daily=self.daily.union(later.daily),
            users=self.users if later.users is None else later.users,
            items=self.items if later.items is None else later.items,
            exposures=exposures,
        )


@dataclass(frozen=True)
class LabelledLogs:
    """One stretch of logs after attribution and labels.

    Attributes
    ----------
    dataset : UpliftDataset
        One row per candidate whose horizon has ended; lazy.
    requests : ibis.Table
        Distinct ``(user_id, t0)`` of those rows, with the number of ``rows`` of each.
    history : History
        The stretch's own events.
    totals : Totals
        Total plays of the rows' users in the rows' horizons: an outcome, which no features are
        joined to (see `causal_ranker.labels.totals`).
    """

    dataset: UpliftDataset
    requests: ibis.Table
    history: History
    totals: Totals


def connection_of(*sources: Any, config: ChainConfig | None = None) -> Backend:
    """Return the DuckDB connection that some Ibis tables already live on, or a new one.

    Parameters
    ----------
    *sources : Any
        What the caller passed as logs.
    config : ChainConfig, optional
        Threads and memory of a new connection; one that is there already stays as it is.

    Returns
    -------
    ibis.backends.duckdb.Backend
        The first such connection.

    Raises
    ------
    ConfigError
        If the engine does not open with these settings.
    """
    for source in sources:
        if isinstance(source, ibis.Table):
            for backend in source._find_backends()[0]:
                if isinstance(backend, Backend):
                    return backend
    config = config or ChainConfig()
    return connect(threads=config.engine_threads, memory_limit=config.engine_memory)


@dataclass(frozen=True)
class Logs:
    """Checked logs on one connection.

    Attributes
    ----------
    impressions, plays, candidates : ibis.Table
        The logs.
    users, items : ibis.Table or None
        User and item tables.
    quarantines : tuple of Quarantine
        What was set aside of each table; empty if bad rows are refused.
    passed : mapping of str to str
        How the caller passed each table that is there, in Python: a path, or a name for it.
    """

    impressions: ibis.Table
    plays: ibis.Table
    candidates: ibis.Table
    users: ibis.Table | None
    items: ibis.Table | None
    quarantines: tuple[Quarantine, ...] = ()
    passed: Mapping[str, str] = field(default_factory=dict)

    def since(self, moment: datetime) -> Logs:
        """Keep the requests from a moment on, and everything else.

        Parameters
        ----------
        moment : datetime
            First moment to keep, with a time zone.

        Returns
        -------
        Logs
            The same with fewer candidates.
        """
        late = self.candidates[C.T0] >= ibis.literal(moment)
        return replace(self, candidates=self.candidates.filter(late))


def read_logs(
    connection: Backend,
    *,
    impressions: Any,
    plays: Any,
    candidates: Any,
    users: Any = None,
    items: Any = None,
    config: ChainConfig | None = None,
) -> Logs:
    """Bring the caller's tables onto the engine and check them.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    impressions, plays, candidates, users, items : path, data frame, Arrow or Ibis table
        The logs; `users` and `items` may be None.
    config : ChainConfig, optional
        What becomes of bad rows, and whether candidates are known to be unique; by default bad
        rows are refused and duplicates searched for.

    Returns
    -------
    Logs
        The same tables, lazy; without the rows that were set aside, where that is asked for.

    Raises
    ------
    DataError
        If a table cannot be read or breaks its contract.
    """
    config = config or ChainConfig()
    sources = {
        "impressions": impressions,
        "plays": plays,
        "candidates": candidates,
        "users": users,
        "items": items,
    }
    quarantines: list[Quarantine] = []

    def read(name: str) -> ibis.Table:
        table, quarantine = read_checked(connection, sources[name], name=name, config=config)
        if quarantine is not None:
            quarantines.append(quarantine)
        return table

    return Logs(
        impressions=read("impressions"),
        plays=read("plays"),
        candidates=read("candidates"),
        users=None if users is None else read("users"),
        items=None if items is None else read("items"),
        quarantines=tuple(quarantines),
        passed={
            name: repr(str(source)) if isinstance(source, str | Path) else name
            for name, source in sources.items()
            if source is not None
        },
    )


def read_checked(
    connection: Backend,
    source: Any,
    *,
    name: str,
    config: ChainConfig,
    rows: Callable[[ibis.Table], ibis.Table] | None = None,
) -> tuple[ibis.Table, Quarantine | None]:
    """Bring one table onto the engine and check it.

    A table of another engine, or of another DuckDB connection, is carried over: the chain joins
    all tables on one.

    Parameters
    ----------
    connection : ibis.backends.duckdb.Backend
        The engine.
    source : path, data frame, Arrow or Ibis table
        The table.
    name : str
        Which one, as in `causal_ranker.logs.contract.CONTRACTS`.
    config : ChainConfig
        What becomes of bad rows, and whether candidates are known to be unique.
    rows : callable, optional
        From the table to the rows of it that are wanted: no others are checked, and a table that
        has rows may have none of these. Lines of CSV files that are no rows are always set aside.

    Returns
    -------
    table : ibis.Table
        The rows that keep the contract.
    quarantine : Quarantine or None
        What was set aside, where the config asks for that.

    Raises
    ------
    DataError
        If the table cannot be read or breaks its contract.
    """
    contract = CONTRACTS[name]
    unique = name == "candidates" and config.unique_candidates
    quarantine = config.on_bad_rows == "quarantine"
    table: ibis.Table | FaultyRows
    try:
        table = read_table(source, connection, name=name, contract=contract)
    except DataError:
        faulty = read_faulty(source, connection, contract=contract) if quarantine else None
        if faulty is None:
            raise
        table = faulty
    else:
        table = bring_over(table, connection, name=name)
    sliced = rows is not None
    if rows is not None:
        table = _slice(table, contract, rows)
    if not quarantine and not isinstance(table, FaultyRows):
        return check(table, contract, known_unique=unique, may_be_empty=sliced), None
    found = quarantine_rows(
        table,
        contract,
        folder=config.quarantine_folder,
        known_unique=unique,
        may_be_empty=sliced,
    )
    # Kept, as its search for duplicates would run again each time it is read.
    return _keep(connection, found.kept) if found.quarantined else found.kept, found


def _slice(
    table: ibis.Table | FaultyRows, contract: Contract, rows: Callable[[ibis.Table], ibis.Table]
) -> ibis.Table | FaultyRows:
    whole = table.table if isinstance(table, FaultyRows) else table
    check_columns(whole, contract)
    check_any_row(whole, contract)
    some = rows(whole)
    return replace(table, table=some) if isinstance(table, FaultyRows) else some


def label_logs(
    connection: BaseBackend,
    logs: Logs,
    *,
    log_end: datetime,
    horizon_hours: float | None,
    config: ChainConfig,
    censoring: Literal["drop", "weight"] = "drop",
) -> LabelledLogs:
    """Attribute plays and label every candidate.

    Parameters
    ----------
    connection : ibis.backends.BaseBackend
        The engine of the logs: the embedded one, or Spark.
    logs : Logs
        Logs that passed `read_logs`, or the same checks on Spark.
    log_end : datetime
        End of the play log (excluded).
    horizon_hours : float, optional
        Horizon of candidates without a ``horizon_end``.
    config : ChainConfig
        Attribution and features.
    censoring : {"drop", "weight"}, default "drop"
        What becomes of rows whose horizon ends after the log. Lists are judged whole, so only
        rows that are handed out may be weighed.

    Returns
    -------
    LabelledLogs
        Labelled rows and the histories' sources.

    """
    credits = _keep(connection, attribute(logs.impressions, logs.plays, config=config.attribution))
    dataset = collect_labels(
        _with_base_rank(logs.candidates),
        logs.impressions,
        plays=logs.plays,
        credits=credits,
        config=LabelConfig.following(
            config.attribution,
            log_end=log_end,
            horizon_hours=horizon_hours,
            censoring=censoring,
            context=(*config.features.row_numbers, *config.features.row_categories),
        ),
        items=logs.items,
    )
    exposures = None
    if config.features.exposures:
        shown = logs.impressions.select(C.USER, C.ITEM, C.T0).distinct()
        exposures = _keep(connection, shown)
    rows = dataset.table
    horizons = _keep(
        connection, rows.group_by([C.USER, C.T0, C.HORIZON_END]).aggregate(rows=rows.count())
    )
    requests = horizons.group_by([C.USER, C.T0]).aggregate(rows=horizons["rows"].sum())
    played = qualified_plays(
        logs.plays,
        minimum_seconds=config.attribution.minimum_seconds,
        minimum_fraction=config.attribution.minimum_fraction,
        leave_out_bots=config.attribution.leave_out_bots,
    )
    return LabelledLogs(
        dataset=dataset,
        requests=_keep(connection, requests),
        totals=Totals(total_plays(horizons, played)),
        history=History(
            plays=_keep(
                connection, _credited_plays(logs.plays, _known_credits(logs, credits, config))
            ),
            daily=_keep(connection, outcome_counts(dataset.table)),
            users=logs.users,
            items=logs.items,
            exposures=exposures,
        ),
    )


def _with_base_rank(candidates: ibis.Table) -> ibis.Table:
    # A logged rank may count items that are no candidates; serving ranks what it is offered.
    if C.BASE_SCORE not in candidates.columns:
        return candidates
    by_score = ibis.window(
        group_by=[C.USER, C.T0], order_by=[candidates[C.BASE_SCORE].desc(), candidates[C.ITEM]]
    )
    return candidates.mutate(**{C.BASE_RANK: ibis.row_number().over(by_score) + 1})


def _known_credits(logs: Logs, credits: ibis.Table, config: ChainConfig) -> ibis.Table:
    """Return credits that were known when their plays were, for features to look back on."""
    if config.attribution.most_impressions_a_day is None:
        return credits
    # An evening's impressions take the credit of that morning's plays away: no request at noon
    # can have known. Every other rule looks back from the play.
    known = config.attribution.model_copy(update={"most_impressions_a_day": None})
    return attribute(logs.impressions, logs.plays, config=known)


def _credited_plays(plays: ibis.Table, credits: ibis.Table) -> ibis.Table:
    # An organic play has one credit line without an impression.
    shown = ibis.ifelse(credits[C.IMPRESSION].notnull(), credits[C.CREDIT], 0.0)
    by_play = credits.group_by(C.PLAY).aggregate(**{C.CREDIT: shown.sum()})
    joined = plays.left_join(by_play, C.PLAY)
    return joined.select(C.USER, C.ITEM, C.PLAYED_AT, **{C.CREDIT: joined[C.CREDIT].fill_null(0.0)})


def _keep(connection: BaseBackend, table: ibis.Table) -> ibis.Table:
    return keep(connection, table, name="chain")
