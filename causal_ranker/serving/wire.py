"""The JSON of the service: what each request holds, decoded strictly, and what each answer does.

Ids are integers or strings, and the two are different ids. Times are ISO 8601 with a time zone.
Every list, name and number has a bound, which stands in the OpenAPI document, too
(:mod:`causal_ranker.serving.http.reading` decodes requests).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "MOST_ITEMS",
    "MOST_USERS",
    "Candidate",
    "Event",
    "EventsAnswer",
    "EventsRequest",
    "ExplainAnswer",
    "ExplainRequest",
    "Influence",
    "Play",
    "RankedItem",
    "Refusal",
    "RerankAnswer",
    "RerankRequest",
    "Status",
    "UsersAnswer",
    "VersionAnswer",
    "View",
]

#: A string id is held to this many characters, so that no log line or key grows without bound.
ID_LENGTH: Final = 256
#: Candidates, and events, of one request; and candidates of a bundle's own that are ranked.
MOST_ITEMS: Final = 1000
#: Users that are named for a start.
MOST_USERS: Final = 20
#: Features of the moment or the user, and columns, of one request.
_MOST_NAMES: Final = 256
_INT64: Final = 2**63 - 1  # what the decision log and the snapshot can hold
_DOUBLE: Final = 1.7976931348623157e308

_Name = Annotated[str, Meta(max_length=ID_LENGTH)]
Id = (
    Annotated[int, Meta(ge=-_INT64 - 1, le=_INT64)]
    | Annotated[str, Meta(min_length=1, max_length=ID_LENGTH)]
)
# Bounds of doubles are exclusive: digits slightly above the largest double are read as that double.
_Number = Annotated[float, Meta(gt=-_DOUBLE, lt=_DOUBLE)]
#: A value of a feature or of a column: a number, a level, or missing.
Value = _Number | _Name | None
_Values = Annotated[dict[_Name, Value], Meta(max_length=_MOST_NAMES)]
_Column = Annotated[list[Value], Meta(max_length=MOST_ITEMS)]
_Columns = Annotated[dict[_Name, _Column], Meta(max_length=_MOST_NAMES)]
Time = Annotated[datetime, Meta(tz=True)]
_Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A JSON object that refuses fields it does not know."""


class Candidate(_Body, frozen=True, gc=False):
    """One item of the base recommender's list.

    Parameters
    ----------
    item_id : int or str
        The item.
    base_score : float
        Its base score, larger is better.
    """

    item_id: Id
    base_score: _Number


_Candidates = Annotated[list[Candidate], Meta(min_length=1, max_length=MOST_ITEMS)]


class RerankRequest(_Body, frozen=True):
    """What ``POST /v1/rerank`` takes.

    Parameters
    ----------
    user_id : int or str
        The user.
    candidates : list of Candidate, optional
        The base recommender's list: 1 to 1,000, each item once. Without it the bundle's own
        candidates of the user, or every item for a user who is not known, of these the best 1,000
        by base score; either needs a base model in the bundle.
    k : int, optional
        Length of the answer; without it all candidates that are ranked.
    moment : dict of str to value
        Features of the moment by name (hour, device, session so far), in place of the bundle's
        defaults. Written to the decision log as it came.
    context : dict of str to value
        Features of the user by name, where the caller knows better than the snapshot.
    columns : dict of str to list of value
        What rules of the policy read of the candidates: a value for each of them. Names in
        `moment`, `context` and `columns` that the model or its policy does not read are ignored
        and counted (metric ``unread_features``): another version may read them.
    session_id, surface : int or str, str, optional
        Written to the decision log, and from there to the impressions.
    log : bool
        Whether the list will be shown to the user. With false it is only looked at: nothing is
        drawn, no decision is written down, and `decision_id` is ``None``.
    """

    user_id: Id
    candidates: _Candidates | None = None
    k: _Count | None = None
    moment: _Values = {}
    context: _Values = {}
    columns: _Columns = {}
    session_id: Id | None = None
    surface: _Name | None = None
    log: bool = True


class RankedItem(_Body, frozen=True, omit_defaults=True, gc=False):
    """One item of an answer.

    Parameters
    ----------
    item_id : int or str
        The item.
    base_score : float or None
        Base score; ``None`` where the base model failed.
    base_rank : int
        Rank by base score among all candidates, from 1.
    uplift : float or None
        Estimated uplift in plays per impression; ``None`` in a list that fell back.
    score : float or None
        What the list is sorted by, where no rule says otherwise.
    rank : int
        Rank in the answer, from 1.
    propensity : float or None
        Probability of this item in this slot given the items above; 1 where nothing was drawn,
        ``None`` behind the slots that are drawn.
    uplift_low, uplift_high : float, optional
        Ends of the uplift's interval; left out where the model has none.
    """

    item_id: Id
    base_score: float | None
    base_rank: int
    uplift: float | None
    score: float | None
    rank: int
    propensity: float | None
    uplift_low: float | None = None
    uplift_high: float | None = None


class RerankAnswer(_Body, frozen=True):
    """What ``POST /v1/rerank`` answers.

    Parameters
    ----------
    user_id : int or str
        The user.
    items : list of RankedItem
        Best first.
    decision_id : str or None
        To send views and plays against. ``None`` where the decision could not be written down (no
        log, or its disk is full): the list is good, but nothing will be learnt from it.
    version : str
        The one model that ordered the list (or that failed to).
    fallback : str or None
        Why the list is in base order; ``None`` where the policy ordered it.
    explored, holdout : bool
        Whether slots were drawn, and whether the user always gets the base list.
    relaxed : list of str
        Rules of the policy that could not be kept.
    """

    user_id: Id
    items: list[RankedItem]
    decision_id: str | None
    version: str
    fallback: str | None
    explored: bool
    holdout: bool
    relaxed: list[str]


class View(_Body, frozen=True, tag="view", tag_field="type"):
    """An item of a list came into view.

    Parameters
    ----------
    item_id : int or str
        An item of the decision.
    at : datetime
        When.
    viewable_ms : int, optional
        For how long, in milliseconds.
    clicked_at : datetime, optional
        When it was clicked.
    """

    item_id: Id
    at: Time
    viewable_ms: Annotated[int, Meta(ge=0, le=_INT64)] | None = None
    clicked_at: Time | None = None


class Play(_Body, frozen=True, tag="play", tag_field="type"):
    """An item was played, on any surface.

    Parameters
    ----------
    item_id : int or str
        The item, of the decision or not: a play counts wherever it came from.
    at : datetime
        When it began.
    play_id : int or str, optional
        The play's id, unique among the user's plays; other users may have the same. Sent again, it
        counts once. Without it, plays of one item by one user at one time are one.
    seconds : float, optional
        How long it was played.
    fraction : float, optional
        Share of the item's length, in [0, 1].
    """

    item_id: Id
    at: Time
    play_id: Id | None = None
    seconds: Annotated[float, Meta(ge=0, lt=_DOUBLE)] | None = None
    fraction: Annotated[float, Meta(ge=0, le=1)] | None = None


Event = View | Play


class EventsRequest(_Body, frozen=True):
    """What ``POST /v1/events`` takes.

    Parameters
    ----------
    events : list of View or Play
        What happened; at most 1,000.
    decision_id : str, optional
        The decision it happened to. Views need one.
    user_id : int or str, optional
        Who played, where there was no decision.
    """

    events: Annotated[list[Event], Meta(min_length=1, max_length=MOST_ITEMS)]
    decision_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    user_id: Id | None = None


class EventsAnswer(_Body, frozen=True):
    """What ``POST /v1/events`` answers: how many events are written down.

    Parameters
    ----------
    accepted : int
        Events that will survive this process: all of the request, or the answer is 503.
    """

    accepted: int


class ExplainRequest(RerankRequest, frozen=True, kw_only=True):
    """What ``POST /v1/explain`` takes: a request for a list, and an item of it.

    Parameters
    ----------
    item_id : int or str
        The item to explain; one of the candidates.
    """

    item_id: Id


class Influence(_Body, frozen=True):
    """What one feature does to one item's uplift.

    Parameters
    ----------
    feature : str
        The feature.
    value : float, str or None
        Its value for this user and item.
    uplift : float
        Its share of the uplift, in plays per impression (TreeSHAP).
    """

    feature: str
    value: Value
    uplift: float


class ExplainAnswer(_Body, frozen=True):
    """What ``POST /v1/explain`` answers.

    Parameters
    ----------
    item : RankedItem
        The item as the list has it; nothing is drawn and no decision is logged.
    version : str
        The model.
    fallback : str or None
        As in the list.
    average : float or None
        Uplift before any feature is looked at; with `influences` (all of them) it sums to the
        item's.
    influences : list of Influence
        Largest first.
    words : str
        Why the item moved, in a sentence.
    """

    item: RankedItem
    version: str
    fallback: str | None
    average: float | None
    influences: list[Influence]
    words: str


class Status(_Body, frozen=True):
    """What ``GET /healthz`` and ``GET /readyz`` answer with status 200.

    Parameters
    ----------
    status : str
        "ok".
    """

    status: Literal["ok"]


class Refusal(_Body, frozen=True):
    """What every other status than 200 brings.

    Parameters
    ----------
    error : str
        What was expected, what came, and what to do, in one line.
    """

    error: str


class UsersAnswer(_Body, frozen=True):
    """What ``GET /v1/users`` answers: some users to begin with.

    Parameters
    ----------
    users : list of int or str
        At most 20 users that the model knows.
    """

    users: Annotated[list[Id], Meta(max_length=MOST_USERS)]


class VersionAnswer(_Body, frozen=True):
    """What ``GET /v1/version`` answers.

    Parameters
    ----------
    version : str
        The model that answers.
    package_version : str
        The package that published it.
    created_at : str
        When it was published.
    training_window : list of str
        First moment of its training rows, and the moment before which they end.
    policy : dict
        The policy.
    shadow, canary : str or None
        Models that score beside it, or answer a share of the users.
    requests : int
        Lists asked for, since this model began to answer.
    fallbacks, relaxed : dict of str to int
        Lists in base order by reason, and lists without one of their rules, by rule.
    unknown_items : int
        Candidates that its snapshot does not know.
    """

    version: str
    package_version: str
    created_at: str
    training_window: Annotated[tuple[str, ...], Meta(min_length=2, max_length=2)]
    policy: dict[str, Any]
    shadow: str | None
    canary: str | None
    requests: int
    fallbacks: dict[str, int]
    unknown_items: int
    relaxed: dict[str, int]
