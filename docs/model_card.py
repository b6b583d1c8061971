"""The card of a small model, which is fitted on the simulated service as the site is built."""

from __future__ import annotations

import tempfile
from pathlib import Path

from causal_ranker import CausalRanker
from causal_ranker.reporting.blocks import Block, Document, Table, Text
from causal_ranker.serving.bundle import load_bundle
from causal_ranker.serving.card import model_card
from causal_ranker.worlds.config import WorldConfig
from causal_ranker.worlds.streaming import StreamingWorld
from docs.results_page import table_markdown

__all__ = ["card_markdown", "document_markdown", "small_model"]


def small_model(folder: Path) -> Path:
    """Fit, evaluate and publish a model of three weeks of a small service.

    Parameters
    ----------
    folder : Path
        Where the registry is to lie.

    Returns
    -------
    Path
        The registry.
    """
    logs = StreamingWorld(WorldConfig(users=150, days=21, candidates=20, slate_size=5)).simulate()
    past, new = logs.split(last_days=5)
    tables = {"candidates": past.candidates, "users": past.users, "items": past.items}
    ranker = CausalRanker(k=5, learner="dr")
    ranker.fit(past.impressions, past.plays, **tables, log_end=past.log_end)
    ranker.evaluate(new.impressions, new.plays, candidates=new.candidates, log_end=new.log_end)
    return ranker.save(folder)


def card_markdown() -> str:
    """Make the card of `small_model`.

    Returns
    -------
    str
        Markdown.
    """
    with tempfile.TemporaryDirectory(prefix="causal-ranker-docs-") as folder:
        return document_markdown(model_card(load_bundle(small_model(Path(folder, "models")))))


def document_markdown(document: Document) -> str:
    """Write a document of texts and tables below a heading of the second level.

    Parameters
    ----------
    document : Document
        The document.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"## {document.title}", f"**{document.verdict}**"]
    for section in document.sections:
        parts += [f"### {section.title}", *map(_block, section.blocks)]
    return "\n\n".join([*parts, table_markdown(Table(("what", "is"), list(document.meta.items())))])


def _block(block: Block) -> str:
    match block:
        case Text(text):
            return text
        case Table():
            return table_markdown(block)
    raise TypeError(f"expected texts and tables; got {type(block).__name__}. Write it here, too.")
