"""The command that answers over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from causal_ranker.errors import ConfigError

__all__ = ["app"]

app = typer.Typer()


@app.command("serve")
def _serve(
    model: Annotated[Path, typer.Option(help="A registry of models, or one model's folder.")],
    log: Annotated[
        Path | None,
        typer.Option(help="Folder of the decision log, which the next training reads."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file: deadline, queue, exploration, shadow, canary."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000,
    keys: Annotated[
        Path | None, typer.Option(help="File of hashed keys; see causal-ranker keys.")
    ] = None,
    without_keys: Annotated[
        bool,
        typer.Option("--without-keys", help="Listen beyond this machine although keys are none."),
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    upstream: Annotated[
        str | None,
        typer.Option(help="Address of the base recommender, for requests without candidates."),
    ] = None,
    log_user_ids: Annotated[
        bool,
        typer.Option("--log-user-ids", help="Log messages of errors in full, ids included."),
    ] = False,
) -> None:
    """Answer over HTTP until told to stop; /openapi.json says what."""
    from causal_ranker.serving.config import ServeConfig
    from causal_ranker.serving.serve import serve

    if (tls_cert is None) is not (tls_key is None):
        raise ConfigError(
            expected="--tls-cert and --tls-key together",
            came=f"--tls-{'cert' if tls_key is None else 'key'} alone",
            do="Name both files, or neither.",
        )
    serve(
        model,
        log=log,
        config=None if config is None else ServeConfig.from_toml(config),
        host=host,
        port=port,
        keys=keys,
        without_keys=without_keys,
        tls=None if tls_cert is None or tls_key is None else (tls_cert, tls_key),
        upstream=upstream,
        log_user_ids=log_user_ids,
    )
