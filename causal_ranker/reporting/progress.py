"""Progress bars for long work; silent unless asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Stages"]


class Stages:
    """Named stages, each with a bar and a time.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where the bars are drawn; none are if it is left out.

    Attributes
    ----------
    seconds : dict of str to float
        Wall-clock seconds of each finished stage.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, *, total: int = 1) -> Iterator[Callable[[], None]]:
        """Run a stage under a bar.

        Parameters
        ----------
        name : str
            What the bar says.
        total : int
            Steps of the stage.

        Yields
        ------
        callable
            Advances the bar by one step.
        """
        started = perf_counter()
        if self._console is None:
            yield lambda: None
        else:
            with Progress(
                TextColumn("{task.description:<34}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
            ) as progress:
                task = progress.add_task(name, total=total)
                yield lambda: progress.advance(task)
                progress.update(task, completed=total)
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started
