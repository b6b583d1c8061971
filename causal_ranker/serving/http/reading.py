"""Decode requests strictly, refuse long lists before they are built, and say why in words."""

from __future__ import annotations

import re
import threading
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from causal_ranker.errors import SchemaError
from causal_ranker.serving.wire import (
    MOST_ITEMS,
    Candidate,
    EventsRequest,
    ExplainRequest,
    Play,
    RerankRequest,
    View,
)

__all__ = ["read"]

_Request = TypeVar("_Request", bound=msgspec.Struct)
_EXAMPLE: Final = '{"user_id": 1, "candidates": [{"item_id": 2, "base_score": 0.5}]}'
_REQUESTS: Final[tuple[type[msgspec.Struct], ...]] = (RerankRequest, EventsRequest, ExplainRequest)
_DECODERS: Final[dict[type[msgspec.Struct], msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind) for kind in _REQUESTS
}

# msgspec looks at the length of a list when the list is built. Every object of a body costs a
# brace, so few braces are few objects; a body of many is decoded by kinds that count themselves.
_FEW_BRACES: Final = MOST_ITEMS + 4  # beside the candidates: the body, moment, context, columns
_built = threading.local()


class _Counted:
    """Refuses to be built once more than a request may hold."""

    __slots__ = ()  # else its objects would be the collector's, which a candidate is not

    def __post_init__(self) -> None:
        _built.items += 1
        if _built.items > MOST_ITEMS:
            raise ValueError(f"Expected `array` of length <= {MOST_ITEMS}")


class _CountedCandidate(Candidate, _Counted, frozen=True):
    """A candidate."""


class _CountedView(View, _Counted, frozen=True, tag="view", tag_field="type"):
    """A view."""


class _CountedPlay(Play, _Counted, frozen=True, tag="play", tag_field="type"):
    """A play."""


def _counting(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    field: Any
    if kind is EventsRequest:
        field = ("events", Annotated[list[_CountedView | _CountedPlay], Meta(min_length=1)])
    else:
        field = ("candidates", Annotated[list[_CountedCandidate], Meta(min_length=1)] | None, None)
    same = msgspec.defstruct(kind.__name__, [field], bases=(kind,), kw_only=True, frozen=True)
    return msgspec.json.Decoder(same)


_COUNTING: Final = {kind: _counting(kind) for kind in _REQUESTS}


def read(kind: type[_Request], body: bytes) -> _Request:
    """Decode the body of a request.

    Parameters
    ----------
    kind : type
        `RerankRequest`, `EventsRequest` or `ExplainRequest`.
    body : bytes
        JSON.

    Returns
    -------
    RerankRequest, EventsRequest or ExplainRequest
        The request, types and bounds checked.

    Raises
    ------
    SchemaError
        If it is no JSON, or a field is missing, unknown, of another type or out of its bounds.
    """
    decoder = _DECODERS[kind]
    if body.count(b"{") > _FEW_BRACES:
        decoder, _built.items = _COUNTING[kind], 0
    try:
        found = decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        expected, came = _in_words(error, kind, body)
        raise SchemaError(
            expected=expected,
            came=came,
            do=f"See /openapi.json. Example for /v1/rerank: {_EXAMPLE}.",
        ) from None
    assert isinstance(found, kind)
    return found


_BOUND: Final = re.compile(r"Expected `(\w+)` (of length )?(>=|<=|>|<) (\S+) - at `\$\.?(.*)`")
_SIGNS: Final = {
    ">=": ("{} or more", "less"),
    "<=": ("{} or less", "more"),
    ">": ("more than {}", "less"),
    "<": ("less than {}", "more"),
}
_OTHER_TYPE: Final = re.compile(r"Expected `(.+)`, got `(\w+)`(?: - at `\$\.?(.*)`)?")
_OUT_OF_RANGE: Final = re.compile(r"(?:Number|Integer value) out of range - at `\$\.?(.*)`")
_LONG: Final = 200  # characters of a message
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def _in_words(error: Exception, kind: type[msgspec.Struct], body: bytes) -> tuple[str, str]:
    """Say what a decoder's message means to whoever wrote the body."""
    message = str(error)
    if bound := _BOUND.fullmatch(message):
        _, length, sign, limit, place = bound.groups()
        place = place.removesuffix(f"[{MOST_ITEMS}]")  # the first of a list that is too many
        wanted, came = _SIGNS[sign]
        return f"{place} {'of length' if length else 'of'} {wanted.format(limit)}", came
    if (other := _OTHER_TYPE.fullmatch(message)) and other[3]:
        return f"{other[3]} to be {other[1]}", other[2]
    if far := _OUT_OF_RANGE.fullmatch(message):
        return f"{far[1]} to be a number that 64 bits can hold", "one out of their range"
    names = ", ".join(field.name for field in msgspec.structs.fields(kind))
    if isinstance(error, UnicodeDecodeError):
        message = "JSON that is not UTF-8"
    elif not isinstance(error, msgspec.ValidationError) and _SURROGATE.search(body):
        message += ", or half a pair of surrogates in a string, which is no character"
    if len(message) > _LONG:  # it quotes the name of a field that nobody knows
        message = f"{message[:_LONG]}..."
    return f"a JSON object with fields among {names}", message
