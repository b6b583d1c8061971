"""A picture as a page holds it."""

from __future__ import annotations

import html

from docs.pictures import Picture

__all__ = ["figure_html"]


def figure_html(picture: Picture) -> str:
    """Write a picture as markup that Markdown leaves alone.

    The drawing stands in the page itself, so that it takes the page's ink in light and in dark.

    Parameters
    ----------
    picture : Picture
        The picture.

    Returns
    -------
    str
        A ``<figure>`` without an empty line.
    """
    drawing = "\n".join(line for line in picture.svg.splitlines() if line.strip())
    return (
        '<figure class="picture" data-search-exclude>\n'
        f'<div role="img" aria-label="{html.escape(picture.alt)}">\n{drawing}\n</div>\n'
        f"<figcaption>{html.escape(picture.caption, quote=False)}</figcaption>\n"
        "</figure>"
    )
