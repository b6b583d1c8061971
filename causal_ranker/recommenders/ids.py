"""Which row of a model belongs to which user or item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, RowError

__all__ = ["Ids"]


class Ids:
    """Ids in the order of a model's rows.

    Parameters
    ----------
    ids : iterable of int or str
        The id of each row.
    name : str
        Whose they are, for messages.

    Attributes
    ----------
    ids : numpy.ndarray
        Integers where all are, objects otherwise; shape (n,).

    Raises
    ------
    ConfigError
        If there is none.
    RowError
        If an id comes twice, or is neither a whole number nor text.
    """

    def __init__(self, ids: Iterable[int | str], *, name: str) -> None:
        plain = [each.item() if isinstance(each, np.generic) else each for each in ids]
        wrong = [each for each in plain if type(each) not in (int, str)]
        if wrong:
            raise RowError(
                expected=f"{name} as whole numbers or text",
                came=f"{len(wrong)} others, e.g. {wrong[0]!r} ({type(wrong[0]).__name__})",
                do="Convert the ids.",
            )
        if not plain:
            raise ConfigError(expected=f"at least one id in {name}", came="none", do="Pass them.")
        self._row = {each: row for row, each in enumerate(plain)}
        if len(self._row) < len(plain):
            row = next(row for row, each in enumerate(plain) if self._row[each] != row)
            raise RowError(
                expected=f"each id of {name} once",
                came=f"{len(plain) - len(self._row)} repeated, e.g. {plain[row]!r}",
                do="Give each row of the model an id of its own.",
            )
        self._plain = plain
        self.ids: NDArray[np.int64] | NDArray[np.object_] = pd.Index(plain).to_numpy()

    def rows(self, ids: Sequence[int | str]) -> NDArray[np.int64]:
        """Return the row of each id.

        Parameters
        ----------
        ids : sequence of int or str
            Ids; numbers and text are different ids.

        Returns
        -------
        numpy.ndarray
            Rows, -1 for an id that has none; shape (n,).
        """
        return np.array([self._row.get(each, -1) for each in ids], dtype=np.int64)

    def name(self, row: int) -> str:
        """Return a row's id as messages write it.

        Parameters
        ----------
        row : int
            The row.

        Returns
        -------
        str
            ``7``, or ``'7'`` where it is text.
        """
        return repr(self._plain[row])
