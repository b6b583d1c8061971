"""The features of every user and item at one moment: the store that lies in the bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import SchemaError
from causal_ranker.serving.moment import ClockFeature, check_moment
from causal_ranker.serving.store import FeatureLayout, FeatureRows
from causal_ranker.serving.tables import FeatureTable, PairTable

__all__ = ["FeatureSnapshot"]


@dataclass(frozen=True, eq=False)
class FeatureSnapshot:
    """Everything serving knows of users, items, their history and the moment.

    Parameters
    ----------
    users : FeatureTable
        One row per user.
    items : FeatureTable
        One row per item.
    pairs : PairTable
        History of user and item together.
    moment : Mapping of str to float, str or None
        Default of each feature of the moment, raw (a level, not its code); ``None`` where it is
        missing unless the request says it. Where the table of users has a column of that name, the
        user's own value goes before the default.
    clock : Mapping of str to {"hour_of_day", "day_of_week"}
        Features of the moment that, unless the request says them, are those of the request's time
        in UTC (Monday is 0), not those of publishing.

    Raises
    ------
    SchemaError
        If the pair table speaks of users or items that the other tables do not have, a default
        is a number that is not finite, or a clock is none of the two or has a default as well.
    """

    users: FeatureTable
    items: FeatureTable
    pairs: PairTable
    moment: Mapping[str, float | str | None] = field(default_factory=dict)
    clock: Mapping[str, ClockFeature] = field(default_factory=dict)
    _layout: FeatureLayout = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pairs.starts.size != self.users.ids.size + 1:
            raise _refuse(
                f"a pair table of {self.users.ids.size} users",
                f"one of {self.pairs.starts.size - 1}",
                "Build it with n_users = rows of the user table.",
            )
        if self.pairs.items.size and self.pairs.items.max() >= self.items.ids.size:
            raise _refuse(
                f"item rows below {self.items.ids.size} in the pair table",
                str(self.pairs.items.max()),
                "Use row numbers of the item table.",
            )
        check_moment(self.moment, self.clock)
        names = self.users.names, self.items.names, self.pairs.names
        object.__setattr__(self, "_layout", FeatureLayout(*names, self.pairs.default))

    @property
    def layout(self) -> FeatureLayout:
        """What the columns of the tables are."""
        return self._layout

    def read(self, user: int | str, items: Sequence[int | str]) -> FeatureRows:
        """Look up all that one request needs.

        Parameters
        ----------
        user : int or str
            The user's id.
        items : sequence of int or str
            Item ids, each once.

        Returns
        -------
        FeatureRows
            What is known; a user or an item that is not known is no error.
        """
        user_row, item_rows = self.users.row(user), self.items.index.rows(items)
        known = item_rows >= 0
        if known.all():
            values = self.items.values[item_rows]
        else:
            values = np.full((item_rows.size, len(self.items.names)), np.nan)
            values[known] = self.items.values[item_rows[known]]
        return FeatureRows(
            user=None if user_row < 0 else self.users.values[user_row],
            items=values,
            pairs=self.pairs.lookup(user_row, item_rows),
            known=known,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that the snapshot is made of, the indexes of the ids among them.

        Returns
        -------
        dict of str to ndarray
            Integers, float64 and strings by name; with :meth:`description` all there is.
        """
        return {
            "users_ids": self.users.ids,
            "users_index": self.users.index.slots,
            "users_values": self.users.values,
            "items_ids": self.items.ids,
            "items_index": self.items.index.slots,
            "items_values": self.items.values,
            "pairs_starts": self.pairs.starts,
            "pairs_items": self.pairs.items,
            "pairs_values": self.pairs.values,
            "pairs_default": self.pairs.default,
        }

    def description(self) -> dict[str, Any]:
        """Return what the arrays do not say.

        Returns
        -------
        dict
            A JSON object: names of the features, and the moment.
        """
        return {
            "users": list(self.users.names),
            "items": list(self.items.names),
            "pairs": list(self.pairs.names),
            "moment": dict(self.moment),
            "clock": dict(self.clock),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], *, description: Mapping[str, Any]
    ) -> Self:
        """Put a snapshot together again.

        Parameters
        ----------
        arrays : Mapping of str to ndarray
            What :meth:`arrays` returned, kept as they are: they may be mapped files.
        description : Mapping
            What :meth:`description` returned.

        Returns
        -------
        FeatureSnapshot
            The snapshot.

        Raises
        ------
        SchemaError
            If the tables do not fit together, or the description is not of this form.
        """
        keys = {"users", "items", "pairs", "moment", "clock"}
        if not isinstance(description, dict) or set(description) != keys:
            raise _refuse(
                f"a description of {', '.join(sorted(keys))}",
                str(sorted(description) if isinstance(description, dict) else description)[:100],
                "Publish the snapshot again.",
            )
        for table in ("users", "items", "pairs"):
            names = description[table]
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise _refuse(
                    f"names of the features of {table}",
                    str(names)[:100],
                    "Publish the snapshot again.",
                )
        users, items = (
            FeatureTable(
                arrays[f"{table}_ids"],
                tuple(description[table]),
                arrays[f"{table}_values"],
                slots=arrays[f"{table}_index"],
            )
            for table in ("users", "items")
        )
        return cls(
            users=users,
            items=items,
            pairs=PairTable(
                tuple(description["pairs"]),
                arrays["pairs_starts"],
                arrays["pairs_items"],
                arrays["pairs_values"],
                arrays["pairs_default"],
            ),
            moment=description["moment"],
            clock=description["clock"],
        )


def _refuse(expected: str, came: str, do: str) -> SchemaError:
    return SchemaError(expected=expected, came=came, do=do)
