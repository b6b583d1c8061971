"""Run the HTTP service in this process until it is told to stop."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from causal_ranker._extras import require
from causal_ranker.addresses import is_here
from causal_ranker.errors import ConfigError
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.config import ServeConfig

if TYPE_CHECKING:
    from causal_ranker.recommenders.base import BaseRecommender
    from causal_ranker.serving.bundle import Bundle
    from causal_ranker.serving.decisions.config import LogConfig
    from causal_ranker.serving.decisions.log import DecisionLog
    from causal_ranker.serving.registry import Registry

__all__ = ["serve"]

_log = logging.getLogger(__name__)

# Longer than load balancers and clients keep a connection (60 s is usual): whoever hangs up first
# must not be the one who cannot know that a request is on its way.
_KEEP_ALIVE_S: Final = 75
# A base recommender is asked before the deadline of a list begins.
_UPSTREAM_S: Final = 0.2
# After draining: a process that is told to stop must end within 10 s, whatever its disk does.
_CLOSE_S: Final = 1.0


def serve(
    model: str | Path,
    *,
    log: str | Path | None = None,
    config: ServeConfig | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    keys: str | Path | None = None,
    without_keys: bool = False,
    tls: tuple[str | Path, str | Path] | None = None,
    upstream: str | None = None,
    log_user_ids: bool = False,
) -> None:
    """Answer until the process is told to stop (SIGTERM or Ctrl-C).

    Parameters
    ----------
    model : str or Path
        A registry of models, whose current one answers, or one model's folder.
    log : str or Path, optional
        Folder of the decision log; without it nothing is written down.
    config : ServeConfig, optional
        How the service answers.
    host : str
        Address to listen on; only this machine by default. There, without keys, a request must name
        this machine as its host (``localhost`` or an address), or is refused with 421: else any
        web page could ask through the reader's browser.
    port : int
        Port to listen on; 0 takes a free one. The first lines of the log name the address.
    keys : str or Path, optional
        File of hashed keys (``causal-ranker keys new``).
    without_keys : bool
        Listen beyond this machine although there are no keys.
    tls : tuple of path, optional
        Certificate chain and private key, PEM.
    upstream : str, optional
        Address of the base recommender (see `causal_ranker.recommenders.http`), which is asked for
        candidates where a request brings none.
    log_user_ids : bool
        Write messages of unexpected errors in full, although they may quote ids of users.

    Raises
    ------
    BundleError
        If there is no model that can be used.
    ConfigError
        If the address cannot be listened on, would be open to everybody, or keys or certificates
        cannot be read.
    MissingExtraError
        If the extra ``serve`` is not installed.
    """
    for module in ("httptools", "msgspec", "prometheus_client", "starlette", "uvicorn"):
        require(module, extra="serve")
    import uvicorn

    from causal_ranker.serving.app import create_app
    from causal_ranker.serving.http.discreet import log_config
    from causal_ranker.serving.http.keys import KeyRing
    from causal_ranker.serving.http.patience import PatientProtocol
    from causal_ranker.serving.http.server import DrainingServer
    from causal_ranker.serving.service import Service

    if keys is None and not without_keys and not is_here(host):
        raise ConfigError(
            expected="keys for an address that others can reach",
            came=f"{host} without any",
            do="Make one (causal-ranker keys new) and name the file in --keys; or listen on "
            "127.0.0.1; or say --without-keys if something else keeps strangers out.",
        )
    ring = None if keys is None else KeyRing(keys)
    _check_tls(tls)
    models = _models(model)
    asked = _recommender(upstream)
    config = config or ServeConfig()
    with _listener(host, port) as listener, _decisions(log, config.log) as decisions:
        service = Service(models, config=config, log=decisions)
        app = create_app(
            service, keys=ring, upstream=asked, only_here=ring is None and is_here(host)
        )
        settings = uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",  # `DrainingServer` runs it
            access_log=False,  # a line per request costs more than the answer, and names users
            log_config=log_config(user_ids=log_user_ids),
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            ssl_certfile=None if tls is None else tls[0],
            ssl_keyfile=None if tls is None else tls[1],
        )

        def tell() -> None:
            version = service.version().version
            _tell(version, listener.getsockname(), tls=tls is not None, keys=ring is not None)
            if decisions is None:
                _log.warning("no decision log: nothing will be learnt from what is shown")

        DrainingServer(app, settings, started=tell).run(sockets=[listener])


@contextmanager
def _decisions(folder: str | Path | None, config: LogConfig) -> Iterator[DecisionLog | None]:
    if folder is None:
        yield None
        return
    from causal_ranker.serving.decisions.log import DecisionLog

    log = DecisionLog(folder, config=config)
    try:
        yield log
    finally:
        if not log.close(_CLOSE_S):
            _log.error("the decision log was not closed within %g s: its disk hangs", _CLOSE_S)


def _models(model: str | Path) -> Registry | Bundle:
    """Open a registry, which can change its mind while we serve, or one model, which cannot."""
    from causal_ranker.serving.promotions import is_registry
    from causal_ranker.serving.registry import Registry

    return Registry(model) if is_registry(Path(model)) else load_bundle(model)


def _recommender(url: str | None) -> BaseRecommender | None:
    if url is None:
        return None
    from causal_ranker.recommenders.http import HttpRecommender
    from causal_ranker.recommenders.upstream import UpstreamConfig
    from causal_ranker.serving.wire import MOST_ITEMS

    bounds = UpstreamConfig(timeout_s=_UPSTREAM_S, retries=0, most_candidates=MOST_ITEMS)
    return HttpRecommender(url, config=bounds)


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            expected=f"a free address {host}:{port} to listen on",
            came=str(error),
            do="Choose another port or host, or stop what listens there.",
        ) from None


def _check_tls(tls: tuple[str | Path, str | Path] | None) -> None:
    if tls is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*tls)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            expected=f"a certificate in {tls[0]} and its private key in {tls[1]}, PEM",
            came=str(error),
            do="Check both files.",
        ) from None


def _tell(version: str, address: tuple[Any, ...], *, tls: bool, keys: bool) -> None:
    host, port = address[:2]
    shown = f"[{host}]" if ":" in host else host
    scheme = "https" if tls else "http"
    _log.info("serving model %s on %s://%s:%d", version, scheme, shown, port)
    if not is_here(host):
        if not keys:
            _log.warning("everybody who can reach %s may ask: there are no keys", shown)
        if not tls:
            _log.warning("what is sent to %s travels unencrypted, keys included", shown)
