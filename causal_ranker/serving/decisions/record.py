"""What is written down: a line for every list that was given, and for every view and play.

Records are msgpack. A reader skips fields that it does not know, so that fields may be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

__all__ = [
    "Decision",
    "EventRecord",
    "Record",
    "ShadowRecord",
    "decode",
    "encode",
    "event_id",
    "id_text",
]

Id = int | str


class Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="decision"):
    """One list that was given, and what is needed to learn from it.

    Parameters
    ----------
    decision_id : str
        Unique, rising within a log.
    user_id : int or str
        Whom it was for.
    at_ms : int
        When, in milliseconds since 1970, by the wall clock as it was.
    version : str
        The model that answered.
    exploration : dict or None
        `causal_ranker.reranking.explore.Exploration.model_dump()`; ``None`` where nothing is drawn.
    seed : int
        Seed of the draws.
    items : list of int or str
        The whole candidate set, in the caller's order.
    base_score : list of float
        Base scores of the items.
    score : list of float or None
        The policy's scores that the list was drawn from, or sorted by.
    shown : list of int
        Places in `items` of the items that were answered, best first.
    propensity : list of float
        Of the drawn slots: chance of the item given those above.
    slots : int
        Slots that were drawn; 0 where none was.
    fallback : str or None
        Why the list is in base order.
    holdout, explored, canary : bool
        Whether the user always gets the base list, slots were drawn, and the canary answered.
    features_hash : str
        Hash of the features that the model read: 16 hexadecimal digits of their SHA-256.
    session_id : int or str or None
        The caller's session.
    surface : str or None
        Where the list was shown.
    constrained : bool or None
        Whether list rules narrowed what could be drawn, so that the chances of a whole slate have
        no closed form. ``None`` where nobody said, which counts as such.
    moment : dict of str to value
        Features of the moment as the caller told them (hour, device, session so far).
    cold : list of int or None
        Places in `items` of the cold ones; ``None`` where nobody can say.
    deviation : list of float or None
        Standard deviations of the items' uplifts, where those were drawn (Thompson).
    """

    decision_id: str
    user_id: Id
    at_ms: int
    version: str
    exploration: dict[str, Any] | None
    seed: int
    items: list[Id]
    base_score: list[float]
    score: list[float] | None
    shown: list[int]
    propensity: list[float]
    slots: int
    fallback: str | None
    holdout: bool
    explored: bool
    features_hash: str
    session_id: Id | None
    surface: str | None
    canary: bool
    constrained: bool | None = None
    moment: dict[str, float | str | None] = {}
    cold: list[int] | None = None
    deviation: list[float] | None = None


class EventRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="event"):
    """A view of an item of a list, or a play.

    Parameters
    ----------
    event_id : str
        What `event_id` gives: the same event sent again has the same.
    kind : {"view", "play"}
        Which.
    item_id : int or str
        The item.
    at_ms : int
        When it happened, in milliseconds since 1970.
    received_ms : int
        When it came here.
    decision_id : str or None
        The list it happened to; views need one.
    user_id : int or str or None
        Who played, where there was no decision.
    viewable_ms : int or None
        For how long a view lasted.
    clicked_at_ms : int or None
        When it was clicked.
    play_id : int or str or None
        The caller's id of a play.
    seconds : float or None
        How long was played.
    fraction : float or None
        Share of the item's length.
    """

    event_id: str
    kind: Literal["view", "play"]
    item_id: Id
    at_ms: int
    received_ms: int
    decision_id: str | None = None
    user_id: Id | None = None
    viewable_ms: int | None = None
    clicked_at_ms: int | None = None
    play_id: Id | None = None
    seconds: float | None = None
    fraction: float | None = None


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="shadow"):
    """What a shadow version would have shown in the place of a list.

    Parameters
    ----------
    decision_id : str
        The list that was given.
    user_id : int or str
        Whom it was for.
    version : str
        The shadow.
    items : list of int or str
        The items it would have shown, best first and without a draw.
    score : list of float or None
        Their scores by its policy; ``None`` where it fell back.
    fallback : str or None
        Why its list is in base order.
    """

    decision_id: str
    user_id: Id
    version: str
    items: list[Id]
    score: list[float] | None
    fallback: str | None


Record = Decision | EventRecord | ShadowRecord

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Record)


def encode(record: Record) -> bytes:
    """Write a record as msgpack.

    Parameters
    ----------
    record : Decision, EventRecord or ShadowRecord
        The record.

    Returns
    -------
    bytes
        One msgpack object.
    """
    return _encoder.encode(record)


def decode(payload: bytes) -> Record:
    """Read a record.

    Parameters
    ----------
    payload : bytes
        What :func:`encode` wrote.

    Returns
    -------
    Decision, EventRecord or ShadowRecord
        The record.

    Raises
    ------
    msgspec.DecodeError
        If it is no such record.
    """
    found: Record = _decoder.decode(payload)
    return found


def event_id(
    kind: Literal["view", "play"],
    item_id: Id,
    *,
    at_ms: int,
    decision_id: str | None = None,
    user_id: Id | None = None,
    viewable_ms: int | None = None,
    clicked_at_ms: int | None = None,
    play_id: Id | None = None,
) -> str:
    """Name an event so that the same event sent again has the same name.

    A play that has an id is named by it, whatever else is said of it, and by its user, whom only
    the compaction knows for sure and puts before it; every other event by a hash of what it says.

    Parameters
    ----------
    kind : {"view", "play"}
        Which.
    item_id : int or str
        The item.
    at_ms : int
        When it happened.
    decision_id : str, optional
        The list it happened to.
    user_id : int or str, optional
        Who it was, where there was no list.
    viewable_ms, clicked_at_ms : int, optional
        Of a view.
    play_id : int or str, optional
        The caller's id of a play.

    Returns
    -------
    str
        ``play-`` or ``play#`` and the caller's id, for strings and for integers, or 32 hexadecimal
        digits.
    """
    if kind == "play" and play_id is not None:
        return f"play-{play_id}" if isinstance(play_id, str) else f"play#{play_id}"
    return _hashed([kind, decision_id, user_id, item_id, at_ms, viewable_ms, clicked_at_ms])


def id_text(value: Id | None) -> str | None:
    """Write an id as text that still tells 5 from "5".

    Parameters
    ----------
    value : int, str or None
        The id.

    Returns
    -------
    str or None
        JSON.
    """
    return None if value is None else msgspec.json.encode(value).decode()


def _hashed(parts: Sequence[object]) -> str:
    return blake2b(_encoder.encode(parts), digest_size=16).hexdigest()
