"""Rank the lists of many users at once, from rows that carry their features.

What `causal_ranker.serving.adapter.rerank` says of one request after the other, bit by bit, at the
price of one prediction for thousands of rows. Lists fall back for the same reasons, but that a base
model that fails stops everything: nobody waits here. An engine that hands out rows in batches
(Spark's ``mapInPandas``) calls `rank_batches` in each of its workers. What travels there are the
files of a bundle, as they were published; nothing is unpickled but those bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.reranking.chained import columns_of, rank_lists
from causal_ranker.reranking.lists import CandidateLists, SideColumn
from causal_ranker.reranking.ranks import rank_within
from causal_ranker.serving.counts import FallbackReason
from causal_ranker.serving.files import decode_models
from causal_ranker.serving.model import TextModel
from causal_ranker.serving.width import WidthModel

__all__ = ["FALLBACK", "LISTED_SCORE", "RELAXED", "BatchRanker", "rank_batches"]

#: The base score that came with a row: a double, as features are single precision.
LISTED_SCORE: Final = "listed_score"
#: Why a list is in base order, and which rules of the policy it does not keep.
FALLBACK: Final = "fallback"
RELAXED: Final = "relaxed"

_KEY: Final = (C.USER, C.T0, C.ITEM)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class BatchRanker:
    """The models and the policy of a bundle, for rows that carry their features.

    Parameters
    ----------
    files : mapping of str to bytes
        What `causal_ranker.serving.bundle.model_files` returned.

    Attributes
    ----------
    names : tuple of str
        The features of a row, in the order of the model; base score and base rank, which are made
        here, among them.

    Raises
    ------
    BundleError
        If a file is damaged, or a model does not score its golden rows on this machine.
    SchemaError
        If the base model or the policy reads what is no feature.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        parts = decode_models(files)
        schema = parts.uplift.schema
        self.names = schema.names
        self._policy = parts.policy
        self._uplift = TextModel(parts.uplift, name="uplift.txt")
        self._width: WidthModel | None = None
        if parts.width is not None:
            self._width = WidthModel(
                TextModel(parts.width.model, name="width.txt"), parts.width.level
            )
        self._base: TextModel | None = None
        self._base_reads: list[int] = []
        if parts.base is not None:
            self._base = TextModel(parts.base, name="base.txt")
            self._base_reads = [self._place(name) for name in parts.base.schema.names]
        self._sides = {
            name: (self._place(name), schema.features[self._place(name)].levels)
            for name in columns_of(self._policy)
        }

    @property
    def has_intervals(self) -> bool:
        """Whether uplifts come with intervals."""
        return self._width is not None

    def rank(self, rows: pd.DataFrame, *, k: int | None = None) -> pd.DataFrame:
        """Rank whole lists.

        Parameters
        ----------
        rows : pandas.DataFrame
            All candidates of each of one or more requests, in order of ``user_id``, ``t0`` and
            ``item_id``: those columns, the features but base score and base rank by name, and
            ``listed_score`` unless the bundle has a base model.
        k : int, optional
            Rows of each list to return; all by default.

        Returns
        -------
        pandas.DataFrame
            In the same order ``user_id, t0, item_id, base_score, base_rank, uplift, score, rank``
            as in `causal_ranker.serving.adapter.RerankedList`, ``uplift_low`` and ``uplift_high``
            where the bundle has a model of their widths, and of the list ``fallback`` (why it is
            in base order) and ``relaxed`` (rules of the policy that it does not keep, with commas
            between them), both None mostly.

        Raises
        ------
        RowError
            If a base score is missing or not finite.
        """
        request = _requests(rows)
        features = np.empty((len(rows), len(self.names)))
        for place, name in enumerate(self.names):
            if name not in (C.BASE_SCORE, C.BASE_RANK):
                features[:, place] = rows[name]
        base_score = self._base_scores(rows, features)
        base_rank = rank_within(request, base_score)
        for name, values in ((C.BASE_SCORE, base_score), (C.BASE_RANK, base_rank)):
            if name in self.names:
                features[:, self._place(name)] = values
        uplift = self._uplift.predict(features)
        reason = _Reasons(request)
        reason.where(~np.isfinite(uplift), "model_not_finite")
        ends: tuple[Array, Array] | None = None
        if self._width is not None:
            found = self._width.ends(uplift, features)
            assert found is not None
            low, high, sound = found
            reason.where(~sound, "interval_error")
            ends = low, high
        ranked = np.flatnonzero(~reason.fell_back)
        lists = CandidateLists(
            request=request[ranked],
            base_score=base_score[ranked],
            base_rank=base_rank[ranked].astype(np.float64),
            uplift=uplift[ranked],
            columns={
                name: SideColumn(features[ranked, place], levels)
                for name, (place, levels) in self._sides.items()
            },
            interval=None if ends is None else (ends[0][ranked], ends[1][ranked]),
        )
        found_lists = rank_lists(self._policy, lists)
        score, rank = base_score.copy(), base_rank.copy()
        score[ranked], rank[ranked] = found_lists.score, found_lists.rank
        columns: dict[str, Any] = {
            C.USER: rows[C.USER].to_numpy(),
            C.T0: rows[C.T0],
            C.ITEM: rows[C.ITEM].to_numpy(),
            C.BASE_SCORE: base_score,
            C.BASE_RANK: base_rank,
            C.UPLIFT: np.where(reason.fell_back, np.nan, uplift),
            C.SCORE: score,
            C.RANK: rank,
        }
        if ends is not None:
            columns |= {
                name: np.where(reason.fell_back, np.nan, end)
                for name, end in zip((C.UPLIFT_LOW, C.UPLIFT_HIGH), ends, strict=True)
            }
        # Text whether or not a list of this batch fell back, as that differs by batch.
        columns[FALLBACK] = pd.array(reason.told, dtype="str")
        columns[RELAXED] = _relaxed(request, lists.request, found_lists.relaxed)
        frame = pd.DataFrame(columns)
        return frame if k is None else frame[rank <= k]

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise SchemaError(
                expected=f"the feature '{name}', which base model or policy read, in the model's",
                came=f"{len(self.names)} features without it",
                do="Publish the bundle again.",
            )
        return self.names.index(name)

    def _base_scores(self, rows: pd.DataFrame, features: Array) -> Array:
        if self._base is not None:
            scores = self._base.predict(np.ascontiguousarray(features[:, self._base_reads]))
        else:
            scores = rows[LISTED_SCORE].to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.flatnonzero(~np.isfinite(scores))
        if wrong.size:
            user, item = rows[[C.USER, C.ITEM]].astype(object).iloc[int(wrong[0])].tolist()
            raise RowError(
                expected="a finite base score of every candidate",
                came=f"{scores[wrong[0]]} for user {user!r} and item {item!r}",
                do="Leave the candidate out, or give it a score.",
            )
        return scores


class _Reasons:
    """Which requests fall back to the base order, and why: the first reason counts."""

    def __init__(self, request: NDArray[np.int64]) -> None:
        self._request = request
        self.fell_back: Mask = np.zeros(request.size, dtype=bool)
        self.told: NDArray[Any] = np.full(request.size, None, dtype=object)

    def where(self, wrong: Mask, reason: FallbackReason) -> None:
        """Let every request with a wrong row fall back, unless it did already."""
        requests = np.zeros(int(self._request[-1]) + 1, dtype=bool)
        requests[self._request[wrong]] = True
        fresh = requests[self._request] & ~self.fell_back
        self.told[fresh] = reason
        self.fell_back |= fresh


def rank_batches(
    batches: Iterable[pd.DataFrame],
    *,
    version: str,
    files: Callable[[], Mapping[str, bytes]],
    k: int | None,
) -> Iterator[pd.DataFrame]:
    """Rank lists out of a stream of batches, which may cut a list in two.

    Parameters
    ----------
    batches : iterable of pandas.DataFrame
        Rows as `BatchRanker.rank` takes them. All rows of a request lie in this stream, and next
        to one another.
    version : str
        The bundle's version: a process reads the models of a version once.
    files : callable
        Returns the files that `BatchRanker` takes, and is called where they are not read yet.
    k : int or None
        Rows of each list to return; all of them for None.

    Yields
    ------
    pandas.DataFrame
        Ranked lists.

    Raises
    ------
    RowError
        If rows are not in order, so that a list might have been cut.
    """
    ranker = None
    for lists in _whole_lists(batches):
        ranker = ranker or _kept_ranker(version, files)
        yield ranker.rank(lists, k=k)


_KEPT: Final[dict[str, BatchRanker]] = {}


def _kept_ranker(version: str, files: Callable[[], Mapping[str, bytes]]) -> BatchRanker:
    if version not in _KEPT:
        _KEPT.clear()
        _KEPT[version] = BatchRanker(files())
    return _KEPT[version]


def _whole_lists(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """Hold back the last request of each batch until it is known to have ended."""
    held: list[pd.DataFrame] = []
    for batch in batches:
        if batch.empty:
            continue
        if held:
            _check_order(held[-1].tail(1), batch)
        last = _is_of(batch, batch.tail(1))
        begins = int(np.argmax(last))
        if begins or (held and not _is_of(held[-1].tail(1), batch.head(1)).all()):
            ended = [*held, batch.iloc[:begins]]
            if any(len(part) for part in ended):
                yield _joined(ended)
            held = []
        held.append(batch.iloc[begins:])
    if held:
        yield _joined(held)


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _is_of(batch: pd.DataFrame, row: pd.DataFrame) -> Mask:
    """Say which rows are of the request of the one row."""
    user, t0 = row[C.USER].iloc[0], row[C.T0].iloc[0]
    same: Mask = ((batch[C.USER] == user) & (batch[C.T0] == t0)).to_numpy()
    return same


def _check_order(last: pd.DataFrame, batch: pd.DataFrame) -> None:
    _requests(pd.concat([last, batch.head(1)], ignore_index=True))


def _requests(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Count the requests of rows in order; another order may hide that a list was cut."""
    later = np.zeros(len(rows) - 1, dtype=bool)  # than the row before, as far as is decided
    earlier = later.copy()
    for name in _KEY:
        values = rows[name].to_numpy()
        undecided = ~(later | earlier)
        later |= undecided & (values[1:] > values[:-1])
        earlier |= undecided & (values[1:] < values[:-1])
        if name == C.T0:
            new = later.copy()
    if not later.all():
        place = int(np.flatnonzero(~later)[0])
        first, second = (tuple(map(str, rows.iloc[at][list(_KEY)])) for at in (place, place + 1))
        raise RowError(
            expected="each candidate once, in order of user, t0 and item",
            came=f"{first} before {second}",
            do="Send all rows of a user to one place, and sort them there.",
        )
    return np.concatenate([[0], np.cumsum(new)])


def _relaxed(
    request: NDArray[np.int64], ranked: NDArray[np.int64], relaxed: Mapping[str, Mask]
) -> NDArray[Any]:
    """Name the rules that each request's list breaks, with commas; None where it keeps all."""
    told = np.full(request.size, None, dtype=object)
    numbers = np.unique(ranked)
    for rule, broken in relaxed.items():
        rows = np.isin(request, numbers[broken])
        told[rows] = [rule if before is None else f"{before},{rule}" for before in told[rows]]
    return told
