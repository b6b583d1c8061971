"""Write the ``.ipynb`` beside each notebook's ``.py``: the same cells, without outputs.

The ``.py`` file is the one to edit. ``python notebooks/pair.py`` (``make notebooks``) writes all
pairs anew; equal cells give equal files, so that a test can hold the two against each other. In
Jupyter with jupytext either of the two may be opened: ``jupytext.toml`` says that they are pairs.
"""

from __future__ import annotations

import json
from pathlib import Path

import jupytext

__all__ = ["paired"]


def paired(source: Path) -> str:
    """Return the text of the ``.ipynb`` beside a notebook."""
    book = jupytext.read(source)
    cells = [
        {
            "cell_type": cell.cell_type,
            "id": f"cell-{number}",
            "metadata": {},
            "source": cell.source.splitlines(keepends=True),
            **({"execution_count": None, "outputs": []} if cell.cell_type == "code" else {}),
        }
        for number, cell in enumerate(book.cells)
    ]
    metadata = {
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    }
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in sorted(Path(__file__).parent.glob("0*.py")):
        each.with_suffix(".ipynb").write_text(paired(each), encoding="utf-8")
