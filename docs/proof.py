"""The README's proof, a picture and a table, made of what the README says that the demo printed.

``python -m docs.proof`` draws the picture again and prints the table. Whoever runs the demo again
puts its words into the README first, and then runs this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from causal_ranker.reporting.blocks import Table
from causal_ranker.reporting.figures import points
from docs.results_page import table_markdown

__all__ = ["PICTURE", "Listed", "draw", "main", "printed_by_the_demo", "table"]

_ROOT: Final = Path(__file__).parents[1]
PICTURE: Final = _ROOT / "docs" / "pages" / "proof.svg"
#: The README is seen on light and on dark paper, and lends a picture no ink.
_INK: Final = "#7d8790"
_NUMBER: Final = r"[+-]?\d+\.\d+"
_ROW: Final = re.compile(
    rf"^ +(?P<policy>\w+) +(?P<rate>{_NUMBER}) +(?P<uplift>{_NUMBER} \({_NUMBER} to {_NUMBER}\)) +"
    rf"\d+ % +(?P<difference>reference|{_NUMBER} \({_NUMBER} to {_NUMBER}\)) *$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Listed:
    """A policy of the demo.

    Parameters
    ----------
    policy : str
        Its name.
    rate, uplift : float
        Purchases, and purchases that were caused, per 100 slots.
    uplift_words, difference_words : str
        The uplift, and its difference to the base list, with their 95 % intervals.
    """

    policy: str
    rate: float
    uplift: float
    uplift_words: str
    difference_words: str


def printed_by_the_demo(readme: str) -> list[Listed]:
    """Read the policies out of the README's block of what the demo prints.

    Parameters
    ----------
    readme : str
        Its text.

    Returns
    -------
    list of Listed
        In the demo's order.

    Raises
    ------
    ValueError
        If there is no base list or no causal list.
    """
    block = readme.split("<!-- demo-output -->")[-1].split("```")[1]
    found = [
        Listed(
            policy=row["policy"],
            rate=float(row["rate"]),
            uplift=float(row["uplift"].split(" ")[0]),
            uplift_words=row["uplift"],
            difference_words=row["difference"],
        )
        for row in _ROW.finditer(block)
    ]
    names = [each.policy for each in found]
    if not {"base", "uplift", "blend"} <= set(names):
        raise ValueError(
            f"expected the policies base, uplift and blend in what the demo printed; got {names}. "
            "Put the demo's table into README.md as it was printed."
        )
    return found


def draw(listed: Sequence[Listed]) -> str:
    """Draw what is bought of each list beside what is bought because of it.

    Parameters
    ----------
    listed : sequence of Listed
        The policies.

    Returns
    -------
    str
        An SVG that is readable on light and dark paper.
    """
    svg = points(
        [each.policy for each in listed],
        {
            "purchases": np.array([each.rate for each in listed]),
            "purchases that were caused": np.array([each.uplift for each in listed]),
        },
        xlabel="per 100 slots",
    )
    return svg.replace("currentColor", _INK) + "\n"


def table(listed: Sequence[Listed]) -> str:
    """Write the same as a table.

    Parameters
    ----------
    listed : sequence of Listed
        The policies.

    Returns
    -------
    str
        Markdown.
    """
    columns = ("list by", "purchases", "caused by the list", "caused, more than by the base list")
    rows = [
        (each.policy, f"{each.rate:.2f}", each.uplift_words, each.difference_words)
        for each in listed
    ]
    return table_markdown(Table(columns, rows))


def main() -> None:
    """Draw the picture again, and print the table."""
    listed = printed_by_the_demo((_ROOT / "README.md").read_text(encoding="utf-8"))
    PICTURE.write_text(draw(listed), encoding="utf-8")
    print(table(listed))


if __name__ == "__main__":
    main()
