"""The command on features that lie in Redis, beside the bundle they were published in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Features of a published model in Redis.", no_args_is_help=True)


@app.callback()
def _features() -> None:
    # Without it a sole command would take the name of the group.
    pass


_Redis = Annotated[
    str,
    typer.Option(
        help="The server, redis:// or rediss://. A password stays out of the list of processes if "
        "the URL comes by the environment.",
        envvar="CAUSAL_RANKER_REDIS",
        show_envvar=True,
    ),
]
_Model = Annotated[Path, typer.Option(help="A registry of models, or one model's folder.")]


@app.command("push")
def _push(
    model: _Model,
    redis: _Redis,
    keep_hours: Annotated[
        float, typer.Option(help="After so many hours the other versions there are gone.")
    ] = 168.0,
) -> None:
    """Write the features of a published model to Redis."""
    from causal_ranker.serving.bundle import load_bundle
    from causal_ranker.serving.redis_push import push_features

    done = push_features(redis, bundle=load_bundle(model), keep_hours=keep_hours)
    typer.echo(
        f"Features of the model {done.version}: {done.users} users, {done.items} items, "
        f"{done.histories} histories."
    )
    if done.expiring:
        typer.echo(f"To be gone in {keep_hours:g} hours or less: {', '.join(done.expiring)}.")
