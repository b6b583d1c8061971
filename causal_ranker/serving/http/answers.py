"""Responses of the service: JSON on one line, and what each error means in HTTP."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from causal_ranker.errors import (
    CausalRankerError,
    ConfigError,
    DataError,
    LogUnavailableError,
    OverloadedError,
    UnknownUserError,
    UpstreamError,
)

__all__ = ["answer", "refusal", "refuse"]

_encode: Final = msgspec.json.Encoder().encode

# The first that fits. Whatever the package raises beside these is a fault of the service.
_STATUS: Final[tuple[tuple[type[CausalRankerError], int, dict[str, str]], ...]] = (
    (UnknownUserError, 404, {}),
    (OverloadedError, 429, {"Retry-After": "1"}),
    (LogUnavailableError, 503, {"Retry-After": "5"}),
    (UpstreamError, 503, {"Retry-After": "1"}),
    (ConfigError, 400, {}),
    (DataError, 400, {}),
)


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Write an answer.

    Parameters
    ----------
    content : object
        Structs and plain values; NaN becomes null.
    status : int
        HTTP status.
    headers : dict of str to str, optional
        Headers beside type and length.

    Returns
    -------
    starlette.responses.Response
        JSON on one line.
    """
    return Response(
        _encode(content), status_code=status, media_type="application/json", headers=headers
    )


def refuse(status: int, error: str, headers: dict[str, str] | None = None) -> Response:
    """Write why there is no answer.

    Parameters
    ----------
    status : int
        HTTP status.
    error : str
        What was expected, what came, what to do.
    headers : dict of str to str, optional
        Headers beside type and length.

    Returns
    -------
    starlette.responses.Response
        ``{"error": ...}`` on one line.
    """
    return answer({"error": error}, status, headers)


async def refusal(_: Request, error: Exception) -> Response:
    """Turn an error that was raised on purpose into a response.

    Parameters
    ----------
    _ : starlette.requests.Request
        The request.
    error : Exception
        An `HTTPException` or a `CausalRankerError`.

    Returns
    -------
    starlette.responses.Response
        The refusal.

    Raises
    ------
    Exception
        The error itself, where it is a fault of the service.
    """
    if isinstance(error, HTTPException):
        return refuse(error.status_code, error.detail, dict(error.headers or {}))
    for kind, status, headers in _STATUS:
        if isinstance(error, kind):
            return refuse(status, str(error), headers)
    raise error
