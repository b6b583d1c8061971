"""Which columns tell of a model, and their rows, drawn by whole users from tables of any length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import ibis
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from causal_ranker.config import FrozenConfig
from causal_ranker.drift.health.lists import share_changed
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.logs.sources import reading
from causal_ranker.stats._arrays import Array, IntArray

__all__ = ["Roles", "Rows", "Sides", "lists_of", "read_rows"]

_PARTS: Final = 1_000_000


class Roles(FrozenConfig):
    """Which columns tell of a model; each is optional, and what is named decides what is checked.

    Values that are not known yet (outcomes that have not matured) are null.

    Parameters
    ----------
    user : str, optional
        Ids; rows of one user are taken together, in both tables.
    request : str, optional
        The list that a candidate was for; with `base_rank` and `rank` it gives `changed`.
    base_rank, rank : str, optional
        Place of a candidate by base score and by the policy, 1 for the best.
    slate : int
        Length of a list.
    base_score, score, uplift : str, optional
        What the base recommender, the policy and the effect model said.
    chance : str, optional
        Predicted probability of the outcome, strictly between 0 and 1.
    outcome : str, optional
        0 or 1, null until it has matured.
    propensity, treatment : str, optional
        Logged chance of being placed, and whether it was.
    changed, fallback, organic : str, optional
        Share of a list that the base order would not have shown; 1 for a list in base order for
        want of a better; 1 for a play that nobody was shown.
    aipw, group : str, optional
        AIPW score of a matured row, and its group as a whole number.
    delay, followed : str, optional
        Hours from impression to play (null without one), and hours that the row was followed.
    within : float
        Longest delay compared, in hours.
    proxies : tuple of str
        Early signs of the outcome.
    most_rows : int
        About so many rows of each table are read, of whole users.
    """

    user: str | None = None
    request: str | None = None
    base_rank: str | None = None
    rank: str | None = None
    slate: Annotated[int, Field(ge=1)] = 10
    base_score: str | None = None
    score: str | None = None
    uplift: str | None = None
    chance: str | None = None
    outcome: str | None = None
    propensity: str | None = None
    treatment: str | None = None
    changed: str | None = None
    fallback: str | None = None
    organic: str | None = None
    aipw: str | None = None
    group: str | None = None
    delay: str | None = None
    followed: str | None = None
    within: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 24.0
    proxies: tuple[str, ...] = ()
    most_rows: Annotated[int, Field(ge=1000)] = 100_000

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are named, each once."""
        return tuple(dict.fromkeys([*self.keys.values(), *self.values.values()]))

    @property
    def keys(self) -> dict[str, str]:
        """Columns of ids, by role."""
        return self._named("user", "request")

    @property
    def values(self) -> dict[str, str]:
        """Columns of numbers, by role; a proxy's is ``proxy NAME``."""
        found = self._named(
            *("base_rank", "rank", "base_score", "score", "uplift", "chance", "outcome"),
            *("propensity", "treatment", "changed", "fallback", "organic", "aipw", "group"),
            *("delay", "followed"),
        )
        return {**found, **{f"proxy {name}": name for name in self.proxies}}

    def _named(self, *roles: str) -> dict[str, str]:
        return {role: name for role in roles if (name := getattr(self, role)) is not None}


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that tell of a model.

    Parameters
    ----------
    values : mapping of str to ndarray of float64, shape (n,)
        By role; NaN where not known.
    user : ndarray of int64, shape (n,), or None
        Hash of whose rows; None where each stands by itself.
    request : ndarray of int64, shape (n,), or None
        Hash of the list of each.
    day : ndarray of datetime64[D], shape (n,), or None
        Theirs.
    of : int
        Rows that they were drawn from.
    """

    values: Mapping[str, Array]
    user: IntArray | None
    request: IntArray | None
    day: NDArray[np.datetime64] | None
    of: int

    @property
    def size(self) -> int:
        """How many there are."""
        return int(next(iter(self.values.values())).size) if self.values else 0

    def known(self, *roles: str) -> Rows:
        """Take the rows of which all of some values are known.

        Parameters
        ----------
        *roles : str
            The values.

        Returns
        -------
        Rows
            The rows.
        """
        if not roles:
            return self
        lacking = np.isnan(np.column_stack([self.values[role] for role in roles]))
        return self.some(~np.any(lacking, axis=1))

    def some(self, which: NDArray[Any]) -> Rows:
        """Take some rows.

        Parameters
        ----------
        which : ndarray of bool or int64
            Which.

        Returns
        -------
        Rows
            The rows.
        """
        return Rows(
            values={role: column[which] for role, column in self.values.items()},
            user=None if self.user is None else self.user[which],
            request=None if self.request is None else self.request[which],
            day=None if self.day is None else self.day[which],
            of=self.of,
        )


@dataclass(frozen=True, eq=False)
class Sides:
    """Rows of the reference and of the window.

    Parameters
    ----------
    before, now : Rows
        Both.
    source : str
        Where they are from, before the name of a check; empty for the monitored tables.
    """

    before: Rows
    now: Rows
    source: str = ""


def read_rows(
    table: ibis.Table, roles: Roles, *, day: str | None, keep: Sequence[str], name: str
) -> Rows:
    """Read the rows that tell of a model.

    Parameters
    ----------
    table : ibis.Table
        On DuckDB.
    roles : Roles
        What its columns are.
    day : str, optional
        Its column of dates or timestamps.
    keep : sequence of str
        The columns that can be read; roles of others are left out.
    name : str
        What the table is, for messages.

    Returns
    -------
    Rows
        Of about `Roles.most_rows` rows: whole users (or requests) by a hash of their ids, so that
        a user is in both tables or in neither, and else every k-th row.

    Raises
    ------
    RowError
        If a row has no user or request.
    SchemaError
        If a column is not of numbers.
    """
    kinds = table.schema()
    values = {role: column for role, column in roles.values.items() if column in keep}
    keys = {role: column for role, column in roles.keys.items() if column in keep}
    wrong = [c for c in values.values() if not (kinds[c].is_numeric() or kinds[c].is_boolean())]
    if wrong:
        raise SchemaError(
            expected=f"numbers in '{wrong[0]}' of the {name}",
            came=str(kinds[wrong[0]]),
            do="Name the column that holds the numbers of this role.",
        )
    columns: dict[str, Any] = {role: table[c].cast("float64") for role, c in values.items()}
    for role, c in keys.items():  # numbers are compared sooner than words
        lost = table[c].isnull() | table[c].isnan() if kinds[c].is_floating() else table[c].isnull()
        columns[f"key {role}"] = lost.ifelse(None, table[c].cast("string").hash())
    if day is not None:
        columns["day"] = table[day].cast("date")
    with reading(name):
        total = int(table.count().to_pyarrow().as_py())
        picked = table.select(**columns)
        if total > roles.most_rows:
            picked = _drawn(picked, share=roles.most_rows / total)
        found = picked.to_pyarrow()
    for role, column in keys.items():
        if lost := found[f"key {role}"].null_count:
            raise RowError(
                expected=f"a {role} in every row of '{column}' in the {name}",
                came=f"{lost} rows without one",
                do="Drop these rows, or mend the log.",
            )
    days = None
    if day is not None:
        days = found["day"].to_numpy().astype("datetime64[D]")
    return Rows(
        values={role: found[role].fill_null(np.nan).to_numpy() for role in values},
        user=_ids(found, "key user"),
        request=_ids(found, "key request"),
        day=days,
        of=total,
    )


def lists_of(rows: Rows, *, slate: int) -> Rows | None:
    """Put candidates together to lists, by what share of each the policy changed.

    Parameters
    ----------
    rows : Rows
        Candidates, with base_rank, rank and their request.
    slate : int
        Length of a list.

    Returns
    -------
    Rows or None
        A row for each list, with `changed`; None where rows do not say, or say so themselves.
    """
    there = rows.values.keys()
    if rows.request is None or "changed" in there or not {"base_rank", "rank"} <= there:
        return None
    here = rows.known("base_rank", "rank")
    assert here.request is not None
    if not here.size:
        return replace(here, values={"changed": np.zeros(0)})
    shares = share_changed(
        here.values["base_rank"], here.values["rank"], request=here.request, slate=slate
    )
    first = np.unique(here.request, return_index=True)[1]
    every = round(shares.size * rows.of / rows.size)  # as many as there are in all rows
    return replace(here.some(first), values={"changed": shares}, of=every)


def _drawn(table: ibis.Table, *, share: float) -> ibis.Table:
    keys = [name for name in ("key user", "key request") if name in table.columns]
    if keys:
        place = ((table[keys[0]] % _PARTS) + _PARTS) % _PARTS
        return table.filter(place < int(share * _PARTS))
    numbered = table.mutate(__row=ibis.row_number())
    return numbered.filter(numbered["__row"] % int(np.ceil(1 / share)) == 0).drop("__row")


def _ids(found: Any, name: str) -> IntArray | None:
    return found[name].to_numpy().astype(np.int64) if name in found.column_names else None
