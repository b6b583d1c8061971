"""Pages that are made when the site is built: the reference, one for each room."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import causal_ranker

__all__ = ["on_files"]

_PACKAGE: Final = "causal_ranker"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page for each room, and one for the modules of no room.

    Parameters
    ----------
    files : Files
        What lies in the folder of pages.
    config : MkDocsConfig
        The site's settings.

    Returns
    -------
    Files
        The same, with the reference.
    """
    for room, modules in sorted(_rooms().items()):
        title = f"`{_PACKAGE}.{room}`" if room else f"`{_PACKAGE}`"
        # A heading for each module, and below it what it makes public.
        text = "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)])
        path = f"reference/{room or 'index'}.md"
        files.append(File.generated(config, path, content=text + "\n"))
    return files


def _rooms() -> dict[str, list[str]]:
    rooms: dict[str, list[str]] = {}
    for name, is_package in _modules():
        parts = name.split(".")[1:]
        inside = is_package or len(parts) > 1
        rooms.setdefault(parts[0] if inside and parts else "", []).append(name)
    return rooms


def _modules() -> Iterator[tuple[str, bool]]:
    """Every module by name that is not private; none of the rooms is imported."""
    yield _PACKAGE, False
    for found in pkgutil.walk_packages(causal_ranker.__path__, prefix=f"{_PACKAGE}."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield found.name, found.ispkg
