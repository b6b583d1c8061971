"""The commonest drawing: three bars, of the trap, of what is done here, and of the truth."""

from __future__ import annotations

from causal_ranker.reporting.figures import bars
from docs.pictures import Picture

__all__ = ["three_bars"]


def three_bars(
    names: tuple[str, str, str],
    values: tuple[float, float, float],
    *,
    unit: str,
    caption: str,
) -> Picture:
    """Draw the trap on top.

    Parameters
    ----------
    names : tuple of str
        Of the trap, of what is right, and of the truth.
    values : tuple of float
        Theirs.
    unit : str
        The axis's name, with its unit.
    caption : str
        Words with the three values in them, in braces: ``{naive}``, ``{right}``, ``{truth}``,
        written with two digits after the point.

    Returns
    -------
    Picture
        The drawing.
    """
    naive, right, truth = values
    words = [f"{name} {value:.2f}" for name, value in zip(names, values, strict=True)]
    told = {"naive": f"{naive:.2f}", "right": f"{right:.2f}", "truth": f"{truth:.2f}"}
    return Picture(
        svg=bars(names, values, xlabel=unit),
        caption=caption.format(**told),
        alt=f"Three bars, {unit}: {', '.join(words)}.",
        naive=naive,
        right=right,
        truth=truth,
    )
