"""Base scores and base ranks of candidate rows, from whichever base recommender there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from causal_ranker.chain.blocks import BlockReader, Span
from causal_ranker.chain.reach import to_datetime
from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError, SchemaError
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.boosted import BoostedRecommender
from causal_ranker.reranking.ranks import rank_within

__all__ = [
    "BaseScores",
    "BoostedBase",
    "LoggedBase",
    "RecommenderBase",
    "base_scores",
    "fill_sample",
    "filled_blocks",
]


class BaseScores(Protocol):
    """Fills the base score and base rank of every candidate of some requests.

    Attributes
    ----------
    concurrent : bool
        Whether several blocks may be filled at a time, in other threads.
    """

    concurrent: bool

    def speaks(self, moment: int) -> bool:
        """Say whether there are base scores at a moment.

        Parameters
        ----------
        moment : int
            Microseconds since 1970 UTC.

        Returns
        -------
        bool
            False where a ranker has not been trained yet.
        """
        ...

    def fill(self, block: FeatureBlock) -> None:
        """Write base score and base rank into the block.

        Parameters
        ----------
        block : FeatureBlock
            All candidates of each of its requests.
        """
        ...


class LoggedBase:
    """The candidate log already carries what the base recommender said."""

    concurrent = True

    def speaks(self, moment: int) -> bool:
        """Say whether there are base scores at a moment.

        Parameters
        ----------
        moment : int
            Microseconds since 1970 UTC.

        Returns
        -------
        bool
            Always true.
        """
        return True

    def fill(self, block: FeatureBlock) -> None:
        """Check that every row has a base score.

        Parameters
        ----------
        block : FeatureBlock
            Rows as they were read.

        Raises
        ------
        RowError
            If a row has no base score.
        """
        missing = np.isnan(block.base_score)
        if missing.any():
            raise RowError(
                expected="a base_score for every candidate, or a base recommender",
                came=f"{int(missing.sum())} of {len(block)} rows without one, e.g. items "
                f"{block.item[missing][:3].tolist()}",
                do="Log base_score with the candidates, or pass CausalRanker(base=...).",
            )


class BoostedBase:
    """The built-in ranker, which scores the features that are already there.

    Parameters
    ----------
    recommender : BoostedRecommender
        Trained for the times of the blocks.
    """

    concurrent = True

    def __init__(self, recommender: BoostedRecommender) -> None:
        self._recommender = recommender

    def speaks(self, moment: int) -> bool:
        """Say whether there are base scores at a moment.

        Parameters
        ----------
        moment : int
            Microseconds since 1970 UTC.

        Returns
        -------
        bool
            False before the first model.
        """
        return self._recommender.model_at(moment) is not None

    def fill(self, block: FeatureBlock) -> None:
        """Score each request by the model in force at its t0; NaN before the first model.

        Parameters
        ----------
        block : FeatureBlock
            All candidates of each of its requests.
        """
        score = np.full(len(block), np.nan)
        turns = self._recommender.turns
        number = np.searchsorted(turns, block.t0, side="right") - 1
        for model in np.unique(number[number >= 0]):
            rows = np.flatnonzero(number == model)
            features = block.without_base if len(rows) == len(block) else block.without_base[rows]
            score[rows] = self._recommender.score(features, moment=int(turns[model]))
        rank = rank_within(block.request(), np.nan_to_num(score, nan=-np.inf))
        block.set_base(score, np.where(np.isnan(score), np.nan, rank))


class RecommenderBase:
    """Any recommender behind the door of `causal_ranker.recommenders.base`.

    Parameters
    ----------
    recommender : BaseRecommender
        The base recommender. If it has an attribute ``trained_until``, it is not asked about
        earlier requests, which then have no base score.
    """

    # Other people's code, which may not bear threads, and may ask the engine we read from.
    concurrent = False

    def __init__(self, recommender: BaseRecommender) -> None:
        self._recommender = recommender
        until: datetime | None = getattr(recommender, "trained_until", None)
        self._from = None if until is None else round(until.timestamp() * 1_000_000)

    def speaks(self, moment: int) -> bool:
        """Say whether there are base scores at a moment.

        Parameters
        ----------
        moment : int
            Microseconds since 1970 UTC.

        Returns
        -------
        bool
            False before the moment up to which the recommender was trained.
        """
        return self._from is None or self._from <= moment

    def fill(self, block: FeatureBlock) -> None:
        """Ask the recommender about each request time and look the answers up.

        Parameters
        ----------
        block : FeatureBlock
            All candidates of each of its requests.

        Raises
        ------
        RowError
            If the recommender does not score a candidate, or scores one twice.
        SchemaError
            If its ids are of another type than those of the candidate log.
        """
        score = np.full(len(block), np.nan)
        asked = np.ones(len(block), dtype=bool)
        for moment in np.unique(block.t0):
            at = np.flatnonzero(block.t0 == moment)
            if self.speaks(int(moment)):
                score[at] = self._scores(block.user[at], block.item[at], moment=int(moment))
            else:
                asked[at] = False
        missing = asked & ~np.isfinite(score)
        if missing.any():
            raise RowError(
                expected="a base score for every candidate",
                came=f"none that is finite for {int(missing.sum())} of {len(block)} rows, e.g. "
                f"user {block.user[missing][0]!r} and item {block.item[missing][0]!r}",
                do="Score every logged candidate, or drop those rows from the candidate log.",
            )
        rank = rank_within(block.request(), np.where(asked, score, -np.inf))
        block.set_base(score, np.where(asked, rank, np.nan))

    def _scores(
        self, user: NDArray[Any], item: NDArray[Any], *, moment: int
    ) -> NDArray[np.float64]:
        users = pd.unique(user).tolist()
        answer = self._recommender.candidates(users, at=to_datetime(moment))
        wanted = pd.DataFrame({C.USER: user, C.ITEM: item})
        try:
            found = wanted.merge(answer, on=[C.USER, C.ITEM], how="left", validate="1:1")
        except pd.errors.MergeError as error:
            raise RowError(
                expected="each user and item once in the recommender's answer",
                came=str(error),
                do="Keep one score for each.",
            ) from None
        except ValueError as error:
            raise SchemaError(
                expected="users and items in the recommender's answer as in the candidate log",
                came=str(error),
                do="Convert the ids: 7 and '7' are different ones.",
            ) from None
        scores: NDArray[np.float64] = found[C.BASE_SCORE].to_numpy(dtype=np.float64)
        return scores


def filled_blocks(
    reader: BlockReader, spans: list[Span], *, base: BaseScores
) -> Iterator[FeatureBlock]:
    """Read spans one after the other, with base scores and base ranks.

    Parameters
    ----------
    reader : BlockReader
        Reads the whole lists.
    spans : list of Span
        Their times.
    base : BaseScores
        The base recommender.

    Yields
    ------
    FeatureBlock
        The rows of one span.
    """
    if base.concurrent:
        yield from reader.read_blocks(spans, prepare=base.fill)
        return
    # One after the other: while it answers, nobody else may be asking the engine.
    for span in spans:
        block = reader.read(span)
        base.fill(block)
        yield block


def fill_sample(
    sample: FeatureBlock,
    scores: BaseScores,
    reader: BlockReader,
    spans: list[Span],
    *,
    keep: Sequence[Span] = (),
    advance: Callable[[], None] = lambda: None,
) -> list[FeatureBlock]:
    """Give sampled rows the base score and base rank they had in their whole list.

    Parameters
    ----------
    sample : FeatureBlock
        Sampled rows; their two base columns are written.
    scores : BaseScores
        The base recommender.
    reader : BlockReader
        Reads the whole lists.
    spans : list of Span
        Their times.
    keep : sequence of Span
        Those whose whole lists the caller reads next.
    advance : callable
        Called once per span.

    Returns
    -------
    list of FeatureBlock
        The whole lists of the spans to keep, as far as they were read.
    """
    kept: list[FeatureBlock] = []
    score = np.full(len(sample), np.nan)
    rank = np.full(len(sample), np.nan)
    places: list[NDArray[np.int64]] = []
    wanted: list[Span] = []
    for span in spans:
        start, end = (round(at.timestamp() * 1_000_000) for at in (span.start, span.end))
        here = np.flatnonzero((sample.t0 >= start) & (sample.t0 < end))
        if len(here) and scores.speaks(end - 1):
            places.append(here)
            wanted.append(span)
        else:
            advance()
    blocks = filled_blocks(reader, wanted, base=scores)
    for here, span, block in zip(places, wanted, blocks, strict=True):
        found = block.locate(sample.take(here))
        score[here], rank[here] = block.base_score[found], block.base_rank[found]
        if span in keep:
            kept.append(block)
        advance()
    sample.set_base(score, rank)
    return kept


def base_scores(
    base: BaseRecommender | Literal["boosted"] | None, recommender: BoostedRecommender | None
) -> BaseScores:
    """Say where base scores come from.

    Parameters
    ----------
    base : BaseRecommender, "boosted" or None
        The base recommender; None if the candidates carry base scores.
    recommender : BoostedRecommender or None
        The built-in one, where it is used.

    Returns
    -------
    BaseScores
        Their source.
    """
    if recommender is not None:
        return BoostedBase(recommender)
    if base is None or base == "boosted":
        return LoggedBase()
    return RecommenderBase(base)
