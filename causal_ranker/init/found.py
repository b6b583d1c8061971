"""What a newcomer's tables hold beside the contract, and which uses that allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.errors import DataError
from causal_ranker.init.looks import TableLook
from causal_ranker.init.propose import LOGS, Proposal
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.mapping import TableSource, mapped
from causal_ranker.logs.rules import Kind, check
from causal_ranker.logs.sources import reading

__all__ = ["Fact", "Found", "naive_times", "sources_of", "tell_found", "zone_is_open"]

_HORIZON: Final = timedelta(hours=24)
_CLOCKS: Final = {"impressions": C.T0, "plays": C.PLAYED_AT, "candidates": C.T0}
_FEW_DAYS: Final = 8


@dataclass(frozen=True)
class Fact:
    """One line of the checklist.

    Parameters
    ----------
    table : str
        The table, or "uses".
    what : str
        What was looked at.
    found : str
        What was found.
    means : str
        What it means, or what to do; empty where nothing follows.
    state : {"ok", "note", "decide", "broken"}
        ``decide``: its owner has to; ``broken``: the tables cannot be used like this.
    """

    table: str
    what: str
    found: str
    means: str
    state: Literal["ok", "note", "decide", "broken"]


@dataclass(frozen=True)
class Found:
    """What the tables hold, and what settings can be made of it.

    Attributes
    ----------
    facts : tuple of Fact
        The checklist.
    span : tuple of datetime or None
        First and last t0; None where it is not known.
    slots : int or None
        Items shown at a request, the median.
    candidates, base_score, propensity : bool
        Whether there is a candidate log, and a base score and a chance of each candidate in it.
    """

    facts: tuple[Fact, ...]
    span: tuple[datetime, datetime] | None
    slots: int | None
    candidates: bool
    base_score: bool
    propensity: bool

    @property
    def ready(self) -> bool:
        """Whether nothing is left to decide, and nothing broken."""
        return all(fact.state in ("ok", "note") for fact in self.facts)


def zone_is_open(
    look: TableLook, proposals: list[Proposal], *, time_zone: str | None, name: str
) -> bool:
    """Say whether a table's times have no zone, and nobody said where the clock stood.

    Parameters
    ----------
    look : TableLook
        What the table holds.
    proposals : list of Proposal
        Which of its columns are which.
    time_zone : str or None
        What was said.
    name : str
        The table.

    Returns
    -------
    bool
        Whether the zone is for its owner to decide.
    """
    return time_zone is None and bool(naive_times(look, proposals, name=name))


def naive_times(look: TableLook, proposals: list[Proposal], *, name: str) -> list[str]:
    """Return their columns of times of ours that have no time zone.

    Parameters
    ----------
    look : TableLook
        What the table holds.
    proposals : list of Proposal
        Which of its columns are which.
    name : str
        The table.

    Returns
    -------
    list of str
        Their columns.
    """
    contract = CONTRACTS[name]
    kinds = {**contract.optional, **contract.required}
    return [
        str(each.theirs)
        for each in proposals
        if each.decided
        and kinds.get(each.column) is Kind.TIME
        and look.columns[str(each.theirs)].values == "naive times"
    ]


def sources_of(
    paths: Mapping[str, str],
    looks: Mapping[str, TableLook],
    proposals: Mapping[str, list[Proposal]],
    *,
    time_zone: str | None,
) -> dict[str, TableSource]:
    """Return the tables of which everything that is needed is decided.

    An impression log with a column that says what was shown holds the candidates, too: they are
    the same file, and impressions are its rows that were shown.

    Parameters
    ----------
    paths : mapping of str to str
        Files by table.
    looks : mapping of str to TableLook
        What they hold.
    proposals : mapping of str to list of Proposal
        Which of their columns are which.
    time_zone : str or None
        Where clocks without a zone stood.

    Returns
    -------
    dict of str to TableSource
        By table.
    """
    sources: dict[str, TableSource] = {}
    for name, path in paths.items():
        known = {each.column: each for each in proposals[name]}
        required = [known[column] for column in CONTRACTS[name].required]
        if not all(each.decided for each in required):
            continue
        if zone_is_open(looks[name], proposals[name], time_zone=time_zone, name=name):
            continue
        naive = naive_times(looks[name], proposals[name], name=name)
        columns = {
            column: each.theirs
            for column, each in known.items()
            if each.theirs is not None and each.state == "proposed"
        }
        shown = known[C.SHOWN].theirs if name == "impressions" and C.SHOWN in known else None
        zone = time_zone if naive else None
        of_both = {**columns}
        columns.pop(C.SHOWN, None)
        only_if = shown if isinstance(shown, str) else None
        if name == "impressions":
            # The chance is of being placed in the slate, which is asked of candidates.
            sources[name] = TableSource(path=path, columns=columns, time_zone=zone, only_if=only_if)
            if only_if is not None and "candidates" not in paths:
                theirs = {k: v for k, v in of_both.items() if k in _OF_CANDIDATES}
                sources["candidates"] = TableSource(path=path, columns=theirs, time_zone=zone)
        else:
            sources[name] = TableSource(path=path, columns=of_both, time_zone=zone)
    return sources


_OF_CANDIDATES: Final = {*CONTRACTS["candidates"].required, *CONTRACTS["candidates"].optional}


def tell_found(
    tables: Mapping[str, ibis.Table],
    looks: Mapping[str, TableLook],
    proposals: Mapping[str, list[Proposal]],
    *,
    sources: Mapping[str, TableSource],
    time_zone: str | None,
) -> Found:
    """Say what the tables hold, what is still open, and which uses they allow.

    Parameters
    ----------
    tables : mapping of str to ibis.Table
        Theirs, by name.
    looks, proposals : mapping of str
        What they hold, and which of their columns are which.
    sources : mapping of str to TableSource
        The tables that are decided, as `sources_of` returns them.
    time_zone : str or None
        Where clocks without a zone stood.

    Returns
    -------
    Found
        The checklist, and what settings can be made of.

    Raises
    ------
    DataError
        If rows cannot be read.
    """
    facts: list[Fact] = []
    ours: dict[str, ibis.Table] = {}
    for name in [*tables, *(each for each in sources if each not in tables)]:
        theirs = "impressions" if name not in tables else name
        if name in tables:
            facts += _of_columns(name, looks[name], proposals[name])
            facts += _of_clocks(name, looks[name], proposals[name], time_zone=time_zone)
        if name in sources:
            table, told = _checked(name, tables[theirs], sources[name])
            facts += told
            if table is not None:
                ours[name] = table
    if all(name in ours for name in LOGS):
        facts += _of_joins(ours)
    impressions = ours.get("impressions")
    span = None if impressions is None else _span(impressions)
    candidates = ours.get("candidates")
    has = {
        column: candidates is not None and column in candidates.columns
        for column in (C.BASE_SCORE, C.PROPENSITY)
    }
    if impressions is not None:
        facts += _of_uses(candidates, impressions, span=span)
    return Found(
        facts=tuple(facts),
        span=span,
        slots=None if impressions is None else _slots(impressions),
        candidates=candidates is not None,
        base_score=has[C.BASE_SCORE],
        propensity=has[C.PROPENSITY],
    )


def _of_columns(name: str, look: TableLook, proposals: list[Proposal]) -> list[Fact]:
    facts = [Fact(name, "rows", f"{look.rows:,}", "", "ok" if look.rows else "broken")]
    for each in proposals:
        if each.decided:
            theirs = each.theirs if isinstance(each.theirs, str) else " + ".join(each.theirs or ())
            facts.append(Fact(name, each.column, theirs, each.reason, "ok"))
        else:
            optional = each.state == "question"
            facts.append(
                Fact(name, each.column, each.state, each.reason, "note" if optional else "decide")
            )
    return facts


def _of_clocks(
    name: str, look: TableLook, proposals: list[Proposal], *, time_zone: str | None
) -> list[Fact]:
    naive = naive_times(look, proposals, name=name)
    clock = next(
        (each for each in proposals if each.column == _CLOCKS.get(name) and each.decided), None
    )
    if clock is None:
        return []
    span = look.columns[str(clock.theirs)]
    facts = [Fact(name, "span", f"{span.low} to {span.high}", "", "ok")]
    if not naive:
        return [*facts, Fact(name, "time zone", "with each time", "", "ok")]
    if time_zone is not None:
        return [*facts, Fact(name, "time zone", f"none; read as {time_zone}", "", "note")]
    means = "say where the clock stood: init again with --time-zone, or time_zone in the settings"
    return [*facts, Fact(name, "time zone", f"none in {', '.join(naive)}", means, "decide")]


def _checked(
    name: str, table: ibis.Table, source: TableSource
) -> tuple[ibis.Table | None, list[Fact]]:
    """Hold a table against its contract, and count what is missing in the columns it asks for."""
    contract = CONTRACTS[name]
    try:
        ours = mapped(table, source, name=name, contract=contract)
        check(ours, contract)
    except DataError as error:  # told, not raised: the list is the answer
        return None, [Fact(name, "contract", "broken", str(error), "broken")]
    facts = [Fact(name, "contract", "kept: no duplicates, nothing required is missing", "", "ok")]
    optional = [column for column in contract.optional if column in ours.columns]
    if optional:
        counts = ours.aggregate(
            rows=ours.count(), **{column: ours[column].count() for column in optional}
        )
        with reading(name):
            found = counts.to_pyarrow().to_pylist()[0]
        some = {c: found["rows"] - found[c] for c in optional if found[c] < found["rows"]}
        told = ", ".join(f"{column}: {rows:,} rows" for column, rows in some.items()) or "none"
        facts.append(Fact(name, "missing values", told, "", "note" if some else "ok"))
    return ours, facts


def _of_joins(ours: Mapping[str, ibis.Table]) -> list[Fact]:
    shown, played = ours["impressions"], ours["plays"]
    facts = []
    for column in (C.USER, C.ITEM):
        if shown[column].type().is_string() != played[column].type().is_string():
            kinds = f"{shown[column].type()} and {played[column].type()}"
            facts.append(
                Fact("both", column, kinds, "write both as text, or both as integers", "broken")
            )
            continue
        ids, others = (table.select(column).distinct() for table in (played, shown))
        lost = ids.anti_join(others, column)
        with reading("the logs"):
            all_ids, alone = (int(each.count().to_pyarrow().as_py()) for each in (ids, lost))
        told = f"{alone:,} of {all_ids:,} in plays are in no impression"
        if alone == all_ids:
            facts.append(
                Fact("both", column, told, "ids never join: is it the same kind of id?", "broken")
            )
        else:
            means = "plays of what was never shown are organic, and count" if alone else ""
            facts.append(Fact("both", column, told, means, "note" if alone else "ok"))
    if any(fact.state == "broken" for fact in facts):
        return facts
    return [*facts, _share_played(shown, played)]


def _share_played(shown: ibis.Table, played: ibis.Table) -> Fact:
    """Count impressions that a play of the same item follows within the horizon."""
    pairs = shown.select(C.USER, C.ITEM, C.T0).distinct()
    events = played.select(C.USER, C.ITEM, C.PLAYED_AT)
    end = pairs[C.T0] + ibis.interval(hours=int(_HORIZON.total_seconds() // 3600))
    followed = pairs.semi_join(
        events,
        [
            pairs[C.USER] == events[C.USER],
            pairs[C.ITEM] == events[C.ITEM],
            events[C.PLAYED_AT] >= pairs[C.T0],
            events[C.PLAYED_AT] < end,
        ],
    )
    with reading("the logs"):
        rows, plays = (int(each.count().to_pyarrow().as_py()) for each in (pairs, followed))
    told = f"{plays:,} of {rows:,} impressions ({plays / rows:.1%}) within 24 hours"
    if plays:
        return Fact("both", "share played", told, "", "ok")
    means = "no play follows an impression: are clocks and ids those of the same service?"
    return Fact("both", "share played", told, means, "broken")


def _of_uses(
    candidates: ibis.Table | None,
    impressions: ibis.Table,
    *,
    span: tuple[datetime, datetime] | None,
) -> list[Fact]:
    facts = [Fact("uses", "attribute", "possible", "", "ok")]
    if span is not None and span[1] - span[0] < timedelta(days=_FEW_DAYS):
        days = (span[1] - span[0]) / timedelta(days=1)
        means = "too short to learn from one part and judge on another"
        facts.append(Fact("uses", "evaluate, fit", f"{days:.1f} days of logs", means, "broken"))
        return facts
    if candidates is None:
        means = (
            "nobody logged what else could have been shown: set every_item = true, if the "
            "recommender chose among all items; or bring a candidate log"
        )
        return [*facts, Fact("uses", "label, fit, evaluate", "no candidates", means, "decide")]
    facts.append(Fact("uses", "label, fit, evaluate", "possible", "", "ok"))
    if C.PROPENSITY in candidates.columns:
        means = "estimates rest on them"
        facts.append(Fact("uses", "propensities", "logged", means, "ok"))
    else:
        means = "they are estimated: an assumption, refused where the features decide what is shown"
        facts.append(Fact("uses", "propensities", "none", means, "note"))
    if C.BASE_SCORE not in candidates.columns:
        means = "the built-in base ranker stands in; what chose the slates belongs in the model"
        facts.append(Fact("uses", "base score", "none", means, "note"))
    return facts


def _span(impressions: ibis.Table) -> tuple[datetime, datetime]:
    with reading("impressions"):
        ends = impressions.aggregate(
            first=impressions[C.T0].min(), last=impressions[C.T0].max()
        ).to_pyarrow()
    return ends["first"][0].as_py(), ends["last"][0].as_py()


def _slots(impressions: ibis.Table) -> int:
    slates = impressions.group_by([C.USER, C.T0]).aggregate(slots=impressions.count())
    with reading("impressions"):
        counts: Any = slates["slots"].to_pyarrow().to_pylist()
    return int(sorted(counts)[len(counts) // 2])
