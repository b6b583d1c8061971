"""Read a body that may be too large, of another type, or never end."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

__all__ = ["BODY_BYTES", "read_body"]

#: Longest body of a request, in bytes.
BODY_BYTES: Final = 1 << 20


async def read_body(request: Request) -> bytes:
    """Read the body of a request, and no more of it than may be.

    Parameters
    ----------
    request : starlette.requests.Request
        The request.

    Returns
    -------
    bytes
        The body.

    Raises
    ------
    HTTPException
        415 if it says that it is not JSON; 413 if it says that it is too large, before a byte is
        read, or turns out to be.
    """
    kind = request.headers.get("content-type")
    # What a page of another site can make a browser send unasked is a form, or has no type. Others
    # (who send no Origin) may leave the type out.
    if kind is None and "origin" not in request.headers:
        kind = "application/json"
    if kind is None or kind.partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "expected Content-Type: application/json; got another one or none")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > BODY_BYTES:
        raise _too_large()
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES:
            raise _too_large()
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large() -> HTTPException:
    return HTTPException(
        413, f"expected a body of at most {BODY_BYTES} bytes; got more. Send fewer candidates."
    )
