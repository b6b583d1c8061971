"""What is made when the site is built: the reference, a page for each room, and what pages show."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Pages show what the benchmarks found; they stand beside the package, and are not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import causal_ranker
from benchmarks._kept import RESULTS
from docs.model_card import card_markdown
from docs.pictures import load
from docs.pictures.figure import figure_html
from docs.results_page import all_kept, one_result_markdown, results_markdown

__all__ = ["on_files", "on_page_markdown"]

_PACKAGE: Final = "causal_ranker"
#: What takes the place of which words; it is told the page's name.
_MADE: Final[Mapping[str, Callable[[str], str]]] = {
    "<!-- results -->": lambda _: results_markdown(all_kept(RESULTS)),
    "<!-- picture -->": lambda name: figure_html(load(name).draw(seed=0)),
    "<!-- card -->": lambda _: card_markdown(),
    "<!-- results: sizing -->": lambda _: one_result_markdown(all_kept(RESULTS), name="sizing"),
}


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


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put what is made in the place of its mark.

    Parameters
    ----------
    markdown : str
        The page as it was written.
    page : Page
        Where it stands.
    config : MkDocsConfig
        The site's settings.
    files : Files
        All pages.

    Returns
    -------
    str
        The page as it is shown.
    """
    for mark, make in _MADE.items():
        if mark in markdown:
            markdown = markdown.replace(mark, make(Path(page.file.src_uri).stem))
    return markdown


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
