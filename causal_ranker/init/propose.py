"""Which column of a newcomer's table is which of ours, and by what it is known.

A name decides first, and only among columns whose type fits; values decide where no name does.
Where two columns fit alike, or only values speak for an optional one, nothing is decided.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import ibis

from causal_ranker.columns import Columns as C
from causal_ranker.errors import ConfigError
from causal_ranker.init.looks import ColumnLook, TableLook
from causal_ranker.logs.contract import CONTRACTS
from causal_ranker.logs.rules import Kind
from causal_ranker.logs.sources import reading

__all__ = ["LOGS", "Proposal", "propose"]

#: The logs that are joined by their ids.
LOGS: Final = ("impressions", "plays")
#: What people call the columns of the contract.
_ALSO_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    C.USER: (
        *("user", "uid", "member", "member_id", "customer", "customer_id", "account", "account_id"),
        *("household", "household_id", "visitor", "visitor_id", "profile", "profile_id"),
        *("subscriber", "subscriber_id", "viewer", "viewer_id"),
    ),
    C.ITEM: (
        *("item", "iid", "title", "title_id", "product", "product_id", "content", "content_id"),
        *("movie", "movie_id", "video", "video_id", "show", "show_id", "article", "article_id"),
        *("track", "track_id", "sku", "asset_id"),
    ),
    C.T0: (
        *("shown_at", "impression_time", "impressed_at", "served_at", "request_time"),
        *("requested_at", "displayed_at", "timestamp", "time", "ts", "datetime", "event_time"),
    ),
    C.PLAYED_AT: (
        *("watched_at", "play_time", "started_at", "purchased_at", "consumed_at", "viewed_at"),
        *("timestamp", "time", "ts", "datetime", "event_time"),
    ),
    C.IMPRESSION: ("imp_id", "impression", "event_id", "row_id", "log_id", "id"),
    C.PLAY: ("watch_id", "play", "purchase_id", "event_id", "row_id", "log_id", "id"),
    C.SHOWN: ("impressed", "displayed", "exposed", "is_shown", "was_shown", "in_slate"),
    C.POSITION: ("rank", "slot", "pos", "place"),
    C.PROPENSITY: ("pscore", "propensity_score", "prob", "probability", "chance"),
    C.SECONDS: ("duration", "watch_time", "play_seconds", "watch_seconds", "duration_seconds"),
    C.BASE_SCORE: ("score", "model_score", "prediction", "relevance"),
    C.SURFACE: ("row", "shelf", "page", "placement"),
    C.SESSION: ("session",),
    C.VIEWABLE: ("is_viewable", "in_view"),
    C.CLICKED_AT: ("click_time",),
    C.IS_BOT: ("bot", "robot"),
    C.FRACTION: ("share_played", "completion", "percent_watched"),
}
_CLOCK: Final = {"impressions": C.T0, "plays": C.PLAYED_AT}
_KEY: Final = {"impressions": C.IMPRESSION, "plays": C.PLAY}
_NEAR: Final = 0.8


@dataclass(frozen=True)
class Proposal:
    """What is proposed for one of our columns.

    Attributes
    ----------
    column : str
        Ours.
    theirs : str or tuple of str or None
        Their column, or columns that make an id together; None where nobody can say.
    reason : str
        By what it is known, or what is in question.
    state : {"there", "proposed", "open", "question", "missing"}
        ``there``: it has our name; ``open``: required, and for its owner to decide; ``question``:
        the same of an optional one; ``missing``: required, and no column can be it.
    """

    column: str
    theirs: str | tuple[str, ...] | None
    reason: str
    state: Literal["there", "proposed", "open", "question", "missing"]

    @property
    def decided(self) -> bool:
        """Whether there is an answer."""
        return self.state in ("there", "proposed")


def propose(
    tables: Mapping[str, ibis.Table],
    looks: Mapping[str, TableLook],
    *,
    said: Mapping[tuple[str, str], str] | None = None,
) -> dict[str, list[Proposal]]:
    """Propose a mapping of the columns of all tables.

    Parameters
    ----------
    tables, looks : mapping of str
        Tables by name (impressions, plays, candidates, users, items), and what they hold.
    said : mapping of (str, str) to str, optional
        What their owner has decided: their column, by table and our column.

    Returns
    -------
    dict of str to list of Proposal
        By table; required columns first, then those optional ones that were found.

    Raises
    ------
    ConfigError
        If what was said names a table or column that is not there.
    DataError
        If rows cannot be read.
    """
    found = {name: _by_names(name, each) for name, each in looks.items()}
    for (name, column), theirs in (said or {}).items():
        _check_said(name, column, theirs, looks=looks)
        found[name][column] = Proposal(column, theirs, "as you said", "proposed")
    if all(name in tables for name in LOGS):
        _by_joins(tables, looks, found)
    for name, proposals in found.items():
        _by_values(name, looks[name], proposals)
        if name in _KEY:
            proposals[_KEY[name]] = _key(name, tables[name], looks[name], proposals)
    return {name: list(proposals.values()) for name, proposals in found.items()}


def _check_said(name: str, column: str, theirs: str, *, looks: Mapping[str, TableLook]) -> None:
    told = f"{name}.{column}={theirs}"
    if name not in looks:
        raise ConfigError(
            expected=f"one of the tables {_quoted(list(looks))}",
            came=told,
            do="Write it like impressions.user_id=member.",
        )
    contract = CONTRACTS[name]
    known = [*contract.required, *contract.optional, C.SHOWN]
    for given, among in ((column, known), (theirs, list(looks[name].columns))):
        if given not in among:
            near = difflib.get_close_matches(given, among, n=1, cutoff=0.6)
            raise ConfigError(
                expected=f"one of {_quoted(among)}",
                came=told,
                do=f"Is '{near[0]}' meant?" if near else "Name one of them.",
            )


def _by_names(name: str, table: TableLook) -> dict[str, Proposal]:
    contract = CONTRACTS[name]
    kinds = {**contract.required, **contract.optional}
    if name == "impressions":  # a file that also holds what was not shown
        kinds[C.SHOWN] = Kind.FLAG
    found: dict[str, Proposal] = {}
    for column, kind in kinds.items():
        required = column in contract.required
        named = _named(column, kind, table, others=kinds)
        if column in table.columns:
            found[column] = Proposal(column, column, "it has this name", "there")
        elif len(named) == 1:
            look = table.columns[named[0]]
            found[column] = Proposal(column, named[0], f"by its name; {_holds(look)}", "proposed")
        elif named and required:
            found[column] = Proposal(column, None, _either(named, table), "open")
        elif named:
            found[column] = Proposal(column, None, _either(named, table), "question")
        elif required:
            found[column] = Proposal(column, None, "no column looks like it", "missing")
    return found


def _named(column: str, kind: Kind, table: TableLook, *, others: Mapping[str, Kind]) -> list[str]:
    """Return columns of fitting type that are called so, the most usual names before others."""
    fitting = {
        _plain(name): name
        for name, look in table.columns.items()
        if name not in others and look.fits(kind) and _can_be(column, look)
    }
    usual = [fitting[also] for also in _ALSO_CALLED.get(column, ()) if also in fitting]
    if usual:
        return list(dict.fromkeys(usual))
    taken = {also for name in others for also in (name, *_ALSO_CALLED.get(name, ()))}
    free = [name for name in fitting if name not in taken]
    return [fitting[name] for name in difflib.get_close_matches(column, free, n=2, cutoff=_NEAR)]


def _plain(name: str) -> str:
    """Write ``memberId``, ``Member ID`` and ``member_id`` alike."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def _can_be(column: str, look: ColumnLook) -> bool:
    if column == C.PROPENSITY:
        return look.chance
    if column == C.SHOWN:
        return look.binary
    if column == C.POSITION:
        return look.low is not None and look.low >= 1
    if column == C.FRACTION:
        return look.low is not None and look.low >= 0 and look.high <= 1
    return True


def _by_joins(
    tables: Mapping[str, ibis.Table],
    looks: Mapping[str, TableLook],
    found: dict[str, dict[str, Proposal]],
) -> None:
    """Let ids that no name gives away be known by those of the other log."""
    for column in (C.USER, C.ITEM):
        for name, other in (LOGS, LOGS[::-1]):
            if found[name][column].decided or not found[other][column].decided:
                continue
            known = str(found[other][column].theirs)
            taken = {each.theirs for each in found[name].values() if each.decided}
            free = [
                each
                for each in looks[name].columns.values()
                if each.fits(Kind.ID) and each.name not in taken
            ]
            shares = {
                each.name: _joined(tables[name], each.name, tables[other], known) for each in free
            }
            joining = [each for each, share in shares.items() if share > 0.5]
            if len(joining) == 1:
                share = f"{shares[joining[0]]:.0%} of its values are in '{known}' of {other}"
                reason = f"by its values: {share}, and no other column's are"
                found[name][column] = Proposal(column, joining[0], reason, "proposed")
            elif joining:
                either = " and ".join(f"'{each}'" for each in joining)
                reason = f"values of {either} are both in '{known}' of {other}"
                found[name][column] = Proposal(column, None, reason, "open")


def _joined(table: ibis.Table, column: str, other: ibis.Table, known: str) -> float:
    """Return the share of a column's different values that the other column has; 0 across types."""
    one, two = table[column], other[known]
    if one.type().is_string() != two.type().is_string():
        return 0.0
    values = table.filter(one.notnull()).select(value=one).distinct()
    inside = values.semi_join(other.select(value=two).distinct(), "value")
    with reading("the logs"):
        rows, both = (each.count().to_pyarrow().as_py() for each in (values, inside))
    return both / rows if rows else 0.0


def _by_values(name: str, table: TableLook, found: dict[str, Proposal]) -> None:
    taken = {each.theirs for each in found.values() if each.decided}
    free = [each for each in table.columns.values() if each.name not in taken]
    clock = _CLOCK.get(name)
    if clock is not None and found[clock].state == "missing":
        times = [each.name for each in free if each.fits(Kind.TIME)]
        if len(times) == 1:
            reason = "by its values: the only column of times that is left"
            found[clock] = Proposal(clock, times[0], reason, "proposed")
        elif times:
            found[clock] = Proposal(clock, None, _either(times, table), "open")
    if name not in ("impressions", "candidates"):
        return
    # A chance, or a flag of what was shown, changes what can be estimated: values alone raise the
    # question, and leave it.
    for column, what, fits in (
        (C.PROPENSITY, "numbers in (0, 1]; the chance of being shown?", "chance"),
        (C.SHOWN, "0 and 1; whether it was shown?", "binary"),
    ):
        known = column in found and found[column].state != "missing"
        if known or column in table.columns:
            continue
        some = [each.name for each in free if getattr(each, fits)]
        if some and column in found:
            found[column] = Proposal(column, None, f"{_quoted(some)}: {what}", "open")
        elif some:
            found[column] = Proposal(column, None, f"{_quoted(some)}: {what}", "question")


def _key(name: str, table: ibis.Table, look: TableLook, found: Mapping[str, Proposal]) -> Proposal:
    """Find an id whose values are all different, or columns that are one together."""
    column = _KEY[name]
    named = found[column]
    if named.state == "there":
        return named
    if named.state == "proposed" and look.columns[str(named.theirs)].unique:
        return named
    parts = [found[each].theirs for each in (C.USER, C.ITEM, _CLOCK[name])]
    said = "" if named.theirs is None else f"'{named.theirs}' repeats; "
    names = [each for each in parts if isinstance(each, str)]
    if len(names) < len(parts):
        reason = f"{said}it can be made of user, item and time once these are decided"
        return Proposal(column, None, reason, "open")
    surplus = look.rows - _different(table, names)
    if surplus:
        reason = (
            f"{said}no column has a value of its own in each row, and {surplus} rows repeat "
            f"{_quoted(names)}: are they doubled?"
        )
        return Proposal(column, None, reason, "open")
    reason = f"{said}no id of its own, and these together are different in every row"
    return Proposal(column, tuple(names), reason, "proposed")


def _different(table: ibis.Table, names: Sequence[str]) -> int:
    with reading("the logs"):
        return int(table.select(*names).distinct().count().to_pyarrow().as_py())


def _holds(look: ColumnLook) -> str:
    return f"{look.values}, {look.distinct:,} different"


def _either(names: Sequence[str], table: TableLook) -> str:
    each = [f"'{name}' ({_holds(table.columns[name])})" for name in names]
    return f"{' or '.join(each)}?"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
