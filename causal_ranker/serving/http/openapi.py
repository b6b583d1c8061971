"""The OpenAPI 3.1 document, made of the structs that decode requests and write answers."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Final

import msgspec

from causal_ranker import __version__
from causal_ranker.serving.wire import (
    EventsAnswer,
    EventsRequest,
    ExplainAnswer,
    ExplainRequest,
    Refusal,
    RerankAnswer,
    RerankRequest,
    Status,
    UsersAnswer,
    VersionAnswer,
)

__all__ = ["OPERATIONS", "Operation", "openapi_document"]

_METRICS: Final = "text/plain"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route of the service.

    Parameters
    ----------
    name : str
        Name of the handler.
    method, path : str
        Where it answers.
    summary : str
        What for.
    answers : type
        Struct of the answer with status 200; ``str`` for text, ``dict`` for any JSON object.
    takes : type, optional
        Struct of the body.
    refuses : tuple of int
        Other statuses it may answer, beside those of keys.
    needs_key : bool
        Whether it asks for a key, where keys are asked for.
    """

    name: str
    method: str
    path: str
    summary: str
    answers: type
    takes: type | None = None
    refuses: tuple[int, ...] = ()
    needs_key: bool = True


_OF_ANY: Final = (408, 431)
_OF_A_LIST: Final = (400, 404, 413, 415, 429, 503)

OPERATIONS: Final = (
    Operation(
        name="rerank",
        method="POST",
        path="/v1/rerank",
        summary="A user's candidates in the order of the policy; where none come, at most 1,000",
        takes=RerankRequest,
        answers=RerankAnswer,
        refuses=_OF_A_LIST,
    ),
    Operation(
        name="events",
        method="POST",
        path="/v1/events",
        summary="Views and plays of a decision, written down",
        takes=EventsRequest,
        answers=EventsAnswer,
        refuses=(400, 413, 415, 429, 503),
    ),
    Operation(
        name="explain",
        method="POST",
        path="/v1/explain",
        summary="Why an item stands where it stands",
        takes=ExplainRequest,
        answers=ExplainAnswer,
        refuses=_OF_A_LIST,
    ),
    Operation(
        name="users",
        method="GET",
        path="/v1/users",
        summary="Some users that the model knows, to begin with",
        answers=UsersAnswer,
    ),
    Operation(
        name="version",
        method="GET",
        path="/v1/version",
        summary="The model that answers, and what it could not do",
        answers=VersionAnswer,
    ),
    Operation(
        name="metrics",
        method="GET",
        path="/metrics",
        summary="Counts and times, in the text format of Prometheus",
        answers=str,
    ),
    Operation(
        name="healthz",
        method="GET",
        path="/healthz",
        summary="The process is alive",
        answers=Status,
        needs_key=False,
    ),
    Operation(
        name="readyz",
        method="GET",
        path="/readyz",
        summary="Lists may be asked for; 503 with the reason where not",
        answers=Status,
        refuses=(503,),
        needs_key=False,
    ),
    Operation(
        name="openapi",
        method="GET",
        path="/openapi.json",
        summary="This document",
        answers=dict,
        needs_key=False,
    ),
)

_MEANING: Final = {
    400: "The request cannot be",
    401: "No valid key",
    404: "An unknown user, and neither candidates nor a base model",
    408: "A request that was not whole in time",
    413: "A body above 1 MiB",
    415: "A body that is not said to be JSON",
    421: "A Host other than localhost, 127.0.0.1 or [::1], where there are no keys",
    429: "Too many requests wait, and there is no base order to answer with",
    431: "A head above 64 KiB",
    503: "Not ready; or what it takes to answer (decision log, base recommender) is not there",
}
_RETRY: Final = {
    "Retry-After": {
        "description": "Seconds after which to try again",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    }
}
_CHALLENGE: Final = {
    "WWW-Authenticate": {
        "description": "How to send a key",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    }
}


def openapi_document(*, with_keys: bool, only_here: bool = False) -> dict[str, Any]:
    """Describe the service.

    Parameters
    ----------
    with_keys : bool
        Whether this service asks for keys.
    only_here : bool
        Whether it refuses hosts that are not this machine.

    Returns
    -------
    dict
        An OpenAPI 3.1 document.
    """
    structs: list[type] = [Refusal]
    for operation in OPERATIONS:
        structs += [
            kind for kind in (operation.takes, operation.answers) if kind and _is_struct(kind)
        ]
    _, schemas = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        if "description" in schema:  # a docstring: its first paragraph
            schema["description"] = cleandoc(schema["description"]).partition("\n\n")[0]
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        described = _described(operation, with_keys=with_keys, only_here=only_here)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    components: dict[str, Any] = {"schemas": schemas}
    if with_keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Causal Ranker",
            "version": __version__,
            "description": "Re-ranks a recommender's list by uplift: the plays that happen "
            "because an item was shown.",
        },
        "paths": paths,
        "components": components,
    }


def _described(operation: Operation, *, with_keys: bool, only_here: bool) -> dict[str, Any]:
    answers = operation.answers
    if answers is str:
        content = {_METRICS: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": _schema(answers)}}
    responses: dict[str, Any] = {"200": {"description": "The answer", "content": content}}
    asks = with_keys and operation.needs_key
    also = [401] * asks + [421] * only_here
    for status in sorted((*_OF_ANY, *operation.refuses, *also)):
        refused: dict[str, Any] = {
            "description": _MEANING[status],
            "content": {"application/json": {"schema": _schema(Refusal)}},
        }
        if status in (429, 503):
            refused["headers"] = _RETRY
        elif status == 401:
            refused["headers"] = _CHALLENGE
        responses[str(status)] = refused
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": responses,
    }
    if operation.takes is not None:
        body = {"application/json": {"schema": _schema(operation.takes)}}
        found["requestBody"] = {"required": True, "content": body}
    if asks:
        found["security"] = [{"key": []}]
    return found


def _schema(kind: type) -> dict[str, Any]:
    if not _is_struct(kind):
        return {"type": "object"}
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _is_struct(kind: type) -> bool:
    return issubclass(kind, msgspec.Struct)
