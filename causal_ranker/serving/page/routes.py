"""Routes to the files of the page, with headers that let it load and ask for nothing else."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

from causal_ranker._extras import require

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

__all__ = ["page_routes"]

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    # No script, style or picture but our own files, no answer but this server's, in no frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A new version of the package must not meet the old one's script.
    "Cache-Control": "no-cache",
}


def page_routes() -> list[Route]:
    """Return the routes of the page: ``/`` and ``/page/<file>``, which need no key.

    The files are read once, here.

    Returns
    -------
    list of starlette.routing.Route
        One for each file; none stands in the OpenAPI document.

    Raises
    ------
    MissingExtraError
        If the extra ``serve`` is not installed.
    """
    require("starlette", extra="serve")
    found = [file for file in files(__package__).iterdir() if _ending(file.name) in _TYPES]
    return [_route(file.name, file.read_bytes()) for file in found]


def _route(name: str, content: bytes) -> Route:
    from starlette.responses import Response
    from starlette.routing import Route

    headers = {"Content-Type": _TYPES[_ending(name)], **_HEADERS}

    async def get(_: Request) -> Response:
        return Response(content, headers=headers)

    path = "/" if name == "index.html" else f"/page/{name}"
    return Route(path, get, methods=["GET"], include_in_schema=False)


def _ending(name: str) -> str:
    return name[name.rfind(".") :]
