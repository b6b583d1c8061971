"""Small drawings as SVG text, readable on light and on dark paper.

Axes and words are drawn in ``currentColor``, so that a page's own ink colours them; curves take
middle tones that stand out on both. Drawings of equal data are equal text.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Curve",
    "Svg",
    "bars",
    "calibration_points",
    "histogram",
    "line_with_band",
    "points",
    "small_multiples",
    "trade_offs",
]

# Stands in for currentColor, which matplotlib does not know; no curve uses it.
_INK: Final = "#010203"
# Contrast of at least 3 to 1 on white and on near-black; each also has its own line style.
_TONES: Final = ("#3b82c4", "#d9730d", "#2e9467", "#a264c9", "#d1495b", "#7d8790")
_STYLES: Final = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
_MARKERS: Final = ("o", "s", "^", "D", "v", "P")
_SIZE: Final = (4.2, 3.0)  # inches; at a phone's width the words keep about 11 pixels
_LONGEST_NAME: Final = 42  # letters that fit beside their line's sample
_HALF_NAME: Final = 18  # and into one of two columns
_LYING_NAME: Final = 26  # beside a lying bar
_PANEL: Final = (2.1, 1.4)  # inches of one of many
_PANEL_NAME: Final = 26
_SETTINGS: Final[Any] = {
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.0,
    "legend.edgecolor": "none",
    "legend.facecolor": "none",
    "legend.fontsize": 9.0,
    "legend.labelcolor": _INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "causal-ranker",
    "text.color": _INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class Svg(str):
    """An ``<svg>`` element as text, which a notebook shows as a drawing."""

    __slots__ = ()

    def save(self, path: Path) -> Self:
        """Write the drawing into a file of its own.

        Parameters
        ----------
        path : Path
            The file, in a folder that exists.

        Returns
        -------
        Svg
            Itself, so that a cell of a notebook that ends with this shows it.
        """
        path.write_text(self, encoding="utf-8")
        return self

    def _repr_html_(self) -> str:
        """Stand in a notebook's page, whose own ink colours it."""
        return str(self)


@dataclass(frozen=True)
class Curve:
    """A named line over x, with a band around it where there is one.

    Parameters
    ----------
    label : str
        The name in the legend.
    y : array of shape (n,)
        The heights.
    low, high : array of shape (n,), optional
        The band's edges, pointwise or simultaneous: the caption says which.
    """

    label: str
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None


def _draw(paint: Callable[[Figure, Axes], None], *, size: tuple[float, float] = _SIZE) -> Svg:
    """Paint on one pair of axes, and return their SVG."""
    return _render(lambda figure: paint(figure, figure.add_subplot()), size=size)


def _render(paint: Callable[[Figure], None], *, size: tuple[float, float]) -> Svg:
    """Paint on a figure of its own, without pyplot's global state, and return its SVG."""
    # It takes most of a second to load, and most reports are read as numbers.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Other packages set a style of their own as they are imported, CausalML among them. The
    # backend is of the process, not of a drawing.
    plain = {k: value for k, value in mpl.rcParamsDefault.items() if not k.startswith("backend")}
    with mpl.rc_context({**plain, **_SETTINGS}):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        page = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(page, format="svg", transparent=True, metadata=nothing)
    svg = page.getvalue()
    return Svg(svg[svg.index("<svg") :].replace(_INK, "currentColor"))


def _legend_above(figure: Figure, axes: Axes) -> None:
    """Put the legend over the axes, where it can hide no line, in columns that fit the width."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        labels = [fill(label, _LONGEST_NAME) for label in labels]
        longest = max(len(line) for label in labels for line in label.splitlines())
        columns = 2 if longest <= _HALF_NAME else 1
        figure.legend(handles, labels, loc="outside upper left", ncols=columns)


def _rule(axes: Axes, *, x: float | None = None, y: float | None = None) -> None:
    style: Any = {"color": _INK, "linewidth": 0.6, "alpha": 0.6, "zorder": 0}
    if x is not None:
        axes.axvline(x, **style)
    if y is not None:
        axes.axhline(y, **style)


def line_with_band(x: ArrayLike, curves: Sequence[Curve], *, xlabel: str, ylabel: str) -> Svg:
    """Draw curves over a common x, with a rule at zero.

    Parameters
    ----------
    x : array of shape (n,)
        The common abscissa.
    curves : sequence of Curve
        What to draw, in the order of the legend.
    xlabel, ylabel : str
        The axes' names, with their units.

    Returns
    -------
    Svg
        An ``<svg>`` element.
    """
    across = np.asarray(x, dtype=float)

    def paint(figure: Figure, axes: Axes) -> None:
        _rule(axes, y=0.0)
        for at, curve in enumerate(curves):
            tone, style = _TONES[at % len(_TONES)], _STYLES[at % len(_STYLES)]
            height = np.asarray(curve.y, dtype=float)
            axes.plot(across, height, color=tone, linestyle=style, label=curve.label)
            if curve.low is not None and curve.high is not None:
                low, high = np.asarray(curve.low, float), np.asarray(curve.high, float)
                axes.fill_between(across, low, high, color=tone, alpha=0.18, linewidth=0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.margins(x=0.01)
        _legend_above(figure, axes)

    return _draw(paint)


def small_multiples(panels: Mapping[str, tuple[ArrayLike, int]], *, columns: int = 3) -> Svg:
    """Draw many short series, each on axes of its own, with a rule where something new begins.

    Parameters
    ----------
    panels : mapping of str to (values, start)
        By title: the series, NaN where there is none, and the position of its first new value,
        from which on points are marked.
    columns : int
        Panels beside each other.

    Returns
    -------
    Svg
        An ``<svg>`` element.
    """
    rows = -(-len(panels) // columns)

    def paint(figure: Figure) -> None:
        for at, (title, (series, start)) in enumerate(panels.items()):
            axes = figure.add_subplot(rows, columns, at + 1)
            y = np.asarray(series, dtype=float)
            x = np.arange(y.size)
            axes.plot(x[:start], y[:start], color=_TONES[0], linewidth=1.0)
            axes.plot(x[start:], y[start:], color=_TONES[1], marker="o", markersize=3.5)
            _rule(axes, x=start - 0.5)
            axes.set_title(fill(title, _PANEL_NAME), fontsize=8.0)
            axes.tick_params(labelsize=7.0, labelbottom=False, bottom=False)
            axes.locator_params(axis="y", nbins=3)

    return _render(paint, size=(_PANEL[0] * columns, _PANEL[1] * rows))


def histogram(
    edges: ArrayLike,
    groups: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    marks: Sequence[float] = (),
) -> Svg:
    """Draw already counted histograms over each other, such as propensities by arm.

    Parameters
    ----------
    edges : array of shape (n + 1,)
        The bins' edges.
    groups : mapping of str to array of shape (n,)
        The counts or shares of each group.
    xlabel, ylabel : str
        The axes' names, with their units.
    marks : sequence of float
        Where to draw upright rules, such as clipping bounds.

    Returns
    -------
    Svg
        An ``<svg>`` element.
    """
    bounds = np.asarray(edges, dtype=float)

    def paint(figure: Figure, axes: Axes) -> None:
        for at, (label, counts) in enumerate(groups.items()):
            tone, style = _TONES[at % len(_TONES)], _STYLES[at % len(_STYLES)]
            height = np.asarray(counts, dtype=float)
            axes.stairs(height, bounds, fill=True, color=tone, alpha=0.25)
            axes.stairs(height, bounds, color=tone, linestyle=style, label=label)
        for mark in marks:
            _rule(axes, x=mark)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.set_ylim(bottom=0.0)
        _legend_above(figure, axes)

    return _draw(paint)


def bars(labels: Sequence[str], values: ArrayLike, *, xlabel: str) -> Svg:
    """Draw one lying bar for each label, the first on top, with a rule at zero.

    Parameters
    ----------
    labels : sequence of str
        The names, n of them.
    values : array of shape (n,)
        The bars' lengths.
    xlabel : str
        The axis's name, with its unit.

    Returns
    -------
    Svg
        An ``<svg>`` element, taller the more bars there are.
    """
    length = np.asarray(values, dtype=float)
    places = np.arange(len(labels))

    def paint(figure: Figure, axes: Axes) -> None:
        axes.barh(places, length, height=0.6, color=_TONES[0], alpha=0.75)
        _rule(axes, x=0.0)
        axes.set_yticks(places, [fill(label, _LYING_NAME) for label in labels])
        axes.invert_yaxis()
        axes.set(xlabel=xlabel)

    return _draw(paint, size=_lying(labels))


def points(
    labels: Sequence[str],
    groups: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    marks: Sequence[float] = (),
) -> Svg:
    """Draw a point of each group for each label, the first on top, with a rule at zero.

    Parameters
    ----------
    labels : sequence of str
        The names, n of them.
    groups : mapping of str to array of shape (n,)
        The points of each group, which also differ in shape; NaN draws none.
    xlabel : str
        The axis's name, with its unit.
    marks : sequence of float
        Where to draw upright rules, such as the bounds of tolerable imbalance.

    Returns
    -------
    Svg
        An ``<svg>`` element, taller the more labels there are.
    """
    places = np.arange(len(labels))

    def paint(figure: Figure, axes: Axes) -> None:
        for at, (name, values) in enumerate(groups.items()):
            tone, shape = _TONES[at % len(_TONES)], _MARKERS[at % len(_MARKERS)]
            # the first group hollow: it stays in sight where another lies on it
            inside = "none" if at == 0 else tone
            axes.plot(
                np.asarray(values, dtype=float),
                places,
                linestyle="none",
                marker=shape,
                markersize=5,
                markeredgecolor=tone,
                markerfacecolor=inside,
                label=name,
            )
        for mark in (0.0, *marks):
            _rule(axes, x=mark)
        axes.set_yticks(places, [fill(label, _LYING_NAME) for label in labels])
        axes.invert_yaxis()
        axes.set(xlabel=xlabel)
        _legend_above(figure, axes)

    return _draw(paint, size=_lying(labels))


def trade_offs(
    groups: Mapping[str, tuple[ArrayLike, ArrayLike]], *, xlabel: str, ylabel: str
) -> Svg:
    """Draw what is bought of one thing with another: a line of points for each group.

    Parameters
    ----------
    groups : mapping of str to two arrays of shape (n,)
        Along and up, in the order in which a line joins them; a group may be one point.
    xlabel, ylabel : str
        The axes' names, with their units.

    Returns
    -------
    Svg
        An ``<svg>`` element.
    """

    def paint(figure: Figure, axes: Axes) -> None:
        for at, (name, (along, up)) in enumerate(groups.items()):
            axes.plot(
                np.asarray(along, dtype=float),
                np.asarray(up, dtype=float),
                color=_TONES[at % len(_TONES)],
                linestyle=_STYLES[at % len(_STYLES)],
                marker=_MARKERS[at % len(_MARKERS)],
                markersize=4.5,
                label=name,
            )
        axes.set(xlabel=xlabel, ylabel=ylabel)
        _legend_above(figure, axes)

    return _draw(paint)


def _lying(labels: Sequence[str]) -> tuple[float, float]:
    """Give every line of the labels its room."""
    lines = max(fill(label, _LYING_NAME).count("\n") + 1 for label in labels)
    return _SIZE[0], 1.0 + 0.2 * lines * max(len(labels), 3)


def calibration_points(
    predicted: ArrayLike,
    observed: ArrayLike,
    *,
    low: ArrayLike,
    high: ArrayLike,
    xlabel: str,
    ylabel: str,
    across: tuple[ArrayLike, ArrayLike] | None = None,
    label: str = "bins",
) -> Svg:
    """Draw observed against predicted means, with error bars and the diagonal.

    Parameters
    ----------
    predicted, observed : array of shape (n,)
        The points, one for each bin of the prediction.
    low, high : array of shape (n,)
        The ends of the interval around each observed mean.
    xlabel, ylabel : str
        The axes' names, with their units.
    across : tuple of two arrays of shape (n,), optional
        The ends of the interval around each prediction, where it has one.
    label : str
        What the points are.

    Returns
    -------
    Svg
        An ``<svg>`` element.
    """
    right, up = np.asarray(predicted, dtype=float), np.asarray(observed, dtype=float)
    ends = np.stack([up - np.asarray(low, float), np.asarray(high, float) - up])
    sides = None
    if across is not None:
        left_end, right_end = (np.asarray(end, float) for end in across)
        sides = np.stack([right - left_end, right_end - right])

    def paint(figure: Figure, axes: Axes) -> None:
        reach = [float(right.min()), float(right.max())]
        axes.plot(reach, reach, color=_INK, linewidth=0.8, linestyle="--", label="perfect")
        axes.errorbar(
            right,
            up,
            xerr=sides,
            yerr=ends,
            fmt="o",
            markersize=4,
            capsize=2,
            color=_TONES[0],
            label=label,
        )
        _rule(axes, y=0.0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        _legend_above(figure, axes)

    return _draw(paint)
