"""The commands ``models list``, ``card``, ``adopt``, ``promote``, ``rollback`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from causal_ranker.serving.registry import PublishedVersion

__all__ = ["app"]

app = typer.Typer(help="Look at a registry of models, and say which one answers.")

_Root = Annotated[Path, typer.Argument(help="Folder of the registry.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]


@app.command("list")
def _list(root: _Root, as_json: _Json = False) -> None:
    """List the versions of a registry, the newest first."""
    from dataclasses import asdict

    from rich.console import Console

    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line
    from causal_ranker.serving.registry import Registry

    found = Registry(root).versions()
    if as_json:
        typer.echo(to_line({"versions": [asdict(each) for each in found]}))
        return
    rows = [
        ("*" if each.current else "", each.version, _short(each.created_at), _window(each))
        for each in found
    ]
    notes = ["* answers now.", *(f"{each.version}: {each.fault}" for each in found if each.fault)]
    columns = ("", "version", "published (UTC)", "trained on (UTC)")
    Console().print(rich_table(Table(columns, rows, " ".join(notes))))


@app.command("card")
def _card(
    model: Annotated[Path, typer.Argument(help="A registry of models, or one model's folder.")],
    html: Annotated[Path | None, typer.Option(help="Write a page here, too.")] = None,
    as_json: _Json = False,
) -> None:
    """Say what a model is for, what was found, what it reads, and what it is not for."""
    from rich.console import Console

    from causal_ranker.reporting.console import print_document
    from causal_ranker.reporting.files import check_page, write_page
    from causal_ranker.reporting.json import to_dict, to_line
    from causal_ranker.serving.bundle import load_bundle
    from causal_ranker.serving.card import model_card

    if html is not None:
        check_page(html)
    card = model_card(load_bundle(model))
    if html is not None:
        write_page(card, html)
    if as_json:
        typer.echo(to_line(to_dict(card)))
        return
    print_document(card, Console())


@app.command("adopt")
def _adopt(
    root: _Root,
    bundle: Annotated[Path, typer.Argument(help="Another registry, or the folder of one model.")],
    promote: Annotated[bool, typer.Option("--promote", help="Let it answer from now on.")] = False,
    as_json: _Json = False,
) -> None:
    """Verify a model that was published elsewhere, and add it."""
    from causal_ranker.reporting.json import to_line
    from causal_ranker.serving.registry import Registry

    version = Registry(root).adopt(bundle, promote=promote)
    told = {"adopted": version, "promoted": promote}
    typer.echo(to_line(told) if as_json else f"adopted: {version}")


@app.command("promote")
def _promote(
    root: _Root, version: Annotated[str, typer.Argument(help="Version.")], as_json: _Json = False
) -> None:
    """Verify a version, and let it answer from now on."""
    from causal_ranker.serving.registry import Registry

    Registry(root).promote(version)
    _tell_current(version, as_json)


@app.command("rollback")
def _rollback(root: _Root, as_json: _Json = False) -> None:
    """Verify the version that answered before, and let it answer again."""
    from causal_ranker.serving.registry import Registry

    _tell_current(Registry(root).rollback(), as_json)


@app.command("verify")
def _verify(
    root: _Root,
    version: Annotated[
        str | None, typer.Argument(help="Version; by default the one that answers.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Load a version and score with it in a process of its own, and print what was checked."""
    from rich.console import Console

    from causal_ranker.reporting.blocks import Table
    from causal_ranker.reporting.console import rich_table
    from causal_ranker.reporting.json import to_line
    from causal_ranker.serving.registry import Registry

    registry = Registry(root)
    checked = registry.verify(version or registry.current())
    if as_json:
        typer.echo(to_line(dict(checked)))
        return
    Console().print(rich_table(Table(("check", "found"), checked)))


def _tell_current(version: str, as_json: bool) -> None:
    from causal_ranker.reporting.json import to_line

    typer.echo(to_line({"current": version}) if as_json else f"current: {version}")


def _short(moment: str | None) -> str:
    return "" if moment is None else moment[:16].replace("T", " ")


def _window(each: PublishedVersion) -> str:
    return " to ".join(map(_short, each.training_window or ()))
