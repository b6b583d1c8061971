"""The HTTP service: lists by uplift, health, and which model answers.

========================= ======================================================
``POST /v1/rerank``       a user's list (:class:`~causal_ranker.serving.wire.RerankRequest`)
``GET /healthz``          the process is alive
``GET /v1/version``       the bundle, its policy, and fall-backs since start, by reason
========================= ======================================================

An unknown user gets the base order: of the candidates that came, or else of every item, by the
bundle's base model. Errors are ``{"error": "..."}``: 400 for a request that cannot be, 404 for an
unknown user where there is neither; the version page counts that one among the fall-backs, too.
A body above 1 MiB is refused before it is read (413, plain text).
"""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from causal_ranker._extras import require
from causal_ranker.errors import ConfigError, DataError, UnknownUserError
from causal_ranker.reranking.description import policy_to_dict
from causal_ranker.serving.adapter import rerank
from causal_ranker.serving.bundle import Bundle, load_bundle

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["create_app", "serve"]

_BODY_LIMIT: Final = 1 << 20  # bytes


def create_app(bundle: Bundle) -> Starlette:
    """Build the service around a loaded bundle.

    Parameters
    ----------
    bundle : Bundle
        The bundle that answers.

    Returns
    -------
    starlette.applications.Starlette
        An ASGI application.

    Raises
    ------
    MissingExtraError
        If the extra ``serve`` is not installed.
    """
    for module in ("msgspec", "starlette"):
        require(module, extra="serve")
    import msgspec
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.exceptions import HTTPException
    from starlette.responses import Response
    from starlette.routing import Route

    from causal_ranker.serving.wire import RerankRequest, read

    encode = msgspec.json.Encoder().encode

    def answer(content: Any, status: int = 200) -> Response:
        return Response(encode(content), status_code=status, media_type="application/json")

    async def post_rerank(request: Request) -> Response:
        try:
            asked = read(RerankRequest, await request.body())
            given = asked.candidates
            # In a thread, so that health answers while a model works.
            ranked = await run_in_threadpool(
                rerank,
                bundle,
                asked.user_id,
                candidates=None if given is None else [(c.item_id, c.base_score) for c in given],
                k=asked.k,
            )
        except UnknownUserError as error:
            return answer({"error": str(error)}, 404)
        except (ConfigError, DataError) as error:
            return answer({"error": str(error)}, 400)
        return answer(
            {
                "user_id": asked.user_id,
                "items": ranked.records(),
                "fallback": ranked.fallback,
                "version": bundle.version,
            }
        )

    async def get_health(_: Request) -> Response:
        return answer({"status": "ok"})

    async def get_version(_: Request) -> Response:
        manifest, counts = bundle.manifest, bundle.counts
        return answer(
            {
                "version": bundle.version,
                "package_version": manifest.package_version,
                "created_at": manifest.created_at,
                "training_window": manifest.training_window,
                "policy": policy_to_dict(bundle.policy),
                "requests": counts.requests,
                "fallbacks": counts.fallbacks,
                "unknown_items": counts.unknown_items,
                "relaxed": counts.relaxed,
            }
        )

    async def refused(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):  # no such path or method, or a body too large
            return answer({"error": error.detail}, error.status_code)
        return answer({"error": "the service failed; see its log"}, 500)

    return Starlette(
        routes=[
            Route("/v1/rerank", post_rerank, methods=["POST"]),
            Route("/healthz", get_health, methods=["GET"]),
            Route("/v1/version", get_version, methods=["GET"]),
        ],
        exception_handlers={HTTPException: refused, Exception: refused},
        max_body_size=_BODY_LIMIT,
    )


def serve(model_dir: str | Path, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Load a bundle and answer until the process is told to stop.

    Parameters
    ----------
    model_dir : str or Path
        Folder of the bundle.
    host : str
        Address to listen on; only this machine by default.
    port : int
        Port to listen on; 0 takes a free one. The first lines of the log name the address.

    Raises
    ------
    BundleError
        If the folder is no bundle, or was changed.
    ConfigError
        If the address cannot be listened on.
    MissingExtraError
        If the extra ``serve`` is not installed.
    """
    require("uvicorn", extra="serve")
    import uvicorn

    bundle = load_bundle(model_dir)
    app = create_app(bundle)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            expected=f"a free address {host}:{port} to listen on",
            came=str(error),
            do="Choose another port or host, or stop what listens there.",
        ) from None
    with listener:
        # No access log: a line per request costs more than the answer.
        config = uvicorn.Config(app, host=host, port=port, access_log=False, lifespan="off")
        # Given a socket, uvicorn takes it that whoever opened it has told the address.
        shown = f"[{host}]" if family is socket.AF_INET6 else host
        logging.getLogger("uvicorn.error").info(
            "Serving model %s on http://%s:%d", bundle.version, shown, listener.getsockname()[1]
        )
        uvicorn.Server(config).run(sockets=[listener])
