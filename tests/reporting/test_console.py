from __future__ import annotations

import io

from rich.console import Console

from causal_ranker.reporting.blocks import Code, Document, Section, Table
from causal_ranker.reporting.console import print_document
from tests.reporting.sample import HOSTILE, document


def printed(found: Document, *, width: int = 200) -> str:
    page = io.StringIO()
    print_document(found, Console(file=page, width=width, color_system=None))
    return page.getvalue()


def test_everything_is_printed_as_it_stands() -> None:
    text = printed(document())
    assert text.count(HOSTILE) == 4  # title, paragraph, heading, cell: brackets are not markup
    assert text.index("The blend causes more plays.") < text.index("Evidence")
    assert "1,234,567" in text
    assert "A curve." in text
    assert text.index("About this report") < text.index("0.1.0")


def test_numbers_stand_flush_right() -> None:
    lines = [line for line in printed(document()).splitlines() if line.strip()]
    big = next(line for line in lines if "1,234,567" in line)
    small = lines[lines.index(big) + 1]
    end = big.index("1,234,567") + len("1,234,567")
    assert small[:end].rstrip().endswith("10")
    assert len(small[:end].rstrip()) == end


def test_a_command_is_never_broken() -> None:
    command = "causal-ranker demo " + "--option value " * 10
    text = printed(Document("t", "v", [Section("s", [Code(command)])]), width=40)
    assert command in text


def test_a_long_cell_is_folded_not_cut() -> None:
    path = "a/" * 60
    text = printed(Document("t", "v", [Section("s", [Table(["path"], [[path]])])]), width=40)
    assert path in "".join(text.split())
