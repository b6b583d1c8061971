"""The commands on the keys of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Keys that clients of a server must send.")

_File = Annotated[Path, typer.Option("--file", help="File of hashed keys.")]
_DEFAULT = Path("keys.json")


@app.command("new")
def _new(
    file: _File = _DEFAULT,
    note: Annotated[str, typer.Option(help="Whose it is.")] = "",
) -> None:
    """Make a key, print it once, and keep its hash; servers with this file know it at once."""
    from causal_ranker.serving.http.keys import new_key

    typer.echo(new_key(file, note=note))


@app.command("list")
def _list(
    file: _File = _DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Print ids, when the keys were made, and whose they are."""
    from causal_ranker.reporting.json import to_line
    from causal_ranker.serving.http.keys import read_keys

    found = read_keys(file)
    if as_json:  # not their hashes: nobody needs those
        told = [{"id": k.id, "created_at": k.created_at, "note": k.note} for k in found]
        typer.echo(to_line({"keys": told}))
        return
    for key in found:
        typer.echo(f"{key.id}  {key.created_at}  {key.note}".rstrip())


@app.command("revoke")
def _revoke(
    name: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
    file: _File = _DEFAULT,
) -> None:
    """Let a key no longer enter; servers with this file know it at once."""
    from causal_ranker.serving.http.keys import revoke_key

    revoke_key(file, name)
    typer.echo(f"revoked {name}")
