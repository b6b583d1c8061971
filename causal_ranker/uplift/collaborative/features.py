"""What a history of pairs tells of later rows, as features of tabular learners.

>>> history = PairHistory.of(user, item, ..., horizon_end=ended)  # doctest: +SKIP
>>> pairs = PairFeatures({"dlce": make_pair_model("dlce")}).fit(history)  # doctest: +SKIP
>>> columns, names = pairs.block(new_user, new_item, at=t0)  # doctest: +SKIP

As-of by construction: the methods are fitted on the history and on nothing else, the history knows
when its last horizon ended, and rows of an earlier t0 are refused. Training rows of a long log get
theirs stretch by stretch, each from a history that ended before.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from causal_ranker.errors import ConfigError, NotFittedError, RowError, SchemaError
from causal_ranker.uplift.collaborative.base import FactorModel, PairModel
from causal_ranker.uplift.collaborative.history import PairHistory
from causal_ranker.uplift.collaborative.pairs import key_of

__all__ = ["PairFeatures"]

Floats = NDArray[np.float32]
_BATCH: Final = 2**18
_COUNTS: Final = ("shown", "played", "rate_shown", "rate_not_shown")
_OF_PAIR: Final = ("history_pair_shown", "history_pair_played")


class PairFeatures:
    """Scores and factors of pair methods, and counts of users, items and pairs.

    For each method: its score (``pairs_NAME``), NaN where the history has no row of the user or the
    item; of a method of factors the item's bias (``pairs_NAME_item_bias``) and, if asked for, its
    first factors. For the user and the item: rows shown and rows played in the history
    (``history_user_shown``, ``history_user_played``), and play rates of rows shown and of rows that
    were not (``history_user_rate_shown``, ``history_user_rate_not_shown``), NaN where the history
    has no row. For the pair: how often it was shown and played.

    Parameters
    ----------
    methods : mapping of str to PairModel
        By name; copies are fitted.
    factors : int
        First factors of user and item to add, of methods that have some. What a factor means
        changes with every fit, so they are for rows that all get them from one history:
        `pair_features_along` takes them at one moment alone.
    prior_rows : float
        Rows of the overall rate mixed into each rate (shrinkage).
    seed : int
        Decides which row stands for a pair of several.

    Attributes
    ----------
    history_until_ : int
        End of the history, in microseconds since 1970 UTC.
    models_ : dict of str to PairModel
        The fitted methods.
    """

    history_until_: int = 0

    def __init__(
        self,
        methods: Mapping[str, PairModel],
        *,
        factors: int = 0,
        prior_rows: float = 20.0,
        seed: int = 0,
    ) -> None:
        if factors < 0 or not prior_rows > 0:
            raise ConfigError(
                expected="factors of 0 or more, and prior_rows above 0",
                came=f"{factors} and {prior_rows:g}",
                do="Leave them out, or give more.",
            )
        self.factors = factors
        self._methods = dict(methods)
        self._prior = prior_rows
        self._seed = seed
        self.models_: dict[str, PairModel] = {}
        self._history: PairHistory | None = None
        self._users: Floats = np.empty((0, 0), dtype=np.float32)
        self._items: Floats = self._users
        self._keys: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._of_pairs: Floats = self._users

    def fit(self, history: PairHistory) -> Self:
        """Fit the methods and count.

        Parameters
        ----------
        history : PairHistory
            Rows whose horizons have ended.

        Returns
        -------
        PairFeatures
            Itself.

        Raises
        ------
        RowError
            If a method needs propensities and some are unknown.
        EmptyError
            If no pair was shown or played.
        """
        pairs = history.pairs(seed=self._seed)
        self.models_ = {name: deepcopy(each).fit(pairs) for name, each in self._methods.items()}
        self._users = self._counts(history, history.user, len(history.codes.users))
        self._items = self._counts(history, history.item, len(history.codes.items))
        keys = key_of(history.user, history.item)
        self._keys, row = np.unique(keys, return_inverse=True)
        self._of_pairs = np.zeros((len(self._keys) + 1, 2), dtype=np.float32)
        for place, happened in enumerate((history.exposed, history.played)):
            self._of_pairs[:-1, place] = np.bincount(row, weights=happened)
        self._history, self.history_until_ = history, history.until
        return self

    def block(
        self, user: NDArray[Any], item: NDArray[Any], *, at: NDArray[np.int64] | int
    ) -> tuple[Floats, tuple[str, ...]]:
        """Return the features of later rows.

        Parameters
        ----------
        user, item : numpy.ndarray of int or str
            Ids, shape (n_rows,).
        at : numpy.ndarray of int64, or int
            t0 of the rows, in microseconds since 1970 UTC; one for all, or shape (n_rows,).

        Returns
        -------
        features : numpy.ndarray
            Shape (n_rows, n_features), float32, column by column in memory.
        names : tuple of str
            Names of the columns.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        SchemaError
            If users, items and times differ in length.
        RowError
            If a row's t0 lies before the end of the history: some of it was not known then.
        """
        history = self._history
        if history is None:
            raise NotFittedError(
                expected="fitted pair features", came="none", do="Call fit(history) first."
            )
        if len(item) != len(user) or np.size(at) not in (1, len(user)):
            raise SchemaError(
                expected="one item and one t0 for each user",
                came=f"{len(user)} users, {len(item)} items and {np.size(at)} times",
                do="Give arrays of one length.",
            )
        self._require_later(np.broadcast_to(at, len(user)))
        names = self._names()
        found = np.empty((len(user), len(names)), dtype=np.float32, order="F")
        for start in range(0, len(user), _BATCH):
            batch = slice(start, start + _BATCH)
            u, i = history.codes.find(user[batch], item[batch])
            place = 0
            for part in self._parts(u, i):
                found[batch, place : place + part.shape[1]] = part
                place += part.shape[1]
        return found, names

    def _require_later(self, at: NDArray[np.int64]) -> None:
        early = at < self.history_until_
        if early.any():
            first = np.flatnonzero(early)[:3]
            raise RowError(
                expected="rows with a t0 at or after the end of the history, "
                f"{np.datetime64(self.history_until_, 'us')} UTC, when its last outcome was known",
                came=f"{int(early.sum())} of {len(at)} rows with an earlier one, e.g. "
                f"{at[first].astype('datetime64[us]').astype(str).tolist()} in rows "
                f"{first.tolist()}",
                do="Leave out rows of the history whose horizons end later, or give later rows.",
            )

    def _names(self) -> tuple[str, ...]:
        names = []
        for name, model in self.models_.items():
            names.append(f"pairs_{name}")
            if isinstance(model, FactorModel):
                names.append(f"pairs_{name}_item_bias")
                names += [
                    f"pairs_{name}_{of}_{place}"
                    for of in ("user", "item")
                    for place in range(self._width(model))
                ]
        names += [f"history_{of}_{count}" for of in ("user", "item") for count in _COUNTS]
        return (*names, *_OF_PAIR)

    def _width(self, model: FactorModel[Any]) -> int:
        return min(self.factors, int(model.item_factors_.shape[1]))

    def _parts(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> list[Floats]:
        """Return the columns of some rows, from codes of which -1 is unknown."""
        parts = []
        for model in self.models_.values():
            known = (user >= 0) & (item >= 0)
            score = np.full((len(user), 1), np.nan, dtype=np.float32)
            score[known, 0] = model.score(user[known], item[known])
            parts.append(score)
            if isinstance(model, FactorModel):
                width = self._width(model)
                parts.append(_looked_up(model.item_bias_[:, None], item))
                parts.append(_looked_up(model.user_factors_[:, :width], user))
                parts.append(_looked_up(model.item_factors_[:, :width], item))
        # The last line of these tables is of who is unknown, and -1 is the last.
        return [*parts, self._users[user], self._items[item], self._pair_counts(user, item)]

    def _pair_counts(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> Floats:
        wanted = key_of(user, item)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        there = (self._keys[at] == wanted) & (user >= 0) & (item >= 0)
        return self._of_pairs[np.where(there, at, -1)]

    def _counts(self, history: PairHistory, code: NDArray[np.int32], size: int) -> Floats:
        """Count the rows of each user, or item; the last line is of who has none."""
        t, y = history.exposed, history.played
        rows, plays = np.empty((2, 2, size))
        for arm in (0, 1):
            rows[arm] = np.bincount(code, weights=t == arm, minlength=size)
            plays[arm] = np.bincount(code, weights=y & (t == arm), minlength=size)
        table = np.full((size + 1, len(_COUNTS)), np.nan, dtype=np.float32)
        table[-1, :2] = 0
        table[:-1, 0], table[:-1, 1] = rows[1], plays.sum(axis=0)
        for column, arm in ((2, 1), (3, 0)):
            if rows[arm].any():
                overall = plays[arm].sum() / rows[arm].sum()
                table[:-1, column] = (plays[arm] + self._prior * overall) / (
                    rows[arm] + self._prior
                )
        return table


def _looked_up(table: NDArray[np.float32], code: NDArray[np.int32]) -> Floats:
    found = table[code]
    found[code < 0] = np.nan
    return found
