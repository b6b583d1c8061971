"""The features of every user and item at one moment, held in memory and in one file."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import SchemaError
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
    moment : Mapping of str to float or str
        Default of each feature of the moment, raw (a level, not its code).

    Raises
    ------
    SchemaError
        If the pair table speaks of users or items that the other tables do not have, or a default
        is a number that is not finite.
    """

    users: FeatureTable
    items: FeatureTable
    pairs: PairTable
    moment: Mapping[str, float | str] = field(default_factory=dict)

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
        moment = {k: v if isinstance(v, str) else float(v) for k, v in self.moment.items()}
        odd = [k for k, v in moment.items() if not isinstance(v, str) and not math.isfinite(v)]
        if odd:
            raise _refuse("a finite default of each moment feature", f"{odd}", "Choose a value.")
        object.__setattr__(self, "moment", moment)

    def to_bytes(self) -> bytes:
        """Write all tables, without the moment, as an ``.npz`` file that needs no pickle.

        Returns
        -------
        bytes
            The file's content.
        """
        file = io.BytesIO()
        arrays: dict[str, NDArray[Any]] = {
            "user_ids": self.users.ids,
            "user_names": _names(self.users.names),
            "user_values": self.users.values,
            "item_ids": self.items.ids,
            "item_names": _names(self.items.names),
            "item_values": self.items.values,
            "pair_names": _names(self.pairs.names),
            "pair_starts": self.pairs.starts,
            "pair_items": self.pairs.items,
            "pair_values": self.pairs.values,
            "pair_default": self.pairs.default,
        }
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, *, moment: Mapping[str, float | str]) -> Self:
        """Read what :meth:`to_bytes` wrote.

        Parameters
        ----------
        content : bytes
            The file's content.
        moment : Mapping of str to float or str
            Default of each feature of the moment.

        Returns
        -------
        FeatureSnapshot
            The snapshot.

        Raises
        ------
        SchemaError
            If the tables do not fit together.
        """
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            a = dict(file)
        return cls(
            users=FeatureTable(a["user_ids"], tuple(a["user_names"].tolist()), a["user_values"]),
            items=FeatureTable(a["item_ids"], tuple(a["item_names"].tolist()), a["item_values"]),
            pairs=PairTable(
                tuple(a["pair_names"].tolist()),
                a["pair_starts"],
                a["pair_items"],
                a["pair_values"],
                a["pair_default"],
            ),
            moment=moment,
        )


def _names(names: tuple[str, ...]) -> NDArray[np.str_]:
    return np.array(names, dtype=np.str_)


def _refuse(expected: str, came: str, do: str) -> SchemaError:
    return SchemaError(expected=expected, came=came, do=do)
