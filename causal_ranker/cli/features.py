"""The commands on features that lie in Redis, beside the bundle they were published in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(help="Features of a published model in Redis.", no_args_is_help=True)

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


@app.command("forget")
def _forget(
    model: _Model,
    user: Annotated[str, typer.Option(help="The user's id.")],
    redis: _Redis,
) -> None:
    """Delete a user's features from Redis, in every version there."""
    from causal_ranker.serving.bundle import load_bundle
    from causal_ranker.serving.redis_push import forget_features

    # The model says whether ids are numbers: 7 and "7" are two users.
    key = load_bundle(model).snapshot.users.key(user)
    typer.echo(f"Deleted from {forget_features(redis, user=key)} versions.")
