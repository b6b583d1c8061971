"""Base scores and base ranks of candidate rows, from whichever base recommender there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pandas as pd

from causal_ranker.chain.blocks import BlockReader, Span
from causal_ranker.chain.logs import to_datetime
from causal_ranker.columns import Columns as C
from causal_ranker.errors import RowError
from causal_ranker.features.matrix import FeatureBlock
from causal_ranker.recommenders.base import BaseRecommender
from causal_ranker.recommenders.boosted import BoostedRecommender
from causal_ranker.reranking.ranks import rank_within

__all__ = ["BaseScores", "BoostedBase", "LoggedBase", "RecommenderBase", "filled_blocks"]


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
            False where a built-in ranker has not been trained yet.
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
        The base recommender.
    """

    # Other people's code, which may not bear threads, and may ask the engine we read from.
    concurrent = False

    def __init__(self, recommender: BaseRecommender) -> None:
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
            Always true.
        """
        return True

    def fill(self, block: FeatureBlock) -> None:
        """Ask the recommender about each request time and look the answers up.

        Parameters
        ----------
        block : FeatureBlock
            All candidates of each of its requests.

        Raises
        ------
        RowError
            If the recommender does not score a candidate.
        """
        score = np.full(len(block), np.nan)
        for moment in np.unique(block.t0):
            at = np.flatnonzero(block.t0 == moment)
            users = pd.unique(block.user[at]).tolist()
            answer = self._recommender.candidates(users, at=to_datetime(int(moment)))
            asked = pd.DataFrame({C.USER: block.user[at], C.ITEM: block.item[at]})
            found = asked.merge(answer, on=[C.USER, C.ITEM], how="left", validate="1:1")
            score[at] = found[C.BASE_SCORE].to_numpy()
        missing = np.isnan(score)
        if missing.any():
            raise RowError(
                expected="a base score for every candidate",
                came=f"none for {int(missing.sum())} of {len(block)} rows, e.g. user "
                f"{block.user[missing][0]!r} and item {block.item[missing][0]!r}",
                do="Score every logged candidate, or drop those rows from the candidate log.",
            )
        rank = rank_within(block.request(), score)
        block.set_base(score, rank)


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
