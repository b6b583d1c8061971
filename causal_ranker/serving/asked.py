"""A request for a list, checked before any store or model is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, EmptyError, RowError, SchemaError
from causal_ranker.serving.bundle import Bundle
from causal_ranker.serving.moment import clock_reading
from causal_ranker.serving.schema import FeatureGroup

__all__ = ["Asked", "check_request", "unzip"]

Id = int | str
Value = float | str | None

_PLAIN: Final = frozenset({int, str})


@dataclass(frozen=True, eq=False, kw_only=True)
class Asked:
    """One user's request, as a bundle can take it.

    Parameters
    ----------
    user : int or str
        The user.
    items : list of int or str, or None
        The candidates; ``None`` where the bundle's own are meant.
    base_score : ndarray of float64, shape (n,), or None
        Their base scores, finite.
    k : int or None
        Length of the list; ``None`` for all.
    columns : dict of str to ndarray of float64, shape (n,)
        What rules read of the candidates, encoded, in place of what the snapshot knows.
    features : dict of str to float, str or None
        Features of the moment and of the user by name, in place of what the snapshot knows.
    unread : int
        Features and columns that came and that this bundle does not read.
    most : int or None
        Where no candidates came, how many of the bundle's own are ranked at most, the best by base
        score; ``None`` for all.
    """

    user: Id
    items: list[Id] | None
    base_score: NDArray[np.float64] | None
    k: int | None
    columns: dict[str, NDArray[np.float64]]
    features: dict[str, Value]
    unread: int = 0
    most: int | None = None


def check_request(
    bundle: Bundle,
    user: Id,
    *,
    items: Sequence[Id] | None,
    base_score: Sequence[float] | None,
    k: int | None,
    columns: Mapping[str, Sequence[Value]] | None,
    moment: Mapping[str, Value] | None,
    context: Mapping[str, Value] | None,
    at: datetime | None = None,
    most: int | None = None,
    strict: bool = True,
) -> Asked:
    """Check a request against what a bundle reads.

    Neither the snapshot's tables nor a model are asked.

    Parameters
    ----------
    bundle : Bundle
        The bundle that is to answer.
    user : int or str
        The user.
    items, base_score : sequence of int or str, sequence of float, or None
        The base recommender's list: ids, and a score for each.
    k : int or None
        Length of the list.
    columns : mapping of str to sequence, or None
        What rules read of the candidates.
    moment, context : mapping of str to value, or None
        Features of the moment, and of the user, by name.
    at : datetime, optional
        The moment, with a time zone, that features which follow the clock are of unless `moment`
        says otherwise; now by default.
    most : int, optional
        How many of the bundle's own candidates are ranked at most; all by default.
    strict : bool
        Whether a feature or a column that the bundle does not read is refused; without it they are
        left aside and counted.

    Returns
    -------
    Asked
        The request.

    Raises
    ------
    ConfigError
        If `k` is below 1, `columns` come without items, or `at` has no time zone; if `strict`,
        where `columns` hold one that no rule reads, or a feature has a name that no model of the
        bundle reads in its group, too.
    EmptyError
        If `items` is empty.
    RowError
        If an item comes twice, its base score is not finite, or a column does not fit.
    SchemaError
        If a feature is a number and its value is none, or is not finite.
    """
    if k is not None and k < 1:
        raise ConfigError(
            expected="k of 1 or more", came=str(k), do="Ask for at least one item, or leave k out."
        )
    listed: list[Id] | None = None
    scores: NDArray[np.float64] | None = None
    if items is not None and base_score is not None:
        listed, scores = _checked(items, base_score)
    features: dict[str, Value] = {}
    if bundle.snapshot.clock:
        now = at or datetime.now(UTC)
        features |= {name: clock_reading(of, at=now) for name, of in bundle.snapshot.clock.items()}
    of_moment = _features(bundle, moment, group="moment", strict=strict)
    of_user = _features(bundle, context, group="user", strict=strict)
    read = _columns(bundle, columns, n=None if listed is None else len(listed), strict=strict)
    return Asked(
        user=user,
        items=listed,
        base_score=scores,
        k=k,
        columns=read,
        features=features | of_moment | of_user,
        unread=sum(
            len(sent.keys() - found.keys())
            for sent, found in ((moment, of_moment), (context, of_user), (columns, read))
            if sent
        ),
        most=most,
    )


def unzip(candidates: Sequence[tuple[Id, float]]) -> tuple[list[Id], list[float]]:
    """Take pairs apart.

    Parameters
    ----------
    candidates : sequence of (item id, base score)
        The base recommender's list.

    Returns
    -------
    tuple of (list of int or str, list of float)
        Its ids, and its scores.

    Raises
    ------
    RowError
        If one is no such pair.
    """
    try:
        return [item for item, _ in candidates], [float(score) for _, score in candidates]
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_pairs(error) from None


def _columns(
    bundle: Bundle,
    columns: Mapping[str, Sequence[Value]] | None,
    *,
    n: int | None,
    strict: bool,
) -> dict[str, NDArray[np.float64]]:
    if not columns:
        return {}
    if n is None:
        raise ConfigError(
            expected="columns together with the candidates that they speak of",
            came="columns alone",
            do="Send candidates, too, or leave the columns out.",
        )
    return bundle.sides.encode(columns, n=n, strict=strict)


def _features(
    bundle: Bundle, sent: Mapping[str, Value] | None, *, group: FeatureGroup, strict: bool
) -> dict[str, Value]:
    """Keep the features that some model reads, of which each that does can encode the value."""
    if not sent:
        return {}
    found: dict[str, Value] = {}
    scorers = (bundle.uplift, bundle.base)
    schemas = [scorer.plan.schema for scorer in scorers if scorer is not None]
    read = [f for schema in schemas for f in schema.features if f.group == group]
    for name, value in sent.items():
        readers = [feature for feature in read if feature.name == name]
        if not readers and not strict:
            continue
        if not readers:
            known = ", ".join(dict.fromkeys(feature.name for feature in read))
            raise ConfigError(
                expected=f"{group} features that the model reads: {known or 'it reads none'}",
                came=repr(name),
                do="Leave it out, or check its name.",
            )
        if isinstance(value, float | int) and not _finite(value):
            raise SchemaError(
                expected=f"a finite number for '{name}'",
                came=repr(value)[:40],
                do="Send a number, or null where it is missing.",
            )
        if value is not None:
            for feature in readers:
                feature.code(value)
        found[name] = value
    return found


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _checked(
    items: Sequence[Id], base_score: Sequence[float]
) -> tuple[list[Id], NDArray[np.float64]]:
    if not len(items):
        raise EmptyError(
            expected="at least one candidate", came="an empty list", do="Send the base list."
        )
    try:
        listed = list(items)
        if not _PLAIN.issuperset(map(type, listed)):
            listed = [item.item() if isinstance(item, np.generic) else item for item in listed]
        scores = np.array(base_score, dtype=np.float64)
        seen = len(set(listed))
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_pairs(error) from None
    if seen != len(listed):
        twice = next(item for place, item in enumerate(listed) if item in listed[:place])
        raise RowError(
            expected="each candidate once",
            came=f"{len(listed) - seen} repeated, e.g. {twice!r}",
            do="Remove the repeated items.",
        )
    finite = np.isfinite(scores)
    if not finite.all():
        place = int(np.flatnonzero(~finite)[0])
        raise RowError(
            expected="finite base scores",
            came=f"{scores[place]} for item {listed[place]!r}",
            do="Leave the item out or give it a score.",
        )
    return listed, scores


def _no_pairs(error: Exception) -> RowError:
    return RowError(
        expected="candidates as pairs of an item id and a base score",
        came=str(error),
        do="Send (item, base_score) pairs.",
    )
