"""Entries and verdicts as plain records, in which they are kept and carried."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from causal_ranker.drift.review.entries import VERDICTS, Alert, Entry, Row, Verdict, VerdictKind

__all__ = ["about_from_text", "about_to_text", "entry_from_record", "entry_to_record"]
__all__ += ["from_microseconds", "to_microseconds"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES: Final = ("t0", "horizon_end")


def to_microseconds(moment: datetime) -> int:
    """Write a moment as microseconds since 1970, exactly.

    Parameters
    ----------
    moment : datetime
        With a time zone.

    Returns
    -------
    int
        Microseconds.
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """Read a moment.

    Parameters
    ----------
    value : int
        Microseconds since 1970.

    Returns
    -------
    datetime
        In UTC.
    """
    return _EPOCH + timedelta(microseconds=value)


def about_to_text(about: Alert | Row) -> str:
    """Write what an entry is about.

    Parameters
    ----------
    about : Alert or Row
        The thing.

    Returns
    -------
    str
        A JSON object; moments in ISO 8601 and UTC, infinite numbers as text.
    """
    values = {name: _plain(value) for name, value in asdict(about).items()}
    if isinstance(about, Alert):
        values["signals"] = {name: _plain(size) for name, size in about.signals.items()}
    return json.dumps(values)


def about_from_text(text: str, *, kind: str) -> Alert | Row:
    """Read what an entry is about.

    Parameters
    ----------
    text : str
        Of `about_to_text`.
    kind : {"alert", "row"}
        What it is.

    Returns
    -------
    Alert or Row
        The thing.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the text is none.
    """
    values = json.loads(text)
    cls = {"alert": Alert, "row": Row}[kind]
    for each in fields(cls):
        value = values.get(each.name)
        if each.name in _TIMES:
            values[each.name] = datetime.fromisoformat(value)
        elif str(each.type).startswith("float") and value is not None:
            values[each.name] = float(value)
    if kind == "alert":
        values["signals"] = {_text(k): float(v) for k, v in values["signals"].items()}
    made: Alert | Row = cls(**values)
    return made


def entry_to_record(entry: Entry) -> dict[str, Any]:
    """Write an entry with its history.

    Parameters
    ----------
    entry : Entry
        The entry.

    Returns
    -------
    dict of str to str or float
        ``id``, ``kind``, ``score``, ``reason``, ``entered_at``, ``about`` and ``verdicts``, the
        last two as JSON texts, so that a line, a row of a CSV and one of a Parquet file are alike.
    """
    verdicts = [{k: _plain(v) for k, v in asdict(each).items()} for each in entry.verdicts]
    return {
        "id": entry.id,
        "kind": entry.kind,
        "score": entry.score,
        "reason": entry.reason,
        "entered_at": _plain(entry.entered_at),
        "about": about_to_text(entry.about),
        "verdicts": json.dumps(verdicts),
    }


def entry_from_record(record: Mapping[str, Any]) -> Entry:
    """Read an entry with its history.

    Parameters
    ----------
    record : mapping of str to str or float
        Of `entry_to_record`.

    Returns
    -------
    Entry
        The entry.

    Raises
    ------
    ValueError, KeyError, TypeError
        If the record is none, or does not agree with itself.
    CausalRankerError
        If what it is about cannot be.
    """
    verdicts = []
    for each in json.loads(record["verdicts"]):
        kind = VerdictKind(each["kind"])
        if kind not in VERDICTS[record["kind"]]:
            raise ValueError(f"{kind.value!r} said of a {record['kind']}")
        at = datetime.fromisoformat(each["at"])
        verdicts.append(Verdict(_text(each["id"]), kind, _text(each["who"]), at, each["why"]))
    entry = Entry(
        about=about_from_text(record["about"], kind=record["kind"]),
        score=float(record["score"]),
        reason=record["reason"],
        entered_at=datetime.fromisoformat(record["entered_at"]),
        verdicts=tuple(sorted(verdicts, key=lambda v: (v.at, v.id))),
    )
    if entry.entered_at.tzinfo is None or any(v.at.tzinfo is None for v in verdicts):
        raise ValueError("a moment without a time zone")
    if not math.isfinite(entry.score):
        raise ValueError(f"a score of {entry.score}")
    if entry.id != record["id"]:
        raise ValueError(f"id {record['id']!r} of what has the id {entry.id!r}")
    return entry


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a name of {value!r}")
    return value
